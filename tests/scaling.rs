//! Scaling a real cluster while clients write: nothing acknowledged is lost, nothing of a removed member stays.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test says that it failed")]

mod common;

use std::{collections::BTreeSet, time::Duration};

use common::{etcd::binary, leader::lead_by_youngest, load::Load, up::Up};
use quorate::plan::version::Minor;

#[test]
fn from_3_to_5_to_3_to_7_to_3_on_3_5() {
    up_and_down(Minor::V3_5);
}

#[test]
fn from_3_to_5_to_3_to_7_to_3_on_3_6() {
    up_and_down(Minor::V3_6);
}

#[test]
fn from_3_to_5_to_3_to_7_to_3_on_3_7() {
    up_and_down(Minor::V3_7);
}

fn up_and_down(minor: Minor) {
    let up = Up::start(&binary(minor), 3);
    up.wait_ready(3);
    let mut seen: BTreeSet<String> = up.names().into_iter().collect();
    let load = Load::start(&up.dir(), 200);
    let mut present = 3;
    for size in [5, 3, 7, 3] {
        if size < present {
            // The youngest is the first to go, so the leader is one of those that are removed.
            lead_by_youngest(&up);
        }
        up.succeed(&["scale", &size.to_string()]);
        let took = up.wait_ready(size);
        println!("{minor}: {present} → {size} in {took:.1?}");
        for name in up.names().into_iter().filter(|name| !seen.contains(name)).collect::<Vec<_>>() {
            seen.insert(name);
        }
        present = size;
        std::thread::sleep(Duration::from_secs(1));
    }
    let outcome = load.finish();
    println!("{minor}: {outcome}");
    assert_eq!(outcome.lost, 0, "acknowledged writes were lost");
    assert!(outcome.acknowledged() > 2000, "the load ran");
    assert_eq!(seen.len(), 3 + 2 + 4, "every member that joined had a name of its own: {seen:?}");
    assert_eq!(up.processes().len(), 3, "the processes of removed members are gone");
    let left: BTreeSet<_> = std::fs::read_dir(up.dir().join("members"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, up.names().into_iter().collect(), "the data of removed members is gone");
}
