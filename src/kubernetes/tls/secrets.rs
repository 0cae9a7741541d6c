//! Secrets by name, read again after a while: nothing lists or watches them, so that the operator has no right to.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Secret;

use crate::{
    kubernetes::{
        hands::{CallError, Hands},
        labels,
        render::Held,
        store::{Identity, Key},
    },
    pki::Entries,
};

/// How long what was read counts as what is there, for the passes over a cluster.
pub(super) const FRESH: Duration = Duration::from_secs(5);
/// The same for the upkeep of members: longer than from one pass to the next, so that a cluster at rest has its Secrets read
/// by its passes alone. A write on what is older is refused, and a pass that finds something amiss calls for upkeep.
pub(super) const KNOWN: Duration = Duration::from_secs(30);
/// After which time what was read is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// A Secret. It prints without what it holds.
#[derive(Clone)]
pub struct SecretView {
    /// Who it is.
    pub identity: Identity,
    /// The UID of the EtcdCluster it was made for.
    pub cluster_uid: Option<String>,
    /// Its entries that are text.
    pub held: Held,
}

impl fmt::Debug for SecretView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.held.keys().collect();
        f.debug_struct("SecretView").field("identity", &self.identity).field("entries", &names).finish()
    }
}

impl SecretView {
    fn of(secret: Secret) -> Self {
        let labels = secret.metadata.labels.as_ref();
        let data = secret.data.unwrap_or_default().into_iter();
        Self {
            identity: Identity::of(&secret.metadata),
            cluster_uid: labels.and_then(|labels| labels.get(labels::CLUSTER_UID)).cloned(),
            held: data.filter_map(|(name, bytes)| Some((name, String::from_utf8(bytes.0).ok()?))).collect(),
        }
    }
}

/// What was read, and when.
#[derive(Debug, Default)]
pub struct Secrets(Mutex<BTreeMap<Key, (Instant, Option<SecretView>)>>);

impl Secrets {
    /// The Secret of that name, as it was at most so long ago.
    ///
    /// # Errors
    /// When the API server does not answer, or refuses.
    pub async fn get(
        &self,
        hands: &Hands,
        namespace: &str,
        name: &str,
        age: Duration,
    ) -> Result<Option<SecretView>, CallError> {
        let key = (namespace.to_owned(), name.to_owned());
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        match known {
            Some((at, secret)) if at.elapsed() < age => Ok(secret),
            _ => {
                let found = hands.secret(namespace, name).await?.map(SecretView::of);
                self.note(key, found.clone());
                Ok(found)
            }
        }
    }

    /// Makes one.
    ///
    /// # Errors
    /// When the API server refuses, or its answer got lost.
    pub async fn make(&self, hands: &Hands, secret: &Secret) -> Result<(), CallError> {
        let metadata = &secret.metadata;
        let key = (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default());
        let made = hands.make_secret(secret).await;
        self.noted(key, made)
    }

    /// Changes entries of one that is still in the very state that was read.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn change(&self, hands: &Hands, secret: &Identity, entries: &Entries) -> Result<(), CallError> {
        let changed = hands.change_secret(secret, entries).await;
        self.noted(secret.key(), changed)
    }

    /// Keeps what a write answered; after one that failed it is read anew.
    fn noted(&self, key: Key, written: Result<Secret, CallError>) -> Result<(), CallError> {
        match written {
            Ok(secret) => {
                self.note(key, Some(SecretView::of(secret)));
                Ok(())
            }
            Err(error) => {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
                Err(error)
            }
        }
    }

    fn note(&self, key: Key, secret: Option<SecretView>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (at, _)| at.elapsed() < FORGOTTEN);
        all.insert(key, (Instant::now(), secret));
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    #[test]
    fn nothing_that_a_secret_holds_is_printed() {
        let data = [("peer.key".to_owned(), ByteString(b"-----BEGIN PRIVATE KEY-----".to_vec()))];
        let secret = Secret { data: Some(data.into()), ..Secret::default() };
        let printed = format!("{:?}", SecretView::of(secret));
        assert!(printed.contains("peer.key") && !printed.contains("BEGIN"), "{printed}");
    }
}
