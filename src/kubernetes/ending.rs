//! Namespaces that are being deleted: the API server refuses everything that is made in them, so nothing is tried.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a namespace is left alone after a refusal. Its objects go meanwhile, and one that bears the name anew is
/// not kept waiting for long.
pub const LEFT_ALONE: Duration = Duration::from_secs(10);

/// The namespaces in which something was refused for that reason, and when.
#[derive(Debug, Default)]
pub struct Ending(Mutex<BTreeMap<String, Instant>>);

impl Ending {
    /// Notes a refusal.
    pub fn refused(&self, namespace: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, at| at.elapsed() < LEFT_ALONE);
        all.insert(namespace.to_owned(), Instant::now());
    }

    /// For how long still a namespace is to be left alone.
    pub fn rest(&self, namespace: &str) -> Option<Duration> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = LEFT_ALONE.saturating_sub(all.get(namespace)?.elapsed());
        (!rest.is_zero()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_left_alone_for_a_while() {
        let ending = Ending::default();
        assert_eq!(ending.rest("a"), None);
        ending.refused("a");
        assert!(ending.rest("a").is_some_and(|rest| rest <= LEFT_ALONE));
        assert_eq!(ending.rest("b"), None);
    }
}
