//! How the operator talks to the members of a cluster: with certificates that are made for it alone and never stored.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use rustls::{ClientConfig, pki_types::ServerName};

use super::leaves::Ready;
use crate::{
    etcd::{Credentials, CredentialsError, tls_config},
    pki::{Authorities, Certificate, PkiError, Request},
    plan::{Sides, certificates::renewal, transport::AuthorityId},
};

/// Why the operator has no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TalkError {
    /// It can't be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// It can't be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

/// What the operator talks to the members of a side with.
#[derive(Debug, Default)]
pub(in crate::kubernetes) enum Own {
    /// There is nothing: in plain text, or with what was made before.
    #[default]
    Nothing,
    /// A certificate is made for it, which one of these signs.
    Signed(Box<Authorities>),
    /// What is kept, because nobody signs.
    Kept(Ready),
}

/// The operator's own certificates of one cluster.
#[derive(Debug, Default)]
pub(in crate::kubernetes) struct Talk(Mutex<Sides<Option<Made>>>);

#[derive(Debug, Clone)]
struct Made {
    from: From,
    /// When it was made: before that, it was by a clock that was ahead and was set back.
    since: Timestamp,
    /// When it is made anew.
    until: Timestamp,
    config: Arc<ClientConfig>,
}

/// What it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    /// Who signed it, and whom it trusts.
    Signed(AuthorityId, Vec<AuthorityId>),
    /// What was kept then.
    Kept(Ready),
}

impl Talk {
    /// What to talk to members with, made anew when it is to be made from something else or gets old. While there is
    /// nothing, what was made before is kept. `names` are those that every member's certificates have.
    pub(in crate::kubernetes) fn credentials(
        &self,
        own: &Sides<Own>,
        names: &Sides<String>,
        life: Duration,
    ) -> Result<Credentials, TalkError> {
        let now = Timestamp::now();
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        renew(&mut made.peer, &own.peer, now, life)?;
        renew(&mut made.client, &own.client, now, life)?;
        let config = |made: &Option<Made>| made.as_ref().map(|made| Arc::clone(&made.config));
        let name = |name: &String| ServerName::try_from(name.clone()).ok();
        Ok(Credentials {
            client: config(&made.client),
            peer: config(&made.peer),
            names: Sides { peer: name(&names.peer), client: name(&names.client) },
        })
    }
}

fn renew(made: &mut Option<Made>, own: &Own, now: Timestamp, life: Duration) -> Result<(), TalkError> {
    let known = |from: &From| {
        made.as_ref().is_some_and(|made| made.from == *from && (made.since..made.until).contains(&now))
    };
    let (from, config, until) = match own {
        Own::Nothing => return Ok(()),
        Own::Signed(authorities) => {
            let Some(issuer) = authorities.issuer() else { return Ok(()) };
            let trusted = authorities.certificates().into_iter().map(|one| one.id).collect();
            let from = From::Signed(issuer.id().clone(), trusted);
            if known(&from) {
                return Ok(());
            }
            let request = Request { common_name: "quorate-operator".to_owned(), names: Vec::new() };
            let own = issuer.issue(&request, now, life)?;
            let until = renewal(now, Certificate::read(&own.certificate)?.until);
            (from, tls_config(&authorities.bundle(), Some((&own.certificate, &own.key)))?, until)
        }
        Own::Kept(ready) => {
            let from = From::Kept(ready.clone());
            if known(&from) {
                return Ok(());
            }
            let config = tls_config(&ready.authorities, Some((&ready.certificate, &ready.key)))?;
            // Another one shows as another text.
            (from, config, Timestamp::MAX)
        }
    };
    *made = Some(Made { from, since: now, until, config: Arc::new(config) });
    Ok(())
}
