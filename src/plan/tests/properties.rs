//! What must hold for any world, likely or not.

use proptest::{option, prelude::*};

use super::builder::*;
use crate::plan::{
    Admission, ClusterId, ClusterState, Data, Decision, Incarnation, Listed, MemberId, Membership, Process,
    Report, Step, World, decide, quorum, status::describe,
};

fn a_process() -> impl Strategy<Value = Process> {
    prop_oneof![
        1 => Just(Process::NotStarted),
        6 => (0..500i64).prop_map(|seconds| Process::Running { since: ago(seconds) }),
        2 => (0..100i64, 0..5u32, any::<bool>()).prop_map(|(seconds, failures, damaged)| Process::Exited {
            at: ago(seconds),
            failures,
            last_words: if damaged { "wal: crc mismatch".into() } else { "signal: killed".into() },
        }),
        1 => (0..9i64).prop_map(|seconds| Process::Blocked { why: "port taken".into(), at: ago(seconds) }),
    ]
}

fn a_report(serial: u64) -> impl Strategy<Value = Report> {
    (option::of(1..9u64), 1..4u64, 0..3000u64, prop::bool::weighted(0.8)).prop_map(
        move |(leader, term, applied_index, ready)| Report {
            term,
            applied_index,
            ready,
            ..report(serial, leader)
        },
    )
}

fn an_incarnation(serial: u64) -> impl Strategy<Value = Incarnation> {
    let told = option::weighted(0.9, (any::<bool>(), any::<bool>()));
    let requests =
        (option::weighted(0.2, 0..9i64), option::weighted(0.2, 0..9i64), prop::bool::weighted(0.2));
    let data = (prop::bool::weighted(0.9), prop::bool::weighted(0.9));
    (a_process(), option::weighted(0.8, a_report(serial)), told, requests, data, 0..1000i64).prop_map(
        move |(process, report, told, (draining, restart, replace_requested), (started, present), age)| {
            Incarnation {
                process,
                report,
                admission: told.map(|(new, id)| Admission {
                    id: id.then_some(MemberId(serial)),
                    ..admission(if new { ClusterState::New } else { ClusterState::Existing }, 1..=3)
                }),
                supervised: false,
                behind: None,
                misplaced: None,
                lost_since: None,
                draining: draining.map(ago),
                returned: None,
                restart_requested: restart.map(ago),
                replace_requested,
                data: Data { started, present },
                created: ago(age),
                ..place(serial)
            }
        },
    )
}

fn a_listed(serial: u64) -> impl Strategy<Value = Listed> {
    (prop::bool::weighted(0.1), prop::bool::weighted(0.1)).prop_map(move |(learner, unnamed)| {
        let known = listed(serial);
        Listed { learner, name: if unnamed { String::new() } else { known.name.clone() }, ..known }
    })
}

/// Up to eight serials, each listed, existing, both or neither.
fn a_world() -> impl Strategy<Value = World> {
    let seats: Vec<_> = (1..9u64)
        .map(|serial| {
            (option::weighted(0.6, a_listed(serial)), option::weighted(0.6, an_incarnation(serial)))
        })
        .collect();
    let record = (prop::bool::weighted(0.9), 0..20u64);
    let shape = (prop::sample::select(vec![3i64, 5, 7, 9]), record, prop::bool::weighted(0.8));
    (seats, shape, prop::bool::weighted(0.05)).prop_map(|(seats, (size, (formed, serial), known), paused)| {
        let (list, incarnations): (Vec<_>, Vec<_>) = seats.into_iter().unzip();
        let list = list.into_iter().flatten().collect();
        none(size).with(|world| {
            world.desired.paused = paused;
            world.record.cluster_id = formed.then_some(CLUSTER);
            world.record.serial = serial;
            world.incarnations = incarnations.into_iter().flatten().collect();
            world.membership = match known {
                true => Membership::Known(list),
                false => Membership::Unknown { why: "no answer".into(), hearsay: list },
            };
        })
    })
}

fn listed_of<'a>(world: &'a World, one: &Incarnation) -> Option<&'a Listed> {
    let Membership::Known(list) = &world.membership else { return None };
    list.iter().find(|listed| listed.peer_urls.contains(&one.peer_url))
}

/// A voter that answers as one, with its data there.
fn healthy(world: &World, listed: &Listed) -> bool {
    let sits = |one: &&Incarnation| listed.peer_urls.contains(&one.peer_url);
    world.incarnations.iter().find(sits).is_some_and(|one| {
        let ready = |report: &Report| report.ready && report.cluster_id == ClusterId(0xc1);
        one.running() && one.report.as_ref().is_some_and(ready) && one.data_fault().is_none()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_world_gets_a_safe_answer(world in a_world()) {
        let decision = decide(&world, second(NOW));
        let words = describe(&world, &decision, Some(1), None, second(NOW));
        prop_assert_eq!(words.conditions.len(), 7);
        let again = describe(&world, &decision, Some(1), Some(&words), second(NOW + 9));
        for (old, new) in words.conditions.iter().zip(&again.conditions) {
            // Nothing but time can turn one around: a member that is not new any more.
            let same = old.status == new.status && old.last_transition_time == new.last_transition_time;
            prop_assert!(same || (new.kind == "Degraded" && new.status == "True"), "a second look changes no time: {:?}", new);
        }

        let steps = decision.steps();
        let acts = matches!(decision, Decision::Act { .. });
        prop_assert_eq!(acts, !steps.is_empty());
        prop_assert!(!decision.reason().is_empty());
        prop_assert!(!world.desired.paused || steps.is_empty());
        // Before a cluster formed there is nothing to disrupt.
        let disrupts = |step: &&Step| match step {
            Step::Stop { .. } | Step::Remove { .. } | Step::MoveLeader { .. } => true,
            Step::Renew { .. } => world.record.cluster_id.is_some(),
            _ => false,
        };
        prop_assert!(steps.iter().filter(disrupts).count() <= 1, "{:?}", steps);
        let known: &[Listed] = match &world.membership {
            Membership::Known(list) => list,
            Membership::Unknown { .. } => &[],
        };
        let formed = world.record.cluster_id.is_some();
        let voters: Vec<_> = known.iter().filter(|one| !one.learner).collect();
        for step in steps {
            let gone = match step {
                Step::Remove { id, .. } => voters.iter().find(|one| one.id == *id),
                Step::Stop { name } | Step::Renew { name, .. } => voters.iter().find(|one| one.name == name.0),
                _ => None,
            };
            if let Some(gone) = gone {
                let rest = voters.iter().filter(|one| one.id != gone.id && healthy(&world, one)).count();
                prop_assert!(rest >= quorum(voters.len()), "{step:?} leaves {rest} of {}", voters.len());
            }
            let one = world.incarnations.iter().find(|one| one.name.0 == step.member());
            match step {
                Step::Start { .. } => prop_assert!(one.is_some_and(|one| one.data_fault().is_none() && one.admission.is_some())),
                Step::Discard { .. } => prop_assert!(
                    !formed || (!known.is_empty() || matches!(world.membership, Membership::Known(_)))
                        && one.is_some_and(|one| listed_of(&world, one).is_none())
                ),
                Step::Admit { admission, .. } => prop_assert!(!formed || admission.state == ClusterState::Existing),
                Step::Reserve { serial, .. } => prop_assert!(*serial > world.record.serial),
                Step::AddLearner { .. } => prop_assert!(known.iter().all(|one| !one.learner)),
                Step::Promote { .. } | Step::MoveLeader { .. } | Step::Remove { .. } => prop_assert!(formed && !known.is_empty()),
                Step::RecordFormed { .. } => prop_assert!(!formed),
                _ => {}
            }
        }
    }
}
