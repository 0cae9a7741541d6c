//! `up` comes and goes; the members stay, and what was begun is finished.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test says that it failed")]

mod common;

use std::time::Duration;

use common::{
    etcd::binary,
    load::Load,
    up::{Up, processes_below},
};
use quorate::plan::version::Minor;

#[test]
fn a_killed_up_leaves_its_members_and_the_next_takes_them_over() {
    let mut up = Up::start(&binary(Minor::V3_6), 3);
    up.wait_ready(3);
    let mut before = up.processes();
    before.sort_unstable();
    let load = Load::start(&up.dir(), 100);
    up.kill();
    std::thread::sleep(Duration::from_secs(1));
    // Without its pid file a member is found by its data folder.
    std::fs::remove_file(up.member_dir(&up.names()[0]).join("pid")).unwrap();
    up.run();
    std::thread::sleep(Duration::from_secs(3));
    up.wait_ready(3);
    let outcome = load.finish();
    let mut after = up.processes();
    after.sort_unstable();
    assert_eq!(before, after, "the same processes run on");
    assert_eq!((outcome.lost, outcome.failed), (0, 0));
}

#[test]
fn a_pid_that_now_belongs_to_another_program_is_not_taken_for_a_member() {
    let mut up = Up::start(&binary(Minor::V3_6), 3);
    up.wait_ready(3);
    let name = up.follower();
    let other = up.names().into_iter().find(|one| *one != name).unwrap();
    up.kill();
    // The pid file of a member names a living process of another kind, with another start time.
    let pid_file = up.member_dir(&name).join("pid");
    let text = std::fs::read_to_string(&pid_file).unwrap();
    let victim = up.member_pid(&name).unwrap();
    let mut bystander = std::process::Command::new("sleep").arg("300").spawn().unwrap();
    up.signal_member(&name, rustix::process::Signal::KILL);
    std::fs::write(&pid_file, text.replace(&victim.to_string(), &bystander.id().to_string())).unwrap();
    up.run();
    up.wait("the member to run again", Duration::from_secs(30), |status| {
        status.is("Ready") && up.member_pid(&name).is_some_and(|pid| pid.unsigned_abs() != bystander.id())
    });
    up.succeed(&["restart", &name, "--wait"]);
    assert!(bystander.try_wait().unwrap().is_none(), "the bystander was left alone");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    assert!(up.names().contains(&other));
}

#[test]
fn kill_9_at_any_moment_of_a_change_is_made_good_by_the_next_up() {
    let mut up = Up::start(&binary(Minor::V3_6), 3);
    up.wait_ready(3);
    let load = Load::start(&up.dir(), 50);
    // Moments that differ from run to run, so that in time all are met; the seed is printed to see what was met.
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    println!("seed {seed}");
    let mut moment = u64::from(seed);
    for size in [5, 3] {
        up.succeed(&["scale", &size.to_string()]);
        for _ in 0..12 {
            moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            std::thread::sleep(Duration::from_millis(50 + (moment >> 33) % 900));
            up.kill();
            up.run();
        }
        up.wait_ready(size);
    }
    let outcome = load.finish();
    assert_eq!(outcome.lost, 0);
    assert_eq!(up.processes().len(), 3, "no orphan runs");
}

#[test]
fn ctrl_c_stops_the_members_and_keeps_their_data() {
    let mut up = Up::start(&binary(Minor::V3_6), 3);
    up.wait_ready(3);
    let id = up.status().cluster_id;
    let load = Load::start(&up.dir(), 100);
    std::thread::sleep(Duration::from_secs(1));
    let leader = up.member_pid(&up.leader()).unwrap();
    let dir = up.dir();
    let last = std::thread::spawn(move || {
        let mut last = Vec::new();
        loop {
            match processes_below(&dir) {
                now if now.is_empty() => return last,
                now => last = now,
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    assert_eq!(up.interrupt(), Some(0));
    assert_eq!(last.join().unwrap(), [leader], "the leader is stopped last");
    assert!(up.processes().is_empty(), "all members are stopped");
    assert_eq!(
        up.status().ready_members,
        0,
        "the last status does not send clients to members that are gone"
    );
    up.run();
    up.wait_ready(3);
    assert_eq!(up.status().cluster_id, id);
    assert_eq!(load.finish().lost, 0);
}

#[test]
fn down_stops_members_with_up_and_without_and_wipes_on_request() {
    let mut up = Up::start(&binary(Minor::V3_6), 3);
    up.wait_ready(3);
    let text = up.succeed(&["down"]);
    assert!(text.contains("their data stays"), "{text}");
    assert_eq!(up.join(), Some(0), "`up` ended by itself");
    assert!(up.processes().is_empty());
    up.run();
    up.wait_ready(3);
    up.kill();
    assert_eq!(up.processes().len(), 3);
    up.succeed(&["down", "--wipe"]);
    assert!(up.processes().is_empty(), "members without `up` are stopped too");
    assert!(!up.dir().join("members").exists() && !up.dir().join("record.yaml").exists());
    assert!(up.dir().join("cluster.yaml").exists(), "the manifest stays");
    assert_eq!(up.command(&["down"]).status.code(), Some(4));
}
