//! Members that fail on a real cluster: restarted when their data is there, replaced when it is lost, left to people
//! when a majority of it is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test says that it failed")]

mod common;

use std::time::Duration;

use common::{etcd::binary, load::Load, up::Up};
use quorate::plan::{status::ClusterStatus, version::Minor};
use rustix::process::Signal;

/// How long a replacement may take in a test; the measured figure is printed, and its bound is in docs/performance.md.
const REPLACED: Duration = Duration::from_secs(60);

fn has(status: &ClusterStatus, name: &str) -> bool {
    status.members.iter().any(|one| one.name == name)
}

fn replaced(up: &Up, name: &str) -> Duration {
    up.wait("the member to be replaced", REPLACED, |status| {
        status.is("Ready") && status.ready_members == 3 && !has(status, name)
    })
}

/// Who loses its folder, and what its process does meanwhile.
#[derive(Clone, Copy, Debug)]
enum Fault {
    FollowerRunning,
    LeaderRunning,
    FollowerDown,
    LeaderDown,
}

fn lose_data(minor: Minor, fault: Fault) {
    let up = Up::start(&binary(minor), 3);
    up.wait_ready(3);
    let before = up.names();
    let victim = match fault {
        Fault::FollowerRunning | Fault::FollowerDown => up.follower(),
        Fault::LeaderRunning | Fault::LeaderDown => up.leader(),
    };
    let id = up.member(&victim).unwrap().id;
    let load = Load::start(&up.dir(), 100);
    std::thread::sleep(Duration::from_millis(500));
    match fault {
        Fault::FollowerRunning | Fault::LeaderRunning => up.delete_data(&victim),
        Fault::FollowerDown | Fault::LeaderDown => {
            // Both at once, so that it is not started on its data in between.
            up.signal_member(&victim, Signal::STOP);
            up.delete_data(&victim);
            up.signal_member(&victim, Signal::KILL);
        }
    }
    let took = replaced(&up, &victim);
    let outcome = load.finish();
    println!("{minor} {fault:?}: replaced after {took:.1?}; {outcome}");
    assert_eq!(outcome.lost, 0, "acknowledged writes were lost");
    let after = up.status();
    let fresh: Vec<_> = after.members.iter().filter(|one| !before.contains(&one.name)).collect();
    assert_eq!(fresh.len(), 1, "one new member took its place: {:?}", up.names());
    assert_ne!(fresh[0].id, id, "under another ID");
    assert!(!up.member_dir(&victim).exists(), "what was left of its folder is gone");
    assert_eq!(up.processes().len(), 3);
}

#[test]
fn a_followers_folder_deleted_under_its_process() {
    lose_data(Minor::V3_6, Fault::FollowerRunning);
}

#[test]
fn a_leaders_folder_deleted_under_its_process() {
    lose_data(Minor::V3_6, Fault::LeaderRunning);
}

#[test]
fn a_followers_folder_deleted_while_it_is_down() {
    lose_data(Minor::V3_6, Fault::FollowerDown);
}

#[test]
fn a_leaders_folder_deleted_while_it_is_down() {
    lose_data(Minor::V3_6, Fault::LeaderDown);
}

#[test]
fn folders_deleted_on_3_5() {
    lose_data(Minor::V3_5, Fault::LeaderRunning);
    lose_data(Minor::V3_5, Fault::FollowerDown);
}

#[test]
fn folders_deleted_on_3_7() {
    lose_data(Minor::V3_7, Fault::LeaderRunning);
    lose_data(Minor::V3_7, Fault::FollowerDown);
}

/// Two of three folders are gone: nothing is removed or wiped, and the message says what a person can do.
fn majority_lost(kill: bool) {
    let up = Up::start(&binary(Minor::V3_6), 3);
    up.wait_ready(3);
    let before = up.names();
    let lost: Vec<_> = before.iter().take(2).cloned().collect();
    for name in &lost {
        up.signal_member(name, Signal::STOP);
        up.delete_data(name);
        up.signal_member(name, if kill { Signal::KILL } else { Signal::CONT });
    }
    up.wait("QuorumLost", Duration::from_secs(30), |status| {
        status
            .condition("QuorumLost")
            .is_some_and(|one| one.status == "True" && one.reason == "MajorityDataLost")
    });
    // Long enough for a wrong decision to be taken.
    std::thread::sleep(Duration::from_secs(10));
    let status = up.status();
    let message = &status.condition("QuorumLost").unwrap().message;
    for words in [lost[0].as_str(), lost[1].as_str(), "nothing is removed or wiped", "etcdctl snapshot save"]
    {
        assert!(message.contains(words), "{words:?} is not in {message:?}");
    }
    assert_eq!(up.names(), before, "nobody was removed or added");
    let survivor = before.iter().find(|name| !lost.contains(name)).unwrap();
    assert!(up.member_dir(survivor).join("data/member/snap/db").exists(), "the last copy is untouched");
    let log = up.log();
    for step in
        ["step=\"Remove\"", "step=\"Discard\"", "step=\"AddLearner\"", "step=\"Reserve\" member=\"demo"]
    {
        let steps = log.matches(step).count();
        let expected = if step.contains("Reserve") { 3 } else { 0 };
        assert_eq!(steps, expected, "{step} in\n{log}");
    }
}

#[test]
fn two_of_three_folders_deleted_with_their_processes_killed() {
    majority_lost(true);
}

#[test]
fn two_of_three_folders_deleted_under_their_processes() {
    majority_lost(false);
}

#[test]
fn two_of_three_killed_are_started_again() {
    let up = Up::start(&binary(Minor::V3_6), 3);
    up.wait_ready(3);
    let before = up.status();
    let names = up.names();
    let load = Load::start(&up.dir(), 50);
    for name in names.iter().take(2) {
        up.signal_member(name, Signal::KILL);
    }
    let was: Vec<_> = names.iter().take(2).map(|name| up.member_pid(name)).collect();
    up.wait("both to run again", Duration::from_secs(30), |status| {
        status.is("Ready") && names.iter().take(2).zip(&was).all(|(name, was)| up.member_pid(name) != *was)
    });
    let outcome = load.finish();
    assert_eq!(outcome.lost, 0);
    assert_eq!(up.names(), names, "nobody was replaced");
    assert_eq!(up.status().cluster_id, before.cluster_id);
}

#[test]
fn a_member_that_ends_again_and_again_is_reported_and_not_replaced() {
    let up = Up::start(&binary(Minor::V3_6), 3);
    up.wait_ready(3);
    let victim = up.follower();
    let names = up.names();
    up.signal_member(&victim, Signal::STOP);
    // The newest file of its write-ahead log is a folder: it ends at each start, and its data is there.
    let obstacle = up.member_dir(&victim).join("data/member/wal/ffffffffffffffff-ffffffffffffffff.wal");
    std::fs::create_dir(&obstacle).unwrap();
    up.signal_member(&victim, Signal::KILL);
    up.wait("the crash loop to be told", Duration::from_secs(60), |status| {
        status
            .condition("Degraded")
            .is_some_and(|one| one.status == "True" && one.message.contains("times in a row"))
    });
    assert_eq!(up.names(), names, "it was not replaced");
    std::fs::remove_dir(&obstacle).unwrap();
    up.wait_ready(3);
    assert_eq!(up.names(), names, "it came back on its own data");
}

#[test]
fn a_request_replaces_or_restarts_a_member() {
    let up = Up::start(&binary(Minor::V3_6), 3);
    up.wait_ready(3);
    let load = Load::start(&up.dir(), 100);
    let leader = up.leader();
    let pid = up.member_pid(&leader);
    let text = up.succeed(&["restart", &leader, "--wait"]);
    assert!(text.contains("done"), "{text}");
    assert_ne!(up.member_pid(&leader), pid, "it is another process");
    let leader = up.leader();
    up.succeed(&["replace", &leader, "--wait"]);
    assert!(!up.names().contains(&leader));
    let outcome = load.finish();
    println!("restart and replace on request: {outcome}");
    assert_eq!(outcome.lost, 0);
    let missing = up.command(&["replace", "demo-nobody"]);
    assert_eq!(missing.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("there is no member demo-nobody"));
}
