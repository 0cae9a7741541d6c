//! How long to wait for what. Every figure here was measured on real etcd; see docs/architecture.md.

use std::time::Duration;

/// The waiting times of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// From telling clients to leave a member until it is taken down.
    pub drain: Duration,
    /// From a member's return until the next one may be taken down: clients reconnect with a back-off of about a second.
    pub settle: Duration,
    /// From the last member's start until a cluster that did not form is thrown away: a split first election alone takes 3 s.
    pub bootstrap: Duration,
    /// From a learner's creation until it is given up, since it holds the only learner slot.
    pub learner: Duration,
    /// From seeing that data is lost until the member is removed: whoever deletes several volumes does it one after the
    /// other, and after the first removal one more loss is a loss of the quorum.
    pub certain: Duration,
    /// How many raft entries a learner may be behind when it is promoted.
    pub catch_up: u64,
    /// The longest pause between two starts of a member that keeps ending.
    pub back_off: Duration,
    /// How long to rest when everything is as wanted and nothing changes.
    pub rest: Duration,
    /// The shortest time between two statuses that differ only in what single members do.
    pub members: Duration,
    /// The shortest time between two statuses that differ only in words.
    pub words: Duration,
    /// The shortest time between two statuses that differ only in sizes and counters.
    pub sizes: Duration,
    /// The shortest time between two comparisons of the members' data.
    pub compare: Duration,
    /// How long an authority of the cluster's own is valid; it is replaced after two thirds of that.
    pub authority_life: Duration,
    /// How long a certificate that it signs is valid; it is renewed after two thirds of that.
    pub leaf_life: Duration,
    /// From a new authority or certificate until every client has it: they read files, or a Secret that the kubelet brings.
    pub spread: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for Policy {
    fn default() -> Self {
        Self {
            drain: Duration::from_millis(1500),
            settle: Duration::from_secs(3),
            bootstrap: Duration::from_secs(20),
            learner: Duration::from_secs(300),
            certain: Duration::ZERO,
            catch_up: 500,
            back_off: Duration::from_secs(60),
            rest: Duration::from_secs(2),
            members: Duration::ZERO,
            words: Duration::ZERO,
            sizes: Duration::ZERO,
            compare: Duration::from_secs(45),
            authority_life: DAY * 3650,
            leaf_life: DAY * 365,
            spread: Duration::from_secs(5),
        }
    }
}

impl Policy {
    /// For Kubernetes: watches tell what changes there, so that looks are only for what members say of themselves, and
    /// each status that is shown is a write to the API server.
    pub fn kubernetes() -> Self {
        Self {
            rest: Duration::from_secs(20),
            members: Duration::from_secs(5),
            words: Duration::from_secs(5),
            sizes: Duration::from_secs(60),
            bootstrap: Duration::from_secs(30),
            certain: Duration::from_secs(3),
            // The kubelet refreshes a mounted Secret about once a minute.
            spread: Duration::from_secs(120),
            ..Self::default()
        }
    }

    /// How long to wait before the next start of a member that ended `failures` times in a row: at once after the
    /// first time, then 1 s, 2 s, 4 s and so on.
    pub fn restart_after(&self, failures: u32) -> Duration {
        match failures {
            0 | 1 => Duration::ZERO,
            more => Duration::from_secs(1 << (more - 2).min(10)).min(self.back_off),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_back_off_to_a_limit() {
        let seconds: Vec<_> = (0..12).map(|n| Policy::default().restart_after(n).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    }
}
