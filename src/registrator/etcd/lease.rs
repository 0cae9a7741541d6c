//! The lease of the host. Its ID follows from prefix and host name, so a registrator that was killed and started again
//! finds its own lease, with all its keys, and nobody who watches them sees anything.

use etcd_client::{Error, LeaseGrantOptions, LeaseTimeToLiveOptions};

use super::{
    store::Store,
    trouble::{Kind, Trouble},
};
use crate::registrator::layout::{Output, key::digest};

/// The ID of the lease of a host: positive, and the same every time.
pub(super) fn lease_id(outputs: &[Output], host: &str) -> i64 {
    let first = outputs.first().map(|output| output.prefix.as_str()).unwrap_or_default();
    let mixed = digest(&format!("quorate registrator\n{first}\n{host}"));
    // 63 bits; 0 would mean no lease.
    i64::try_from(mixed >> 1).unwrap_or(1).max(1)
}

impl Store {
    /// Takes the lease over if it lives, or makes it.
    ///
    /// Whether it was taken over.
    pub(super) async fn hold_lease(&mut self, id: i64, ttl: i64) -> Result<bool, Trouble> {
        if self.keep_alive(id, ttl).await? {
            return Ok(true);
        }
        let options = LeaseGrantOptions::new().with_id(id);
        let granted = self
            .call("make the lease", move |client| async move {
                client.lease_client().grant(ttl, Some(options)).await
            })
            .await;
        match granted {
            Ok(_) => Ok(false),
            // The answer to an earlier try got lost.
            Err(trouble) if trouble.kind == Kind::LeaseExists => Ok(true),
            Err(trouble) => Err(trouble),
        }
    }

    /// Gives the lease its whole TTL again. Whether it was there; if not, its keys are gone too.
    pub(super) async fn keep_alive(&mut self, id: i64, ttl: i64) -> Result<bool, Trouble> {
        let alive = self
            .call("keep the lease alive", move |client| async move {
                // A stream for each: one that stays open is not asked for its token again, and does not come back by
                // itself when its member ends. etcd-client waits for the first answer, and makes an error of the TTL of 0
                // that etcd answers with for a lease that is gone.
                match client.lease_client().keep_alive(id).await {
                    Ok(_) => Ok(true),
                    Err(Error::LeaseKeepAliveError(words)) if words.contains("not found") => Ok(false),
                    Err(error) => Err(error),
                }
            })
            .await?;
        if alive {
            self.metrics.lease_ttl(ttl);
        }
        Ok(alive)
    }

    /// The keys on the lease, and the TTL it was made with; nothing if it is gone.
    pub(super) async fn lease_keys(&mut self, id: i64) -> Result<Option<(i64, Vec<String>)>, Trouble> {
        let answer = self
            .call("read the keys of the lease", move |client| async move {
                let options = LeaseTimeToLiveOptions::new().with_keys();
                client.lease_client().time_to_live(id, Some(options)).await
            })
            .await;
        match answer {
            Ok(answer) if answer.ttl() > 0 => {
                let keys = answer.keys().iter().map(|key| String::from_utf8_lossy(key).into_owned());
                Ok(Some((answer.granted_ttl(), keys.collect())))
            }
            Ok(_) => Ok(None),
            Err(trouble) if trouble.kind == Kind::LeaseGone => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Ends the lease, and with it all keys on it at once.
    pub(super) async fn revoke(&mut self, id: i64) -> Result<(), Trouble> {
        let revoked = self
            .call("end the lease", move |client| async move { client.lease_client().revoke(id).await })
            .await;
        match revoked {
            Err(trouble) if trouble.kind != Kind::LeaseGone => Err(trouble),
            _ => Ok(()),
        }
    }
}
