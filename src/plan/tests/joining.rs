//! A member joins: a place, a learner, a voter.

use super::builder::*;
use crate::plan::{
    Admission, ClusterState, MemberId, Process, Report, Step, World,
    divergence::{Divergence, Outcome},
};

fn lagging(world: World, applied: u64) -> World {
    world.change(4, |one| {
        one.report = one.report.take().map(|report| Report { applied_index: applied, ..report });
    })
}

/// Three of five, with a place for the fourth that is `seconds` old.
fn reserved(seconds: i64) -> World {
    cluster(3, 5)
        .with(|world| {
            world.incarnations.push(place(4));
            world.record.serial = 4;
        })
        .change(4, |one| one.created = ago(seconds))
}

#[test]
fn step_by_step() {
    check([
        ("two are missing: one at a time", cluster(3, 5), "Reserve 4"),
        ("the place is there", reserved(1), "AddLearner 4"),
        ("the answer was lost and it is listed", cluster(3, 5).learner(4, false), "Admit 4"),
        ("told", cluster(3, 5).learner(4, true).change(4, stopped), "Start 4"),
        ("it does not answer", cluster(3, 5).learner(4, true).change(4, |one| one.report = None), "wait"),
        ("far behind", lagging(cluster(3, 5).learner(4, true), 400), "wait"),
        (
            "far behind a voter whose folder was emptied",
            lagging(cluster(3, 5).learner(4, true), 1000).emptied(3).change(3, ahead),
            "wait",
        ),
        ("near", lagging(cluster(3, 5).learner(4, true), 500), "Promote 4"),
        ("a voter", cluster(4, 5), "Reserve 5"),
        ("all are there", cluster(5, 5), "settled"),
        ("a voter is not healthy", cluster(3, 5).change(2, |one| one.report = None), "wait"),
        ("no voter is healthy: nobody to compare with", cluster(3, 5).learner(4, true).with(unready), "wait"),
    ]);
}

fn ahead(one: &mut crate::plan::Incarnation) {
    one.report = one.report.take().map(|report| Report { raft_index: 5000, ..report });
}

fn stopped(one: &mut crate::plan::Incarnation) {
    one.process = Process::NotStarted;
    one.data = crate::plan::Data { started: false, present: false };
    one.report = None;
}

fn unready(world: &mut World) {
    for report in world.incarnations.iter_mut().filter_map(|one| one.report.as_mut()) {
        report.ready = false;
    }
}

#[test]
fn a_learner_is_told_the_list_as_it_is_and_its_id() {
    let decision = cluster(3, 5).learner(4, false).decide();
    let [Step::Admit { admission: Admission { state, initial_cluster, id, .. }, .. }] = decision.steps()
    else {
        panic!("{decision:?}")
    };
    assert_eq!((*state, *id, initial_cluster.len()), (ClusterState::Existing, Some(MemberId(4)), 4));
    let stale = cluster(3, 5).learner(4, true).change(4, |one| {
        stopped(one);
        one.admission.as_mut().unwrap().initial_cluster.pop();
    });
    assert_eq!(stale.answer(), "Admit 4", "the membership changed before it ever started");
}

#[test]
fn a_learner_is_given_up() {
    check([
        ("not in time", cluster(3, 5).learner(4, true).change(4, |one| one.created = ago(300)), "Remove 4"),
        ("emptied", cluster(3, 5).learner(4, true).emptied(4), "Remove 4"),
        ("not wanted any more", cluster(3, 3).learner(4, true), "Remove 4"),
        (
            "a ghost: nothing exists for it",
            cluster(3, 5).learner(4, true).with(|w| drop(w.incarnations.pop())),
            "Remove 4",
        ),
        ("removed: its place goes", cluster(3, 5).learner(4, true).unlisted(4), "Discard 4"),
        ("a place nobody needs", reserved(1).with(|w| w.desired = cluster(3, 3).desired), "Discard 4"),
    ]);
}

#[test]
fn a_place_that_waited_too_long_is_made_anew() {
    // Its time as a learner counts from when it was made: added now, it would be given up at once, for ever.
    check([("young enough", reserved(149), "AddLearner 4"), ("too old", reserved(150), "Discard 4")]);
}

#[test]
fn one_name_per_attempt() {
    let world = cluster(3, 5).with(|world| world.record.serial = 9);
    assert_eq!(world.answer(), "Reserve 10", "serials 4 to 9 were given out before");
}

#[test]
fn nothing_joins_while_members_differ() {
    let diverged = |world: &mut World| {
        let outcome = Outcome::Differ(vec![(name(1), 1), (name(2), 2)]);
        world.divergence =
            Some(Divergence { at: ago(1), took: std::time::Duration::ZERO, voters: vec![], outcome });
    };
    check([
        ("grow", cluster(3, 5).with(diverged), "wait"),
        ("shrink", cluster(5, 3).with(diverged), "wait"),
        (
            "restart",
            cluster(3, 3).with(diverged).change(2, |one| one.restart_requested = Some(ago(1))),
            "wait",
        ),
        (
            "a person names the wrong one",
            cluster(3, 3).with(diverged).change(2, |one| one.replace_requested = true),
            "Drain 2",
        ),
        ("a member that ended is started", cluster(3, 3).with(diverged).dead(2), "Start 2"),
    ]);
}
