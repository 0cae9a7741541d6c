//! Members that hold different data: told with their names, never answered by a wipe.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test says that it failed")]

mod common;

use std::{fs, time::Duration};

use common::{
    etcd::binary,
    inside::runtime,
    load::{connect, endpoints},
    up::Up,
};
use quorate::plan::version::Minor;
use rustix::process::Signal;

const TRUE_VALUE: &[u8] = b"this-is-what-was-written";
const FALSE_VALUE: &[u8] = b"this-is-what-disks-break";

/// Changes a value in the database file of a follower while it is down. bbolt keeps no checksum of its pages, so the
/// member serves it as if it were true.
fn tamper(up: &mut Up) -> String {
    runtime().block_on(async {
        let mut client = connect(&endpoints(&up.dir())[0]).await.unwrap();
        client.put("truth", TRUE_VALUE, None).await.unwrap();
    });
    // The database is written every 100 ms; the log would replay what is missing in it.
    std::thread::sleep(Duration::from_secs(1));
    let victim = up.follower();
    up.kill();
    up.signal_member(&victim, Signal::TERM);
    std::thread::sleep(Duration::from_secs(2));
    let path = up.member_dir(&victim).join("data/member/snap/db");
    let mut bytes = fs::read(&path).unwrap();
    let places: Vec<_> = bytes
        .windows(TRUE_VALUE.len())
        .enumerate()
        .filter(|(_, part)| *part == TRUE_VALUE)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty(), "the value is in the database file");
    for at in places {
        bytes[at..at + FALSE_VALUE.len()].copy_from_slice(FALSE_VALUE);
    }
    fs::write(&path, bytes).unwrap();
    up.run();
    victim
}

/// 3.5's own check at the start lets it pass; the comparison from outside finds it.
#[test]
fn a_difference_is_told_with_names_within_a_minute_and_held() {
    let mut up = Up::start(&binary(Minor::V3_5), 3);
    up.wait_ready(3);
    let names = up.names();
    let victim = tamper(&mut up);
    let took = up.wait("the difference to be told", Duration::from_secs(60), |status| {
        status.condition("Degraded").is_some_and(|one| one.reason == "DataDiverged")
    });
    println!("told after {took:.1?}");
    let message = up.status().condition("Degraded").unwrap().message.clone();
    assert!(names.iter().all(|name| message.contains(name.as_str())), "{message}");
    // Nobody knows whose data is right, so nothing is removed, not even when fewer or more are wanted.
    up.succeed(&["scale", "5"]);
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(up.names(), names);
    up.succeed(&["scale", "3"]);
    up.succeed(&["replace", &victim, "--wait"]);
    up.wait("agreement", Duration::from_secs(60), |status| !status.is("Degraded"));
    assert!(!up.names().contains(&victim));
}

/// From 3.6 on the member itself refuses to start on data that differs: told, and not replaced by itself.
#[test]
fn a_member_that_finds_itself_different_stays_down_until_a_person_decides() {
    let mut up = Up::start(&binary(Minor::V3_6), 3);
    up.wait_ready(3);
    let names = up.names();
    let victim = tamper(&mut up);
    up.wait("its last words to be told", Duration::from_secs(60), |status| {
        status.condition("Degraded").is_some_and(|one| one.status == "True" && one.message.contains(&victim))
            && status.members.iter().any(|one| {
                one.name == victim && one.message.as_ref().is_some_and(|m| m.contains("times in a row"))
            })
    });
    println!("{}", up.member(&victim).unwrap().message.unwrap());
    assert_eq!(up.names(), names);
    assert!(up.member_dir(&victim).join("data/member/snap/db").exists(), "its data is kept");
    up.succeed(&["replace", &victim, "--wait"]);
    assert!(!up.names().contains(&victim));
}
