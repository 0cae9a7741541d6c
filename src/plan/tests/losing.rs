//! Members end, and data is lost.

use super::builder::*;
use crate::plan::{Admission, Incarnation, MemberId, Process, Step, World};

const CRC: &str = "panic: wal: crc mismatch";

#[test]
fn a_member_that_ended_is_started_on_its_data() {
    check([
        ("one", cluster(3, 3).dead(2), "Start 2"),
        ("two of three", cluster(3, 3).dead(2).dead(3).no_quorum(), "Start 2, Start 3"),
        ("all", cluster(3, 3).dead(1).dead(2).dead(3).no_quorum(), "Start 1, Start 2, Start 3"),
        ("the first time at once", cluster(3, 3).exited(2, 1, 0, ""), "Start 2"),
        ("the second after a second", cluster(3, 3).exited(2, 2, 0, ""), "wait"),
        ("the second after a second", cluster(3, 3).exited(2, 2, 1, ""), "Start 2"),
        ("the fifth after eight", cluster(3, 3).exited(2, 5, 7, ""), "wait"),
        ("the fifth after eight", cluster(3, 3).exited(2, 5, 8, ""), "Start 2"),
        (
            "a full disk is no lost data",
            cluster(3, 3).exited(2, 9, 100, "no space left on device"),
            "Start 2",
        ),
        ("before anything that is wanted", cluster(3, 5).dead(2), "Start 2"),
        ("before a replacement", cluster(5, 5).dead(2).dead(3).emptied(3), "Start 2"),
    ]);
}

#[test]
fn one_that_cannot_start_does_not_hold_up_the_others() {
    // Steps stop at the first that fails, so the one that is likely to fail comes last.
    let blocked = |seconds| Process::Blocked { why: "its port is taken".into(), at: ago(seconds) };
    let world = cluster(5, 5).dead(4).change(1, |one| one.process = blocked(5));
    check([
        ("blocked last", world.clone(), "Start 4, Start 1"),
        (
            "of several, the one tried longest ago",
            world.change(2, |one| one.process = blocked(9)),
            "Start 4, Start 2, Start 1",
        ),
        (
            "left alone for a while, so that others get their turn",
            cluster(5, 5).change(1, |one| one.process = blocked(3)).emptied(2),
            "Drain 2",
        ),
    ]);
}

#[test]
fn lost_data_is_replaced() {
    check([
        ("dead", cluster(3, 3).dead(3).emptied(3), "Remove 3"),
        ("dead, and it led", cluster(3, 3).dead(1).emptied(1), "Remove 1"),
        ("it runs", cluster(3, 3).emptied(3), "Drain 3"),
        ("it runs, and clients left", cluster(3, 3).emptied(3).drained(3), "Remove 3"),
        ("it runs and leads", cluster(3, 3).emptied(1).drained(1), "MoveLeader 2"),
        ("damaged once: tried again", cluster(3, 3).exited(3, 1, 9, CRC), "Start 3"),
        ("damaged twice", cluster(3, 3).exited(3, 2, 9, CRC), "Remove 3"),
        ("nothing of it exists", cluster(3, 3).with(|w| drop(w.incarnations.pop())), "Remove 3"),
        ("removed", cluster(3, 3).dead(3).emptied(3).unlisted(3), "Discard 3"),
        ("and another comes", cluster(2, 3), "Reserve 3"),
        ("dead before running", cluster(5, 5).emptied(2).dead(4).emptied(4), "Remove 4"),
        (
            "just started: its files may not be there yet",
            cluster(3, 3).emptied(3).change(3, |one| one.report = None),
            "wait",
        ),
        ("another does not answer", cluster(3, 3).emptied(3).change(2, |one| one.report = None), "wait"),
    ]);
}

#[test]
fn lost_data_of_a_majority_is_left_to_a_person() {
    let lost = "the data of 2 of 3 voters is gone";
    cluster(3, 3).emptied(2).emptied(3).waits_for(lost);
    cluster(3, 3).dead(2).emptied(2).dead(3).emptied(3).no_quorum().waits_for(lost);
    cluster(3, 3).dead(2).emptied(2).dead(3).emptied(3).waits_for(lost);
    cluster(3, 5).emptied(2).emptied(3).learner(4, true).waits_for(lost);
    let asked = |one: &mut Incarnation| one.replace_requested = true;
    cluster(3, 3).emptied(2).emptied(3).change(3, asked).change(1, asked).waits_for(lost);
}

#[test]
fn what_still_has_its_data_is_started_even_then() {
    let world = cluster(3, 3).emptied(2).emptied(3).dead(1).led_by(2);
    assert_eq!(world.answer(), "Start 1", "a third copy, while the others still serve");
    let world = cluster(3, 3).dead(2).emptied(2).dead(3).emptied(3).dead(1).no_quorum();
    assert_eq!(world.answer(), "Start 1", "never the emptied ones");
}

#[test]
fn a_removed_member_is_not_counted_among_those_left() {
    let world = cluster(3, 3).dead(2).emptied(2).unlisted(3).no_quorum();
    world.waits_for("the data of 1 of 2 voters is gone");
}

#[test]
fn nothing_is_removed_or_wiped_without_a_confirmed_list() {
    for world in [
        cluster(3, 5).no_quorum(),
        cluster(5, 3).no_quorum(),
        cluster(3, 3).unlisted(3).no_quorum(),
        cluster(3, 3).dead(2).emptied(2).no_quorum(),
        cluster(3, 3).change(1, |one| one.replace_requested = true).no_quorum(),
        cluster(3, 3).learner(4, true).emptied(4).no_quorum(),
    ] {
        assert_eq!(world.answer(), "wait", "{world:?}");
    }
}

#[test]
fn an_answer_from_another_member_or_cluster_is_no_health() {
    let other = |world: World| world.change(3, |one| one.report.as_mut().unwrap().id = MemberId(9));
    check([
        ("another member", other(cluster(3, 5)), "wait"),
        ("a shrink takes it first", other(cluster(5, 3)), "Drain 3, Drain 5"),
    ]);
}

#[test]
fn the_seat_is_found_by_id_before_name_and_by_url_before_it_started() {
    let told = |one: &mut Incarnation| {
        one.admission = Some(Admission { id: Some(MemberId(3)), ..one.admission.clone().unwrap() });
    };
    let renamed = cluster(3, 3).change(3, told).with(|world| world.list()[2].name = "else".into());
    assert_eq!(renamed.answer(), "settled");
}

#[test]
fn the_check_at_the_start_is_asked_for_only_when_peers_can_answer_it() {
    let check = |world: &World, serial: u64| match world.decide().steps() {
        [Step::Start { name: started, check }] if *started == name(serial) => *check,
        other => panic!("no start: {other:?}"),
    };
    assert!(check(&cluster(3, 3).dead(2), 2), "two of three answer");
    let alone = cluster(3, 3).dead(2).change(1, |one| one.report = None).change(3, |one| one.report = None);
    assert!(!check(&alone, 2), "nobody answers, and each would be waited for");
}
