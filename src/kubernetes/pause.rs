//! How long to wait until something that failed is tried again.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use super::store::Key;

/// The pauses of a controller: twice as long after every failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct BackOff {
    /// The pause after the first failure.
    pub(super) first: Duration,
    /// The longest pause.
    pub(super) longest: Duration,
}

impl BackOff {
    /// The pause after a number of failures in a row, shorter by up to a quarter: what failed together, because the API
    /// server was away, is not to come back together, however long that lasts.
    pub(super) fn after(self, failures: u32, who: &Key) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        let mut hasher = DefaultHasher::new();
        (failures, who).hash(&mut hasher);
        let [share, ..] = hasher.finish().to_le_bytes();
        whole - whole / 4 * u32::from(share) / 255
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const TRIED: BackOff = BackOff { first: Duration::from_millis(400), longest: Duration::from_secs(30) };

    fn key(name: &str) -> Key {
        ("ns".to_owned(), name.to_owned())
    }

    #[test]
    fn pauses_grow_up_to_a_limit() {
        for (failures, whole) in
            [(0, 400), (1, 400), (2, 800), (4, 3200), (7, 25_600), (8, 30_000), (u32::MAX, 30_000)]
        {
            let pause = TRIED.after(failures, &key("demo"));
            let whole = Duration::from_millis(whole);
            assert!(pause <= whole && pause >= whole * 3 / 4, "{failures}: {pause:?}");
        }
    }

    #[test]
    fn what_failed_together_comes_back_apart() {
        for failures in [1, 9] {
            let pauses: BTreeSet<_> =
                (0..40).map(|one| TRIED.after(failures, &key(&format!("demo-{one}")))).collect();
            assert!(pauses.len() > 30, "{failures}: {pauses:?}");
        }
        assert_ne!(TRIED.after(3, &key("demo-12")), TRIED.after(3, &key("demo-21")));
    }
}
