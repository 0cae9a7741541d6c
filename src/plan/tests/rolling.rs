//! Rolling changes: who is next, what stops a roll, and what a change of the minor version needs before and after.

use super::builder::*;
use crate::plan::{
    EtcdOptions, EtcdVersion, Incarnation, OperationKind, Process, Report, Snapshot, SnapshotState, Step,
    World,
    status::describe,
    version::Minor::{self, V3_5, V3_6, V3_7},
};

fn options(count: i64) -> EtcdOptions {
    EtcdOptions { snapshot_count: Some(count), ..EtcdOptions::default() }
}

/// Three members that were made with a snapshot count of 1, and one of 2 is wanted.
fn edited() -> World {
    with_options(1).with(|world| world.desired.options = options(2))
}

fn with_options(count: i64) -> World {
    cluster(3, 3).with(|world| {
        world.desired.options = options(count);
        world.incarnations.iter_mut().for_each(|one| one.options = options(count));
    })
}

fn changed(one: &mut Incarnation) {
    one.options = options(2);
}

fn unready(one: &mut Incarnation) {
    one.report = one.report.take().map(|report| Report { ready: false, ..report });
}

/// It came back and clients were told `seconds` ago.
fn back(one: &mut Incarnation, seconds: i64) {
    one.process = Process::Running { since: ago(seconds) };
    one.returned = Some(ago(seconds));
}

#[test]
fn followers_first_and_the_leader_last() {
    check([
        ("the oldest follower", edited(), "Drain 2"),
        ("told", edited().drained(2), "Renew 2"),
        ("changed, and down", edited().drained(2).change(2, changed).exited(2, 0, 0, ""), "Start 2"),
        ("not ready yet", edited().drained(2).change(2, changed).change(2, unready), "wait"),
        ("ready: clients may come back", edited().drained(2).change(2, changed), "Undrain 2"),
        ("clients need a moment", edited().change(2, changed).change(2, |one| back(one, 2)), "wait"),
        ("the next", edited().change(2, changed).change(2, |one| back(one, 3)), "Drain 3"),
        ("the leader", edited().change(2, changed).change(3, changed), "Drain 1"),
        ("hands over", edited().change(2, changed).change(3, changed).drained(1), "MoveLeader 2"),
        ("led by another", edited().led_by(2), "Drain 1"),
        ("all", edited().change(1, changed).change(2, changed).change(3, changed), "settled"),
    ]);
    // Its process started long ago, and it was ready only now.
    let slow = |one: &mut Incarnation| {
        changed(one);
        one.returned = Some(ago(1));
    };
    edited().change(2, slow).waits_for("clients to come back");
    edited()
        .change(2, changed)
        .change(2, |one| one.report = Some(Report { applied_index: 400, ..report(2, Some(1)) }))
        .waits_for("to catch up: 600 of 1000 entries behind");
}

#[test]
fn whoever_is_not_healthy_is_changed_first() {
    check([
        ("runs, and does not serve", edited().change(3, unready), "Drain 3"),
        ("does not answer", edited().change(3, |one| one.report = None).drained(3), "Renew 3"),
        ("is down", edited().dead(3), "Renew 3"),
        ("is down, and no other can be missed", edited().dead(3).change(2, unready), "Start 3"),
        ("it fails with what it has", edited().exited(3, 2, 9, "").change(2, unready), "Renew 3"),
        ("one at a time", edited().with(|w| *w = five(w)).dead(3).dead(4), "Renew 3"),
    ]);
}

/// The same with five members.
fn five(world: &World) -> World {
    let mut five = cluster(5, 5);
    five.desired.options = world.desired.options.clone();
    five.incarnations.iter_mut().for_each(|one| one.options = options(1));
    five
}

#[test]
fn a_roll_stops_at_the_first_that_does_not_come_back() {
    let words = "it begins\nit reads its flags\nflag provided but not defined: -x";
    let failed = || edited().change(2, changed).exited(2, 3, 1, words);
    check([
        ("it ended: tried again, later", failed(), "wait"),
        ("tried again", failed().exited(2, 3, 9, ""), "Start 2"),
        (
            "another one dies and comes back as it was",
            five(&edited()).change(2, changed).exited(2, 9, 1, "").dead(3),
            "Start 3",
        ),
        ("put back: it is the first", failed().with(|w| w.desired.options = options(1)), "Renew 2"),
        ("put back: the others stay", with_options(1), "settled"),
        ("another spec: it is the first", failed().with(|w| w.desired.options = options(7)), "Renew 2"),
        ("runs, and does not get ready", edited().change(2, changed).change(2, unready), "wait"),
    ]);
    failed().waits_for("the roll stopped at demo-");
    let status = |world: &World| describe(world, &world.decide(), Some(1), None, second(NOW));
    let stopped = status(&failed());
    for kind in ["Progressing", "SpecApplied"] {
        let condition = stopped.condition(kind).unwrap();
        assert_eq!((&*condition.status, &*condition.reason), ("False", "RolloutStopped"));
        for words in
            ["its last words: flag provided but not defined: -x", "1 of 3 members changed", "put it back"]
        {
            assert!(condition.message.contains(words), "{words}: {}", condition.message);
        }
    }
    let log = "its log before that: it begins | it reads its flags";
    assert!(stopped.condition("Progressing").unwrap().message.ends_with(log));
    let rolling = status(&edited().change(2, changed));
    assert_eq!(rolling.updated_members, 1);
    let applied = rolling.condition("SpecApplied").unwrap();
    assert_eq!((&*applied.status, &*applied.reason), ("False", "RollingOut"));
    assert!(applied.message.starts_with("1 of 3 members changed"), "{}", applied.message);
    assert!(applied.message.contains("(snapshotCount: 1 → 2)"), "{}", applied.message);
    assert_eq!(rolling.operation.unwrap().kind, "Roll");
}

#[test]
fn a_roll_stops_at_its_last_member_too() {
    let last = edited().change(2, changed).change(3, changed).change(1, changed).drained(1).led_by(2);
    let ended = last.exited(1, 3, 1, "no such image");
    let stopped = describe(&ended, &ended.decide(), Some(1), None, second(NOW));
    for kind in ["Progressing", "SpecApplied"] {
        let condition = stopped.condition(kind).unwrap();
        assert_eq!((&*condition.status, &*condition.reason), ("False", "RolloutStopped"), "{kind}");
        assert!(
            condition.message.contains("no such image; its last words")
                || condition.message.contains("3 of 3")
        );
    }
    // One that ends long after its roll is in trouble, and the spec is applied.
    let later =
        edited().change(2, changed).change(3, changed).change(1, changed).exited(1, 3, 1, "").led_by(2);
    let status = describe(&later, &later.decide(), Some(1), None, second(NOW));
    assert!(status.is("SpecApplied") && status.is("Degraded"), "{status:?}");
}

/// Clients are not sent to it any more, although etcd serves.
fn closed(one: &mut Incarnation) {
    one.closed = Some("its Pod is not ready: [sidecar]".into());
    one.returned = Some(second(NOW));
}

#[test]
fn a_roll_stops_at_a_member_that_clients_are_not_sent_to() {
    let first = || edited().change(2, changed).change(2, closed);
    check([
        ("the next one waits", first(), "wait"),
        ("put back: it is the first", first().with(|w| w.desired.options = options(1)), "Drain 2"),
        ("put back, and told", first().drained(2).with(|w| w.desired.options = options(1)), "Renew 2"),
        (
            "all are closed: each is changed, nobody is waited for",
            (1..=3).fold(edited(), |world, n| world.change(n, closed)),
            "Drain 2",
        ),
    ]);
    first().waits_for("the roll stopped at demo-");
    let stopped = describe(&first(), &first().decide(), Some(1), None, second(NOW));
    assert_eq!(stopped.condition("Progressing").unwrap().reason, "RolloutStopped");
    assert!(stopped.condition("SpecApplied").unwrap().message.contains("[sidecar]"));
    let alone = cluster(3, 3).change(2, closed);
    let status = describe(&alone, &alone.decide(), Some(1), None, second(NOW));
    assert!(!status.is("Ready") && status.is("Degraded") && status.is("Available"), "{status:?}");
    assert_eq!(status.ready_members, 2);
}

#[test]
fn nobody_loses_the_last_copies_to_a_new_spec() {
    let kept_in_pods =
        |world: World| world.with(|w| w.incarnations.iter_mut().for_each(|one| one.ephemeral = true));
    let down = || kept_in_pods(edited().exited(1, 3, 100, "").exited(2, 3, 100, "").no_quorum());
    check([
        ("without a quorum", down(), "Start 1, Start 2"),
        ("with one", kept_in_pods(edited().exited(2, 3, 100, "")), "Renew 2"),
        (
            "another is down too",
            kept_in_pods(five(&edited()).exited(2, 3, 100, "").exited(4, 3, 0, "").exited(5, 3, 0, "")),
            "Start 2",
        ),
        ("its data is gone already", down().emptied(2), "Start 1"),
    ]);
    let waiting = kept_in_pods(edited().exited(1, 3, 0, "").exited(2, 3, 0, "").no_quorum());
    waiting.waits_for("would lose the data with the Pod");
}

#[test]
fn a_member_that_runs_another_etcd_than_it_is_made_for_is_told() {
    let other = cluster(3, 3).change(2, |one| one.report.as_mut().unwrap().version = "3.7.3".into());
    let status = describe(&other, &other.decide(), Some(1), None, second(NOW));
    let applied = status.condition("SpecApplied").unwrap();
    assert_eq!((&*applied.status, &*applied.reason), ("False", "NotApplied"));
    assert!(applied.message.contains("runs etcd 3.7.3 and was made for 3.6.16"), "{}", applied.message);
}

#[test]
fn a_spec_that_etcd_is_known_to_refuse_reaches_nobody() {
    let unfit = |world: &mut World| world.desired.unfit = vec!["etcd 3.7 does not know it".into()];
    check([
        ("healthy", edited().with(unfit), "settled"),
        ("down", edited().with(unfit).dead(2), "Start 2"),
        ("a restart brings it back as it was", edited().with(unfit).drained(2).change(2, restart), "Stop 2"),
    ]);
}

fn restart(one: &mut Incarnation) {
    one.restart_requested = Some(ago(1));
}

#[test]
fn restarts_of_all_go_one_by_one_and_no_request_lasts_for_ever() {
    let all = || (1..=3).fold(cluster(3, 3), |world, n| world.change(n, restart));
    let done = |world: World, n| world.change(n, |one| one.process = Process::Running { since: ago(0) });
    check([
        ("a follower", all(), "Drain 2"),
        ("the leader last", done(done(all(), 2), 3), "wait"),
        ("done", done(done(done(all(), 1), 2), 3), "settled"),
        ("in the future", cluster(3, 3).change(2, |one| one.restart_requested = Some(ago(-60))), "settled"),
        ("with a change: both at once", edited().change(3, restart).drained(3), "Renew 3"),
    ]);
    assert_eq!(all().decide().operation().unwrap().kind, OperationKind::Restart);
}

#[test]
fn without_a_quorum_members_come_back_as_they_were() {
    let down = || edited().dead(1).dead(2).no_quorum();
    check([
        ("both are started on what they have", down(), "Start 1, Start 2"),
        ("one fails with that: it alone is changed", down().exited(2, 2, 100, ""), "Renew 2"),
        ("no other before it runs", down().exited(1, 2, 100, "").change(2, changed), "Start 1, Start 2"),
    ]);
}

fn version(text: &str) -> EtcdVersion {
    text.parse().unwrap()
}

/// Three members of one version, and another one is wanted.
fn versions(from: &str, to: &str) -> World {
    let minor = version(from).minor();
    cluster(3, 3).with(|world| {
        world.desired.version = version(to);
        for one in &mut world.incarnations {
            one.version = version(from);
            one.report = one.report.take().map(|report| told(report, minor));
        }
    })
}

/// What members say while the cluster version is this one.
fn told(report: Report, cluster: Minor) -> Report {
    let storage = (cluster != V3_5).then_some(cluster);
    Report { cluster_version: Some(cluster), storage, raft_snapshots: Some(1), ..report }
}

fn reports(world: World, change: impl Fn(&mut Report)) -> World {
    world.with(|world| world.incarnations.iter_mut().filter_map(|one| one.report.as_mut()).for_each(change))
}

fn kept(to: Minor, seconds: i64) -> impl FnOnce(&mut World) {
    move |world| world.snapshots = vec![Snapshot { to, state: SnapshotState::Taken { at: ago(seconds) } }]
}

fn state(to: Minor, state: SnapshotState) -> impl FnOnce(&mut World) {
    move |world| world.snapshots = vec![Snapshot { to, state }]
}

/// The same, beside one that another member kept a month ago.
fn also(newer: SnapshotState) -> impl FnOnce(&mut World) {
    move |world| {
        let old = SnapshotState::Taken { at: ago(30 * 24 * 3600) };
        world.snapshots = [old, newer].map(|state| Snapshot { to: V3_6, state }).into();
    }
}

#[test]
fn a_snapshot_comes_before_a_minor_version() {
    let up = || versions("3.5.35", "3.6.16");
    let failed = |seconds| SnapshotState::Failed { at: ago(seconds), why: "disk full".into() };
    check([
        ("through a follower", up(), "Snapshot 2"),
        ("it takes its time", up().with(state(V3_6, SnapshotState::Running)), "wait"),
        ("it failed", up().with(state(V3_6, failed(5))), "wait"),
        ("it is tried again", up().with(state(V3_6, failed(60))), "Snapshot 2"),
        ("one of last month", up().with(kept(V3_6, 30 * 24 * 3600)), "Snapshot 2"),
        ("one of last month beside one that is being taken", up().with(also(SnapshotState::Running)), "wait"),
        ("one of last month beside one that failed", up().with(also(failed(5))), "wait"),
        (
            "one of last month beside one that is kept",
            up().with(also(SnapshotState::Taken { at: ago(9) })),
            "Drain 2",
        ),
        (
            "one from before a member was started: of an earlier change",
            up().with(kept(V3_6, 900)),
            "Snapshot 2",
        ),
        ("one for another version", up().with(kept(V3_7, 9)), "Snapshot 2"),
        ("kept", up().with(kept(V3_6, 9)), "Drain 2"),
        ("not for a patch release", versions("3.6.16", "3.6.17"), "Drain 2"),
        ("not for the second member", up().change(2, |one| one.version = version("3.6.16")), "Drain 3"),
        ("one is down: it stays as it is", up().dead(3), "Start 3"),
    ]);
    assert_eq!(up().decide().operation().unwrap().kind, OperationKind::Upgrade);
    up().with(state(V3_6, failed(5))).waits_for("disk full");
}

#[test]
fn before_3_7_every_member_takes_a_raft_snapshot_under_3_6() {
    let up = || versions("3.6.16", "3.7.3").with(kept(V3_7, 9));
    let none = |world: World| reports(world, |report| report.raft_snapshots = Some(0));
    let enabled = |world: World| reports(world, |report| report.downgrade = Some(V3_5));
    let lowered = |world: World| reports(enabled(world), |report| *report = told(report.clone(), V3_5));
    check([
        ("not told yet", reports(up(), |report| report.raft_snapshots = None), "wait"),
        ("none", none(up()), "EnableDowngrade"),
        (
            "one of three has none",
            up().change(3, |one| one.report.as_mut().unwrap().raft_snapshots = Some(0)),
            "EnableDowngrade",
        ),
        ("enabled", enabled(none(up())), "wait"),
        ("all have one", lowered(up()), "CancelDowngrade"),
        ("one was restarted since: anew", none(lowered(up())), "CancelDowngrade"),
        (
            "taken back, not followed yet",
            reports(up(), |report| *report = told(report.clone(), V3_5)),
            "wait",
        ),
        ("all have one, and all is as before", up(), "Drain 2"),
        ("put back in the middle", lowered(versions("3.6.16", "3.6.16")), "CancelDowngrade"),
    ]);
}

#[test]
fn a_member_that_fails_is_mended_while_its_minor_version_waits() {
    let up = || versions("3.6.16", "3.7.3");
    let wrong = || up().change(2, |one| one.options = options(7)).exited(2, 2, 100, "");
    check([
        ("with a quorum", wrong(), "Renew 2"),
        ("without one", wrong().exited(3, 1, 0, "").no_quorum(), "Renew 2"),
        ("it does not fail", up().change(2, |one| one.options = options(7)).exited(2, 0, 0, ""), "Start 2"),
        ("nothing but the version differs", up().exited(2, 2, 100, ""), "Start 2"),
    ]);
    let decision = wrong().decide();
    let [Step::Renew { recipe, .. }] = decision.steps() else { panic!("{decision:?}") };
    assert_eq!((recipe.version, &recipe.options), (version("3.6.16"), &EtcdOptions::default()));
}

#[test]
fn down_by_etcds_own_downgrade() {
    let down = || versions("3.6.16", "3.5.35").with(kept(V3_5, 9));
    let enabled = |world: World| reports(world, |report| report.downgrade = Some(V3_5));
    let lowered = |world: World| {
        reports(enabled(world), |report| {
            *report = Report { downgrade: Some(V3_5), ..told(report.clone(), V3_5) }
        })
    };
    check([
        ("a snapshot first", versions("3.6.16", "3.5.35"), "Snapshot 2"),
        ("not enabled", down(), "EnableDowngrade"),
        ("not followed yet", enabled(down()), "wait"),
        ("one by one", lowered(down()), "Drain 2"),
        ("the next", lowered(down()).change(2, |one| one.version = version("3.5.35")), "Drain 3"),
        (
            "an upgrade that did not finish is taken back without it",
            versions("3.5.35", "3.5.35").change(2, |one| one.version = version("3.6.16")),
            "Drain 2",
        ),
    ]);
    assert_eq!(down().decide().operation().unwrap().kind, OperationKind::Downgrade);
}

#[test]
fn a_minor_version_is_done_when_the_form_of_the_data_has_followed() {
    let all = |wanted: &str, storage| reports(versions(wanted, wanted), |report| report.storage = storage);
    check([
        ("older", all("3.6.16", Some(V3_5)), "wait"),
        ("followed", all("3.6.16", Some(V3_6)), "settled"),
        ("3.5 does not tell it", all("3.5.35", None), "settled"),
        (
            "a cluster that was just made begins with an older one",
            all("3.7.3", Some(V3_5)).with(|w| w.incarnations.iter_mut().for_each(|one| one.created = ago(9))),
            "settled",
        ),
        (
            "the downgrade ends by itself",
            reports(all("3.6.16", Some(V3_6)), |r| r.downgrade = Some(V3_6)),
            "wait",
        ),
        (
            "one is left of a version that is refused by now",
            reports(versions("3.7.3", "3.5.35"), |r| r.downgrade = Some(V3_6)),
            "CancelDowngrade",
        ),
    ]);
}

#[test]
fn versions_that_cannot_be_are_told_and_touch_nobody() {
    for (from, to, words) in [
        ("3.5.35", "3.7.3", "go through 3.6 first"),
        ("3.5.19", "3.6.16", "go to 3.5.32 or later first"),
        ("3.6.10", "3.7.3", "go to 3.6.11 or later first"),
        ("3.7.3", "3.5.35", "go through 3.6 first"),
    ] {
        let world = versions(from, to);
        assert_eq!(world.answer(), "settled", "{from} → {to}");
        let status = describe(&world, &world.decide(), None, None, second(NOW));
        let applied = status.condition("SpecApplied").unwrap();
        assert!(applied.status == "False" && applied.message.contains(words), "{}", applied.message);
        let other = world.with(|world| world.desired.options = options(2)).drained(2);
        let decision = other.decide();
        let [Step::Renew { recipe, .. }] = decision.steps() else { panic!("{decision:?}") };
        assert_eq!(recipe.version, version(from), "options are applied, the version stays");
    }
    // A member in between does not make it right.
    let mixed = versions("3.5.35", "3.7.3").change(2, |one| one.version = version("3.6.16"));
    assert_eq!(mixed.answer(), "settled");
}
