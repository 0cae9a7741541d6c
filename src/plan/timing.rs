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

/// The options that a member joins with: those that are wanted, with times that go with those of all that are there.
/// A roll brings it to the wanted ones like the others.
pub fn joining<'a>(present: impl Iterator<Item = &'a EtcdOptions>, wanted: &EtcdOptions) -> EtcdOptions {
    let new = Timing::of(wanted);
    let there: Vec<_> = present.map(Timing::of).collect();
    if there.iter().all(|one| one.goes_with(new)) {
        return wanted.clone();
    }
    let times = there.into_iter().fold(new, |times, one| Timing {
        heartbeat: times.heartbeat.min(one.heartbeat),
        election: times.election.max(one.election),
    });
    EtcdOptions {
        heartbeat_interval: Some(times.heartbeat),
        election_timeout: Some(times.election),
        ..wanted.clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::Index};

    use super::*;

    fn options(heartbeat: i64, election: i64) -> EtcdOptions {
        EtcdOptions {
            heartbeat_interval: Some(heartbeat),
            election_timeout: Some(election),
            ..EtcdOptions::default()
        }
    }

    fn others(members: &[EtcdOptions], not: usize) -> impl Iterator<Item = &EtcdOptions> {
        members.iter().enumerate().filter(move |(at, _)| *at != not).map(|(_, one)| one)
    }

    /// Every member may lead every other one.
    fn all_go_together(members: &[EtcdOptions]) -> bool {
        let times: Vec<_> = members.iter().map(Timing::of).collect();
        times.iter().all(|one| times.iter().all(|other| one.goes_with(*other)))
    }

    /// Restarts the next member that can be brought nearer to what is wanted; whether there was one.
    fn step(members: &mut [EtcdOptions], wanted: &EtcdOptions) -> bool {
        let due = (0..members.len()).find_map(|at| {
            let next = next(&members[at], others(members, at), wanted);
            (next != members[at]).then_some((at, next))
        });
        due.map(|(at, next)| members[at] = next).is_some()
    }

    /// Rolls three members one by one, and gives how many restarts that took.
    fn roll(from: (i64, i64), to: (i64, i64)) -> usize {
        let wanted = options(to.0, to.1);
        let mut members = vec![options(from.0, from.1); 3];
        let mut restarts = 0;
        while step(&mut members, &wanted) {
            assert!(all_go_together(&members), "{from:?} → {to:?}: {members:?}");
            restarts += 1;
            assert!(restarts < 10, "{from:?} → {to:?} never ends: {members:?}");
        }
        assert!(members.iter().all(|one| *one == wanted), "{members:?}");
        restarts
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

    #[test]
    fn who_joins_goes_with_all_that_are_there() {
        let table: &[(&[(i64, i64)], _, _)] = &[
            (&[], (500, 5000), (500, 5000)),
            (&[(100, 1000), (100, 1000)], (100, 1000), (100, 1000)),
            (&[(100, 1000), (100, 1000)], (200, 2000), (200, 2000)),
            (&[(100, 1000), (100, 1000)], (500, 5000), (100, 5000)),
            (&[(500, 5000), (500, 5000)], (100, 1000), (100, 5000)),
            // In the middle of a roll from the first to the last.
            (&[(100, 1000), (100, 5000)], (500, 5000), (100, 5000)),
            (&[(100, 5000), (500, 5000)], (500, 5000), (500, 5000)),
        ];
        for (present, wanted, expected) in table {
            let present: Vec<_> =
                present.iter().map(|(heartbeat, election)| options(*heartbeat, *election)).collect();
            let joined = joining(present.iter(), &options(wanted.0, wanted.1));
            assert_eq!(joined, options(expected.0, expected.1), "{present:?} {wanted:?}");
        }
    }

    /// What may happen to a cluster between two restarts.
    #[derive(Debug, Clone)]
    enum Event {
        /// The spec is edited.
        Want(EtcdOptions),
        /// The roll goes one member on.
        Roll,
        /// A member joins.
        Join,
        /// A member leaves.
        Leave(Index),
    }

    fn times() -> impl Strategy<Value = EtcdOptions> {
        (1i64..=2_000, 5i64..=50).prop_map(|(heartbeat, factor)| {
            options(heartbeat, (heartbeat * factor).min(crate::plan::options::ELECTION_TIMEOUT_LIMIT))
        })
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            2 => times().prop_map(Event::Want),
            6 => Just(Event::Roll),
            2 => Just(Event::Join),
            1 => any::<Index>().prop_map(Event::Leave),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_all_go_together_and_the_roll_ends(first in times(), events in vec(event(), 0..60)) {
            let mut members = vec![first.clone(); 3];
            let mut wanted = first;
            for event in events {
                match event {
                    Event::Want(options) => wanted = options,
                    Event::Roll => {
                        step(&mut members, &wanted);
                    }
                    Event::Join if members.len() < 9 => members.push(joining(members.iter(), &wanted)),
                    Event::Leave(which) if members.len() > 2 => {
                        members.remove(which.index(members.len()));
                    }
                    Event::Join | Event::Leave(_) => {}
                }
                prop_assert!(all_go_together(&members), "{members:?}");
            }
            let mut restarts = 0;
            while step(&mut members, &wanted) {
                restarts += 1;
                prop_assert!(all_go_together(&members), "{members:?}");
                prop_assert!(restarts <= 2 * members.len(), "the roll never ends: {members:?}");
            }
            prop_assert!(members.iter().all(|one| *one == wanted), "{members:?} {wanted:?}");
        }
    }
}
