//! What must hold for any world, likely or not.

use std::collections::BTreeSet;

use proptest::{option, prelude::*};

use super::{builder::*, trust::*};
use crate::plan::{
    Admission, ClusterId, ClusterState, Data, Decision, Draining, Incarnation, Listed, MemberId, Membership,
    Process, Report, Scheme, Side, Sides, Step, Transport, World,
    certificates::{Certificates, Source},
    decide, quorum,
    status::describe,
    transport::{AuthorityId, Channel, Listen},
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

fn a_trust() -> impl Strategy<Value = BTreeSet<AuthorityId>> {
    prop::collection::btree_set(prop::sample::select(vec![id("a"), id("b"), id("c")]), 0..3)
}

fn a_transport() -> impl Strategy<Value = Transport> {
    let channel = || {
        let listen = prop::sample::select(vec![Listen::Plain, Listen::Both, Listen::Tls]);
        (listen, a_trust()).prop_map(|(listen, trust)| Channel { listen, trust })
    };
    (channel(), channel()).prop_map(|(peer, client)| Transport { peer, client })
}

fn certificates() -> impl Strategy<Value = Certificates> {
    let known = prop::collection::vec((prop::sample::select(vec!["a", "b", "c"]), 0..900i64), 0..3);
    let leaves = prop::collection::vec((1..9u64, prop::sample::select(vec!["a", "b", "c"]), 0..9i64), 0..4);
    (known, option::weighted(0.8, prop::sample::select(vec!["a", "b"])), leaves, prop::bool::weighted(0.1))
        .prop_map(|(known, issuer, leaves, problem)| Certificates {
            authorities: known.into_iter().map(|(name, seconds)| authority(name, seconds)).collect(),
            issuer: issuer.map(id),
            leaves: leaves
                .into_iter()
                .map(|(n, issuer, seconds)| leaf(&name(n).0, issuer, seconds))
                .collect(),
            problem: problem.then(|| "a Secret is missing".into()),
        })
}

type Secrecy = (Source, Certificates);

fn secrecy() -> impl Strategy<Value = (Secrecy, Secrecy, Option<i64>)> {
    let side = || (prop::sample::select(vec![Source::None, Source::Managed, Source::Given]), certificates());
    (side(), side(), option::weighted(0.3, -9..900i64))
}

fn an_incarnation(serial: u64) -> impl Strategy<Value = Incarnation> {
    (bare_incarnation(serial), option::weighted(0.7, a_transport())).prop_map(|(mut one, transport)| {
        dress(&mut one, &transport.unwrap_or_default());
        one
    })
}

fn bare_incarnation(serial: u64) -> impl Strategy<Value = Incarnation> {
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
                ephemeral: false,
                closed: None,
                ahead: None,
                misplaced: None,
                lost_since: None,
                draining: draining.map(ago).map(Draining::seen),
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
    let chances = (prop::bool::weighted(0.1), prop::bool::weighted(0.1), prop::bool::weighted(0.4));
    chances.prop_map(move |(learner, unnamed, https)| {
        let known = listed(serial);
        let scheme = if https { Scheme::Https } else { Scheme::Http };
        let name = if unnamed { String::new() } else { known.name.clone() };
        Listed { learner, name, peer_urls: vec![peer_url(serial, scheme)], ..known }
    })
}

/// A member that never started is known by the URL that it was added under, and listens there.
fn known_by(listed: Listed, one: Option<&Incarnation>) -> Listed {
    match one {
        Some(one) if listed.name.is_empty() => Listed { peer_urls: vec![one.peer_url.clone()], ..listed },
        _ => listed,
    }
}

/// Up to eight serials, each listed, existing, both or neither.
fn a_world() -> impl Strategy<Value = World> {
    let seats: Vec<_> = (1..9u64)
        .map(|serial| {
            let pair =
                (option::weighted(0.6, a_listed(serial)), option::weighted(0.6, an_incarnation(serial)));
            pair.prop_map(|(listed, one)| (listed.map(|listed| known_by(listed, one.as_ref())), one))
        })
        .collect();
    let record = (prop::bool::weighted(0.9), 0..20u64);
    let shape = (prop::sample::select(vec![3i64, 5, 7, 9]), record, prop::bool::weighted(0.8));
    (seats, shape, prop::bool::weighted(0.05), secrecy()).prop_map(|(seats, shape, paused, secrecy)| {
        let (size, (formed, serial), known) = shape;
        let (peer, client, rotate) = secrecy;
        let (list, incarnations): (Vec<_>, Vec<_>) = seats.into_iter().unzip();
        let list = list.into_iter().flatten().collect();
        none(size).with(|world| {
            world.desired.paused = paused;
            world.desired.rotate = rotate.map(ago);
            world.desired.tls = Sides { peer: peer.0, client: client.0 };
            world.certificates = Sides { peer: peer.1, client: client.1 };
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
    list.iter().find(|listed| one.name == name(listed.id.0))
}

/// A voter that answers as one, with its data there.
fn healthy(world: &World, listed: &Listed) -> bool {
    let sits = |one: &&Incarnation| one.name == name(listed.id.0);
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
        prop_assert_eq!(words.conditions.len(), 8);
        let again = describe(&world, &decision, Some(1), Some(&words), second(NOW + 9));
        for (old, new) in words.conditions.iter().zip(&again.conditions) {
            // Nothing but time can turn one around: a member that is not new any more, or that a roll waited for long enough.
            let same = old.status == new.status && old.last_transition_time == new.last_transition_time;
            let aged = (new.kind == "Degraded" && new.status == "True") || new.reason == "RolloutStopped";
            prop_assert!(same || aged, "a second look changes no time: {:?}", new);
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
        let members: Vec<_> = world.incarnations.iter().filter(|one| listed_of(&world, one).is_some()).collect();
        for step in steps {
            let gone = match step {
                Step::Remove { id, .. } => voters.iter().find(|one| one.id == *id),
                // One that does not run is taken from nobody.
                Step::Renew { name, .. } if !world.incarnations.iter().any(|one| one.name == *name && one.running()) => None,
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
                Step::UpdatePeerUrl { peer_url, .. } => {
                    let listens = |one: &&Incarnation| one.transport.peer.listen.has(Scheme::of(peer_url));
                    prop_assert!(members.iter().all(listens));
                }
                Step::UseAuthority { side, id } => {
                    let trusts = |one: &&Incarnation| {
                        let channel = one.transport.get(*side);
                        channel.listen == Listen::Plain || channel.trust.contains(id)
                    };
                    prop_assert!(members.iter().all(trusts));
                }
                Step::DropAuthority { side, id } => {
                    let certificates = world.certificates.get(*side);
                    let signed = certificates.leaves.iter().any(|leaf| leaf.issuer == *id);
                    prop_assert!(!signed && certificates.issuer.as_ref() != Some(id));
                }
                Step::Renew { recipe, .. } if formed => {
                    let Some(one) = one else { return Err(TestCaseError::fail("nobody is made anew")) };
                    for url in known.iter().flat_map(|listed| &listed.peer_urls) {
                        let scheme = Scheme::of(url);
                        let had = one.transport.peer.listen.has(scheme);
                        prop_assert!(!had || recipe.transport.peer.listen.has(scheme), "{url}: {recipe:?}");
                    }
                    for side in Side::ALL {
                        let unusable = world.certificates.get(side).problem.is_some();
                        let wanted = *world.desired.tls.get(side) != Source::None;
                        let same = recipe.transport.get(side) == one.transport.get(side);
                        prop_assert!(same || !unusable || !wanted, "{side}: {recipe:?}");
                    }
                }
                _ => {}
            }
        }
    }
}
