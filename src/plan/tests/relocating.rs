//! Members whose place is not that of the spec: who is replaced, in which order, and what is said of it.

use std::time::Duration;

use super::builder::*;
use crate::plan::{
    Decision, Draining, EtcdOptions, OperationKind, Process, Report, Step, World,
    divergence::{Divergence, Outcome},
    status::{ClusterStatus, describe},
};

const WHY: &str = "its volume has 1Gi, 2Gi is wanted";

/// A cluster in which those members have other volumes than the spec wants, and are to be replaced for it.
fn misplaced(count: u64, size: i64, serials: &[u64]) -> World {
    let world = cluster(count, size).with(|world| world.desired.replaces_misplaced = true);
    serials.iter().fold(world, |world, serial| world.change(*serial, |one| one.misplaced = Some(WHY.into())))
}

fn kept(world: World) -> World {
    world.with(|world| world.desired.replaces_misplaced = false)
}

fn status(world: &World) -> ClusterStatus {
    describe(world, &world.decide(), None, None, second(NOW))
}

fn differing(world: World) -> World {
    let outcome = Outcome::Differ(Vec::new());
    let divergence = Divergence { at: ago(1), took: Duration::ZERO, voters: Vec::new(), outcome };
    world.with(|world| world.divergence = Some(divergence))
}

fn applied(world: &World) -> (String, String) {
    let status = status(world);
    let condition = status.condition("SpecApplied").unwrap();
    (condition.reason.clone(), condition.message.clone())
}

#[test]
fn followers_first_the_leader_last_and_one_at_a_time() {
    let all = || misplaced(3, 3, &[1, 2, 3]);
    let gone = || misplaced(3, 3, &[1, 3]).unlisted(2);
    let removed = || gone().with(|world| world.incarnations.retain(|one| one.name != name(2)));
    let joined = || {
        misplaced(4, 3, &[1, 3]).unlisted(2).with(|world| {
            world.incarnations.retain(|one| one.name != name(2));
        })
    };
    check([
        ("the oldest follower is told first", all(), "Drain 2"),
        ("its clients leave", all().change(2, |one| one.draining = Some(Draining::seen(ago(1)))), "wait"),
        ("it goes before another comes", all().drained(2), "Remove 2"),
        ("its remains", gone(), "Discard 2"),
        ("its successor", removed(), "Reserve 4"),
        ("a learner holds up the next", removed().learner(4, true), "Promote 4"),
        ("the next, once it is a voter", joined(), "Drain 3"),
        ("its clients need a moment", joined().change(4, |one| one.returned = Some(ago(1))), "wait"),
        ("not while it is not ready", joined().change(4, unready), "wait"),
        ("not while it is behind", joined().change(4, behind), "wait"),
        ("the leader at the end", misplaced(3, 3, &[1]), "Drain 1"),
        ("it hands over", misplaced(3, 3, &[1]).drained(1), "MoveLeader 2"),
        ("the one that was begun goes on", all().drained(3), "Remove 3"),
        ("all are right", misplaced(3, 3, &[]), "settled"),
    ]);
    let decision = all().decide();
    let operation = decision.operation().unwrap();
    assert_eq!((operation.kind, operation.member.clone()), (OperationKind::Replace, Some(name(2))));
    let words =
        "is replaced, since its volume has 1Gi, 2Gi is wanted (0 of 3 members have the storage of the spec)";
    assert!(decision.reason().contains(words), "{}", decision.reason());
}

fn unready(one: &mut crate::plan::Incarnation) {
    one.report = one.report.take().map(|report| Report { ready: false, ..report });
}

fn behind(one: &mut crate::plan::Incarnation) {
    one.report = one.report.take().map(|report| Report { raft_index: 9000, applied_index: 1000, ..report });
}

#[test]
fn what_is_broken_or_wanted_more_comes_first() {
    let all = || misplaced(3, 3, &[1, 2, 3]);
    let edited = all().with(|world| world.desired.options.snapshot_count = Some(5));
    check([
        ("the spec leaves them there", kept(all()), "settled"),
        ("and those that were told already may be used", kept(all()).drained(2), "Undrain 2"),
        ("a member that is down is started", all().dead(3), "Start 3"),
        ("one that is not ready is waited for", all().change(3, unready), "wait"),
        ("one that ended once is started", all().exited(3, 1, 0, "killed"), "Start 3"),
        ("one that has no room goes first", all().exited(3, 5, 0, "no space left on device"), "Remove 3"),
        ("nor while the data differ", differing(all().exited(3, 5, 0, "no space")), "wait"),
        ("nobody does while the data differ", differing(all()), "wait"),
        ("the others keep theirs", kept(all()).exited(3, 5, 0, "no space left on device"), "wait"),
        ("not without a quorum", all().exited(3, 5, 0, "no space").change(2, unready), "wait"),
        ("lost data", all().emptied(3), "Drain 3"),
        ("a missing voter", misplaced(2, 3, &[1, 2]), "Reserve 3"),
        ("a request", all().change(3, |one| one.replace_requested = true), "Drain 3"),
        ("a roll", edited, "Drain 2"),
    ]);
    let rolled = all().with(|world| world.desired.options.snapshot_count = Some(5)).drained(2).decide();
    assert!(matches!(rolled.steps(), [Step::Renew { .. }]), "{rolled:?}");
    // The gate: of two voters none may go.
    let two = misplaced(3, 3, &[1, 2]).exited(3, 0, 0, "").change(3, |one| {
        one.process = Process::Blocked { why: "its Pod can't be scheduled".into(), at: ago(500) };
        one.supervised = true;
    });
    two.waits_for("can't be scheduled");
}

#[test]
fn shrinking_takes_those_that_would_be_replaced_anyway() {
    check([
        ("not the youngest", misplaced(5, 3, &[2]), "Drain 2, Drain 5"),
        ("which go nowhere otherwise", kept(misplaced(5, 3, &[2])), "Drain 5, Drain 4"),
    ]);
}

#[test]
fn a_place_that_was_made_before_the_spec_changed_is_made_again() {
    let reserved = |wrong: bool| {
        misplaced(2, 3, &[]).with(|world| {
            let place = crate::plan::Incarnation {
                created: ago(1),
                misplaced: wrong.then(|| WHY.to_owned()),
                ..place(3)
            };
            world.incarnations.push(place);
            world.record.serial = 3;
        })
    };
    check([("right", reserved(false), "AddLearner 3"), ("wrong", reserved(true), "Discard 3")]);
}

#[test]
fn the_status_says_what_is_left_and_what_to_do() {
    let (reason, message) = applied(&misplaced(3, 3, &[2, 3]));
    assert_eq!(reason, "Replacing");
    assert!(
        message.starts_with("1 of 3 members have the storage of the spec; still to be replaced: "),
        "{message}"
    );
    assert!(message.contains(&format!("{}: {WHY}", name(2))), "{message}");
    let left = kept(misplaced(3, 3, &[2, 3]));
    let (reason, message) = applied(&left);
    assert_eq!(reason, "NotApplied");
    for words in [WHY, &name(3).0, "with storage.resizePolicy: Replace"] {
        assert!(message.contains(words), "{words}: {message}");
    }
    let status = status(&left);
    assert_eq!((status.updated_members, status.ready_members), (1, 3));
    assert!(!status.is("Ready") && status.is("Available"));
    assert_eq!(left.decide(), Decision::Settled);
    assert_eq!(applied(&misplaced(3, 3, &[])).0, "Applied");
}

#[test]
fn a_member_that_joins_gets_options_that_go_with_those_of_all() {
    let timed = |heartbeat: i64, election: i64| EtcdOptions {
        heartbeat_interval: Some(heartbeat),
        election_timeout: Some(election),
        ..EtcdOptions::default()
    };
    let reserved = |world: World| match world.decide().steps() {
        [Step::Reserve { recipe, .. }] => (**recipe).clone(),
        other => panic!("{other:?}"),
    };
    let grows = |wanted: EtcdOptions| cluster(3, 5).with(|world| world.desired.options = wanted.clone());
    assert_eq!(reserved(grows(timed(200, 2000))).options, timed(200, 2000));
    assert_eq!(
        reserved(grows(timed(500, 5000))).options,
        timed(100, 5000),
        "the others have etcd's defaults"
    );
    // What is for another version, or keeps etcd from starting, comes by the roll.
    let upgrade = grows(timed(200, 2000)).with(|world| world.desired.version = "3.7.3".parse().unwrap());
    let recipe = reserved(upgrade);
    assert_eq!((recipe.version, recipe.options), (version(), EtcdOptions::default()));
    let unfit = grows(timed(200, 2000)).with(|world| world.desired.unfit = vec!["no such flag".into()]);
    assert_eq!(reserved(unfit).options, EtcdOptions::default());
}
