//! From nothing to a cluster that is recorded.

use super::builder::*;
use crate::plan::{Admission, ClusterState, Data, Incarnation, Process, Record, Report, Step, World};

/// `count` places of which the first `told` were told to form a cluster.
fn places(count: u64, told: u64) -> World {
    none(3).with(|world| {
        world.record.serial = count;
        world.incarnations = (1..=count).map(place).collect();
        for one in world.incarnations.iter_mut().take(told as usize) {
            one.admission = Some(admission(ClusterState::New, 1..=3));
        }
    })
}

/// All run, and those in `ready` are ready.
fn running(ready: &[u64], seconds: i64) -> World {
    places(3, 3).with(|world| {
        for (one, serial) in world.incarnations.iter_mut().zip(1..) {
            one.process = Process::Running { since: ago(seconds) };
            one.data = Data { started: true, present: true };
            one.report = ready.contains(&serial).then(|| report(serial, Some(1)));
        }
    })
}

#[test]
fn step_by_step() {
    check([
        ("nothing", none(3), "Reserve 1, Reserve 2, Reserve 3"),
        ("a crash after the first place", places(1, 0), "Reserve 2, Reserve 3"),
        ("a serial without a place", places(1, 0).with(|w| w.record.serial = 2), "Reserve 3, Reserve 4"),
        ("all places", places(3, 0), "Admit 1, Admit 2, Admit 3"),
        ("a crash after the first was told", places(3, 1), "Admit 2, Admit 3"),
        ("all told", places(3, 3), "Start 1, Start 2, Start 3"),
        ("all start", running(&[], 5), "wait"),
        ("two are ready", running(&[1, 2], 5), "wait"),
        ("all are ready", running(&[1, 2, 3], 5), "RecordFormed"),
        ("recorded", cluster(3, 3), "settled"),
        ("fewer are wanted", places(5, 0), "Discard 4, Discard 5"),
        ("a place too many beside those told", places(4, 3), "Discard 4"),
    ]);
}

#[test]
fn an_attempt_that_fails_is_thrown_away_whole() {
    let all = "Discard 1, Discard 2, Discard 3";
    check([
        ("not in time", running(&[1, 2], 20), all),
        ("a folder was emptied", running(&[1, 2, 3], 5).emptied(2), all),
        ("emptied, and it does not answer", running(&[1, 3], 5).dead(2).emptied(2), all),
        ("the version was edited", running(&[1, 2, 3], 5).with(newer), all),
        ("edited before anybody was told", places(3, 0).with(newer), all),
        ("one is gone", running(&[], 5).with(|w| drop(w.incarnations.remove(1))), "Discard 1, Discard 3"),
        (
            "a member that can't start is no failed attempt",
            running(&[1, 2], 50).exited(3, 3, 1, "port taken"),
            "wait",
        ),
        ("it is started again", running(&[1, 2], 50).exited(3, 3, 3, "port taken"), "Start 3"),
    ]);
}

fn newer(world: &mut World) {
    world.desired.version = "3.6.17".parse().unwrap();
}

#[test]
fn members_of_two_clusters_are_no_cluster() {
    let world = running(&[1, 2, 3], 5).change(3, |one| {
        one.report = Some(Report { cluster_id: crate::plan::ClusterId(9), ..report(3, Some(3)) });
    });
    assert_eq!(world.answer(), "wait");
}

#[test]
fn a_lost_record_stops_everything() {
    let joined = |one: &mut Incarnation| {
        one.admission = Some(Admission { state: ClusterState::Existing, ..one.admission.clone().unwrap() });
    };
    let lost = cluster(3, 3).with(|world| world.record.cluster_id = None);
    lost.clone().change(2, joined).waits_for("record was lost");
    // Places exist only after their serial was written down.
    lost.clone().with(|w| w.record = Record::default()).waits_for("record was lost");
    lost.with(newer).with(|w| w.record = Record::default()).emptied(2).waits_for("record was lost");
}

#[test]
fn each_attempt_has_its_own_token_and_one_list() {
    let steps = places(3, 0).decide();
    let admissions: Vec<_> = steps
        .steps()
        .iter()
        .filter_map(|step| match step {
            Step::Admit { admission, .. } => Some(admission),
            _ => None,
        })
        .collect();
    assert!(admissions.iter().all(|one| *one == admissions[0] && one.state == ClusterState::New));
    assert_eq!(admissions[0].initial_cluster.len(), 3);
    assert!(admissions[0].token.starts_with("demo-uid-"), "{}", admissions[0].token);
    let later = places(3, 0).with(|world| {
        world.record.serial = 6;
        world.incarnations = (4..=6).map(place).collect();
    });
    let decision = later.decide();
    let Step::Admit { admission, .. } = &decision.steps()[0] else { panic!("{later:?}") };
    assert_ne!(admission.token, admissions[0].token);
}
