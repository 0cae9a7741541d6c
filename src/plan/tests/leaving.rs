//! A member leaves, for a while or for good: who, and in which order of acts.

use super::builder::*;
use crate::plan::{Draining, Incarnation, MemberId, Process, Step, World};

fn asked_to_restart(one: &mut Incarnation) {
    one.restart_requested = Some(ago(1));
}

fn asked_to_replace(one: &mut Incarnation) {
    one.replace_requested = true;
}

/// Its process started `seconds` ago.
fn young(world: World, serial: u64, seconds: i64) -> World {
    world.change(serial, |one| one.process = Process::Running { since: ago(seconds) })
}

/// The first four members on one node, the others on another.
fn on_two_nodes(world: World) -> World {
    world.with(|world| {
        for (index, one) in world.incarnations.iter_mut().enumerate() {
            one.node = if index < 4 { "node1" } else { "node2" }.into();
        }
    })
}

/// Seven members, three are wanted, and clients were told of four.
fn three_told() -> World {
    cluster(7, 3).drained(7).drained(6).drained(5).drained(3)
}

#[test]
fn the_victim_of_a_shrink() {
    check([
        ("the youngest, and all that go are told at once", cluster(5, 3), "Drain 5, Drain 4"),
        ("told already", cluster(5, 3).drained(2), "Remove 2"),
        ("both told already", cluster(5, 3).drained(5).drained(4), "Remove 5"),
        ("one is gone, the other is told already", cluster(4, 3).drained(4), "Remove 4"),
        ("one is gone, its data not yet", cluster(5, 3).drained(5).drained(4).unlisted(5), "Discard 5"),
        (
            "told, and clients are still sent to it",
            cluster(5, 3).change(2, |one| one.draining = Some(Draining { since: ago(60), spread: None })),
            "wait",
        ),
        (
            "told a moment ago",
            cluster(5, 3).change(2, |one| one.draining = Some(Draining::seen(ago(1)))),
            "wait",
        ),
        ("crowded node first", cluster(5, 3).change(2, |one| one.node = "node1".into()), "Drain 2, Drain 5"),
        (
            "no more from a node than it is crowded",
            on_two_nodes(cluster(7, 3)),
            "Drain 4, Drain 7, Drain 3, Drain 6",
        ),
        ("unhealthy before told: the other stays", cluster(4, 3).drained(2).exited(4, 5, 1, ""), "Undrain 2"),
        ("unhealthy before told: both go", cluster(5, 3).drained(2).exited(4, 5, 1, ""), "Remove 4"),
        ("three told and one unhealthy: the last stays", three_told().exited(1, 5, 1, ""), "Undrain 3"),
        ("unhealthy and not running: no draining", cluster(5, 3).exited(4, 5, 1, ""), "Remove 4"),
        ("removed, and still there", cluster(5, 3).unlisted(5), "Discard 5"),
        (
            "two of five are down: no more can go than that",
            cluster(5, 3).exited(4, 5, 1, "").exited(5, 5, 1, ""),
            "Remove 5",
        ),
    ]);
}

#[test]
fn leadership_moves_first_to_the_oldest_healthy() {
    check([
        ("the leader", cluster(5, 3).led_by(5).drained(5), "MoveLeader 1"),
        (
            "not to one that does not answer",
            cluster(5, 5).emptied(5).led_by(5).drained(5).change(1, |one| one.report = None),
            "MoveLeader 2",
        ),
        ("a restart, too", cluster(3, 3).change(1, asked_to_restart).drained(1), "MoveLeader 2"),
        ("moved", cluster(3, 3).led_by(2).change(1, asked_to_restart).drained(1), "Stop 1"),
    ]);
    let decision = cluster(5, 3).led_by(5).drained(5).decide();
    let [Step::MoveLeader { from, to, .. }] = decision.steps() else { panic!("{decision:?}") };
    assert_eq!((*from, *to), (MemberId(5), MemberId(1)));
}

#[test]
fn an_unknown_leader_may_be_the_one_that_goes() {
    let nobody = cluster(5, 3).drained(5).with(|world| {
        for report in world.incarnations.iter_mut().filter_map(|one| one.report.as_mut()) {
            report.leader = None;
        }
    });
    nobody.waits_for("leader");
    // One that is cut off knows none, in the same term; the others do.
    let cut_off = cluster(5, 3).led_by(4).drained(4).change(5, |one| {
        one.report = Some(crate::plan::Report { ready: false, ..report(5, None) });
        one.replace_requested = false;
    });
    assert_eq!(cut_off.emptied(4).answer(), "MoveLeader 1");
}

#[test]
fn a_restart_is_a_stop_and_a_start() {
    check([
        ("asked", cluster(3, 3).change(2, asked_to_restart), "Drain 2"),
        ("told", cluster(3, 3).change(2, asked_to_restart).drained(2), "Stop 2"),
        ("stopped", cluster(3, 3).change(2, asked_to_restart).drained(2).exited(2, 0, 0, ""), "Start 2"),
        ("back", young(cluster(3, 3).change(2, asked_to_restart).drained(2), 2, 0), "Undrain 2"),
        ("the next waits for clients", young(cluster(3, 3).change(3, asked_to_restart), 2, 2), "wait"),
        ("the next", young(cluster(3, 3).change(3, asked_to_restart), 2, 3), "Drain 3"),
        ("asked before it started", young(cluster(3, 3).change(2, asked_to_restart), 2, 0), "settled"),
    ]);
}

#[test]
fn the_pause_counts_for_every_other_member() {
    // The one that goes may be as young as the others, and came back with them.
    let all = |seconds| {
        (1..=3).fold(cluster(3, 3).change(1, asked_to_replace).led_by(2), |w, n| young(w, n, seconds))
    };
    check([("all came back together", all(1), "wait"), ("later", all(3), "Drain 1")]);
}

#[test]
fn a_replacement_on_request_is_a_remove_and_an_add() {
    check([
        ("asked", cluster(3, 3).change(2, asked_to_replace), "Drain 2"),
        ("told", cluster(3, 3).change(2, asked_to_replace).drained(2), "Remove 2"),
        ("removed", cluster(3, 3).change(2, asked_to_replace).drained(2).unlisted(2), "Discard 2"),
        ("asked, and down", cluster(3, 3).change(2, asked_to_replace).exited(2, 5, 1, ""), "Remove 2"),
        ("one at a time", cluster(3, 3).change(2, asked_to_replace).change(3, asked_to_replace), "Drain 2"),
        ("another is down", cluster(3, 3).change(2, asked_to_replace).exited(3, 5, 1, ""), "wait"),
        ("changed its mind", cluster(3, 3).drained(2), "Undrain 2"),
    ]);
}

#[test]
fn a_missing_voter_comes_before_a_healthy_one_goes() {
    let two = |change: fn(&mut Incarnation)| {
        cluster(3, 3).change(3, change).with(|world| drop(world.incarnations.remove(0))).unlisted(1).led_by(2)
    };
    check([("replace", two(asked_to_replace), "Reserve 4"), ("restart", two(asked_to_restart), "Reserve 4")]);
}

#[test]
fn sizes_edited_in_mid_change() {
    check([
        ("3, 5, 3: the learner goes", cluster(3, 3).learner(4, true), "Remove 4"),
        ("3, 5, 3: the fourth voter goes", cluster(4, 3), "Drain 4"),
        ("3, 7, 5: on to five", cluster(4, 5), "Reserve 5"),
        ("3, 7, 5: the sixth goes", cluster(6, 5), "Drain 6"),
        ("5, 3, 5: one was told to go and stays", cluster(5, 5).drained(5), "Undrain 5"),
        ("5, 3, 5: one was removed: it is not taken back", cluster(5, 5).unlisted(5), "Discard 5"),
        ("5, 3, 5: and another comes", cluster(4, 5), "Reserve 5"),
    ]);
}

#[test]
fn paused_touches_nothing() {
    let paused = |world: &mut World| world.desired.paused = true;
    for world in [none(3), cluster(3, 5), cluster(3, 3).dead(2), cluster(5, 3), cluster(3, 3).drained(1)] {
        world.with(paused).waits_for("paused");
    }
}
