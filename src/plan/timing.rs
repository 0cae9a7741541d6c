//! Election timeouts and heartbeats in a roll: while members differ, nobody may take a leader that lives for dead.
//!
//! etcd wants an election timeout of at least five heartbeats (`embed.Config.Validate`), but looks at one member only. In
//! a roll the heartbeats of a leader meet the timeouts of members that are made otherwise. So where old and new don't go
//! together, all members first get the shorter heartbeat and the longer timeout of the two, which goes with both.

use super::options::{DEFAULT_ELECTION, DEFAULT_HEARTBEAT, EtcdOptions};

/// How many heartbeats an election timeout has at least.
const HEARTBEATS: i64 = 5;

/// The two times of a member, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timing {
    heartbeat: i64,
    election: i64,
}

impl Timing {
    fn of(options: &EtcdOptions) -> Self {
        Self {
            heartbeat: options.heartbeat_interval.unwrap_or(DEFAULT_HEARTBEAT),
            election: options.election_timeout.unwrap_or(DEFAULT_ELECTION),
        }
    }

    /// Whether either may lead the other.
    fn goes_with(self, other: Self) -> bool {
        self.election >= HEARTBEATS * other.heartbeat && other.election >= HEARTBEATS * self.heartbeat
    }
}

/// The options that a member gets next: those that are wanted, with times that go with those of all others. `own` are
/// those it has.
pub(super) fn next<'a>(
    own: &EtcdOptions,
    mut others: impl Iterator<Item = &'a EtcdOptions>,
    wanted: &EtcdOptions,
) -> EtcdOptions {
    let (old, new) = (Timing::of(own), Timing::of(wanted));
    if others.all(|other| Timing::of(other).goes_with(new)) {
        return wanted.clone();
    }
    EtcdOptions {
        heartbeat_interval: Some(old.heartbeat.min(new.heartbeat)),
        election_timeout: Some(old.election.max(new.election)),
        ..wanted.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(heartbeat: i64, election: i64) -> EtcdOptions {
        EtcdOptions {
            heartbeat_interval: Some(heartbeat),
            election_timeout: Some(election),
            ..EtcdOptions::default()
        }
    }

    /// Rolls three members one by one, and gives how many restarts that took.
    fn roll(from: (i64, i64), to: (i64, i64)) -> usize {
        let wanted = options(to.0, to.1);
        let mut members = vec![options(from.0, from.1); 3];
        for restarts in 0..10 {
            let next = (0..3).find_map(|at| {
                let others = members.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, one)| one);
                let next = next(&members[at], others, &wanted);
                (next != members[at]).then_some((at, next))
            });
            let Some((at, next)) = next else {
                assert!(members.iter().all(|one| *one == wanted), "{members:?}");
                return restarts;
            };
            members[at] = next;
            for (one, other) in members.iter().flat_map(|one| members.iter().map(move |other| (one, other))) {
                assert!(Timing::of(one).goes_with(Timing::of(other)), "{from:?} → {to:?}: {members:?}");
            }
        }
        panic!("{from:?} → {to:?} never ends: {members:?}");
    }

    #[test]
    fn times_that_go_together_change_in_one_round_and_others_in_two() {
        // The last of three finds the others on times that go with the new ones, and gets these at once.
        let table = [
            ((100, 1000), (100, 1000), 0),
            ((100, 1000), (200, 2000), 3),
            ((100, 1000), (100, 5000), 3),
            ((100, 1000), (500, 5000), 5),
            ((500, 5000), (100, 1000), 5),
            ((100, 500), (1000, 50_000), 5),
        ];
        for (from, to, restarts) in table {
            assert_eq!(roll(from, to), restarts, "{from:?} → {to:?}");
        }
    }
}
