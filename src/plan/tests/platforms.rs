//! A platform that starts members by itself and knows their addresses beforehand, as Kubernetes does.

use super::builder::*;
use crate::plan::{
    Admission, ClusterState, Data, Incarnation, PeerDomain, Policy, Process, Record, Step, World,
};

fn supervised(mut world: World) -> World {
    world.domain = Some(PeerDomain("demo-peers.ns.svc".into()));
    world.incarnations.iter_mut().for_each(|one| one.supervised = true);
    world
}

fn hasty(world: &mut World) {
    world.policy = Policy::kubernetes();
}

fn blocked(one: &mut Incarnation) {
    one.process = Process::Blocked { why: "its Pod can't be scheduled".into(), at: ago(60) };
    one.report = None;
}

/// Three founders that were told how to form the cluster; the guards of those in `waiting` wait for the word.
fn founders(waiting: &[u64]) -> World {
    supervised(none(3).with(|world| {
        world.record.serial = 3;
        world.incarnations = (1..=3).map(place).collect();
        for (one, serial) in world.incarnations.iter_mut().zip(1..) {
            one.admission = Some(admission(ClusterState::New, 1..=3));
            if !waiting.contains(&serial) {
                blocked(one);
            }
        }
    }))
}

#[test]
fn the_first_members_are_told_everything_at_once() {
    let decision = supervised(none(3)).decide();
    let told: Vec<&Admission> = decision
        .steps()
        .iter()
        .filter_map(|step| match step {
            Step::Reserve { admission, .. } => admission.as_ref(),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 3, "{decision:?}");
    assert!(told.iter().all(|one| *one == told[0] && one.state == ClusterState::New), "{told:?}");
    let urls: Vec<_> = told[0].initial_cluster.iter().map(|peer| peer.url.clone()).collect();
    assert_eq!(urls[0], format!("http://{}.demo-peers.ns.svc:2380", name(1)));
    assert!(told[0].token.ends_with(name(1).suffix()), "{}", told[0].token);
}

/// The first founders of three; the others were never made.
fn founders_made(count: usize) -> World {
    founders(&[1]).with(|world| {
        world.incarnations.truncate(count);
        world.record.serial = count as u64;
    })
}

#[test]
fn a_founder_that_was_never_made_is_told_what_the_others_were() {
    let world = founders_made(2);
    let decision = world.decide();
    let [Step::Reserve { admission, .. }] = decision.steps() else { panic!("{decision:?}") };
    assert_eq!(*admission, world.incarnations[0].admission);
    let newer = |w: &mut World| w.desired.version = "3.6.17".parse().unwrap();
    let ran = |w: &mut World| w.incarnations[0].data = Data { started: true, present: true };
    check([
        ("one ran before", founders_made(2).with(ran), "Discard 1, Discard 2"),
        ("the version was edited", founders_made(2).with(newer), "Discard 1, Discard 2"),
    ]);
}

#[test]
fn the_first_start_waits_for_the_places() {
    check([
        ("no Pod has an address", founders(&[]), "wait"),
        ("one has", founders(&[2]), "Start 2"),
        ("all have", founders(&[1, 2, 3]), "Start 1, Start 2, Start 3"),
        ("a crash before the last was made", founders_made(2), "Reserve 3"),
        ("a crash after the first was made", founders_made(1), "Reserve 2, Reserve 3"),
        ("made and lost", founders(&[1]).with(|w| drop(w.incarnations.remove(2))), "Discard 1, Discard 2"),
        (
            "on volumes of a class that was corrected",
            founders(&[]).change(2, |one| one.misplaced = Some("spec.storage".into())),
            "Discard 1, Discard 2, Discard 3",
        ),
        (
            "made anew once the image was corrected",
            founders(&[]).change(2, |one| one.behind = Some("image: a → b".into())),
            "Renew 2",
        ),
    ]);
}

#[test]
fn a_member_that_its_platform_starts_is_left_to_it() {
    let crashing = |world: World| {
        world.change(2, |one| {
            one.process = Process::Exited { at: ago(60), failures: 3, last_words: "flag".into() };
            one.report = None;
        })
    };
    check([
        ("it crashes", supervised(cluster(3, 3)).with(|w| *w = crashing(w.clone())), "wait"),
        (
            "and the spec changed",
            crashing(supervised(cluster(3, 3))).change(2, |one| one.behind = Some("podTemplate".into())),
            "Renew 2",
        ),
        ("its Pod is made again", supervised(cluster(3, 3)).change(2, blocked), "wait"),
        ("its volume is gone", supervised(cluster(3, 3)).change(2, blocked).emptied(2), "Remove 2"),
        (
            "seen a moment ago",
            supervised(cluster(3, 3))
                .change(2, blocked)
                .emptied(2)
                .with(hasty)
                .change(2, |one| one.lost_since = Some(ago(1))),
            "wait",
        ),
        (
            "seen long enough ago",
            supervised(cluster(3, 3))
                .change(2, blocked)
                .emptied(2)
                .with(hasty)
                .change(2, |one| one.lost_since = Some(ago(9))),
            "Remove 2",
        ),
    ]);
}

#[test]
fn etcd_hears_of_a_member_once_its_place_is_ready() {
    let place_of = |ready: bool, age: i64| {
        supervised(cluster(3, 5).with(|world| {
            world.incarnations.push(Incarnation { created: ago(age), ..place(4) });
            world.record.serial = 4;
            if !ready {
                blocked(world.incarnations.last_mut().unwrap());
            }
        }))
    };
    check([
        ("none", supervised(cluster(3, 5)), "Reserve 4"),
        ("its Pod is not there yet", place_of(false, 5), "wait"),
        ("its Pod can't be scheduled for long", place_of(false, 900), "wait"),
        ("its guard waits", place_of(true, 5), "AddLearner 4"),
    ]);
    place_of(false, 900).waits_for("can't be scheduled");
}

/// A cluster of the same name was deleted and left the volumes of members 11 to 10 + `count`.
fn left(count: u64, adopt: bool) -> World {
    supervised(none(3)).with(|world| {
        world.left = (11..11 + count).map(name).collect();
        world.desired.adopt = adopt;
        world.record.serial = 13;
    })
}

fn taken_up(serials: &[u64], ready: &[u64]) -> World {
    supervised(none(3)).with(|world| {
        world.desired.adopt = true;
        world.record = Record { cluster_id: None, serial: 13 };
        world.incarnations = serials
            .iter()
            .map(|serial| Incarnation {
                admission: Some(Admission { token: String::new(), ..admission(ClusterState::Existing, []) }),
                data: Data { started: true, present: true },
                process: Process::Running { since: ago(5) },
                report: ready.contains(serial).then(|| report(*serial, Some(11))),
                supervised: true,
                ..place(*serial)
            })
            .collect();
    })
}

#[test]
fn volumes_of_a_former_cluster_are_never_passed_over() {
    check([
        ("nobody said to take them up", left(3, false), "wait"),
        ("somebody did", left(3, true), "TakeUp 11, TakeUp 12, TakeUp 13"),
        (
            "a crash after the first",
            left(2, true).with(|w| w.incarnations = taken_up(&[13], &[]).incarnations),
            "TakeUp 11, TakeUp 12",
        ),
        ("taken up", taken_up(&[11, 12, 13], &[]), "wait"),
        ("one serves", taken_up(&[11, 12, 13], &[11]), "wait"),
        ("a quorum serves", taken_up(&[11, 12, 13], &[11, 12]), "RecordFormed"),
        (
            "they name different clusters",
            taken_up(&[11, 12, 13], &[11, 12])
                .change(12, |one| one.report.as_mut().unwrap().cluster_id.0 = 7),
            "wait",
        ),
    ]);
    left(3, false).waits_for("set spec.bootstrap.adopt to true");
}

#[test]
fn a_volume_that_is_left_alone_goes_on_alone() {
    for (count, expected) in [(1, true), (2, false), (3, false)] {
        for step in left(count, true).decide().steps() {
            assert!(matches!(step, Step::TakeUp { alone, .. } if *alone == expected), "{count}: {step:?}");
        }
    }
}

#[test]
fn clients_are_sent_to_voters_that_stay() {
    let names = crate::plan::status::in_service;
    assert_eq!(names(&cluster(3, 3).drained(2)), Some(vec![name(1), name(3)]));
    assert_eq!(names(&cluster(3, 5).learner(4, true)), Some(vec![name(1), name(2), name(3)]));
    assert_eq!(names(&cluster(3, 3).no_quorum()), None);
    assert_eq!(names(&founders(&[1, 2, 3])), None);
}
