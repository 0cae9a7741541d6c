//! A size that changes its mind in mid-change, on a real cluster: it ends right, and a quorum is there all the time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test says that it failed")]

mod common;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use common::{
    etcd::{binary, http_status},
    load::Load,
    up::{Up, read_status},
};
use quorate::plan::{quorum, version::Minor};

/// Samples the members from outside: whether the voters that are healthy are a quorum of all that are listed.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Vec<String>)>,
}

impl Watch {
    fn start(dir: &Path) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (until, dir) = (Arc::clone(&stop), dir.to_owned());
        let thread = std::thread::spawn(move || {
            let (mut samples, mut bad) = (0, Vec::new());
            while !until.load(Ordering::Relaxed) {
                let status = read_status(&dir);
                let voters: Vec<_> = status
                    .members
                    .iter()
                    .filter(|one| ["leader", "voter"].contains(&one.role.as_str()))
                    .collect();
                // The member's own word, not that of the status.
                let healthy = |url: &str| http_status(&format!("{url}/health")) == Some(200);
                let count = voters.iter().filter(|one| healthy(&one.client_url)).count();
                // A member that was promoted a moment ago may not serve yet, and one that was removed a moment ago may
                // still be listed in the last status: look again before it counts.
                if count < quorum(voters.len()) && read_status(&dir) == status {
                    bad.push(format!("{count} of {} healthy: {status:?}", voters.len()));
                }
                samples += 1;
                std::thread::sleep(Duration::from_millis(50));
            }
            (samples, bad)
        });
        Self { stop, thread }
    }

    fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        let (samples, bad) = self.thread.join().unwrap();
        println!("{samples} samples");
        assert!(samples > 10);
        assert!(bad.is_empty(), "no quorum of healthy voters: {}", bad.join("\n"));
    }
}

fn flip(sizes: &[(i64, u64)]) {
    let up = Up::start(&binary(Minor::V3_6), 3);
    up.wait_ready(3);
    let load = Load::start(&up.dir(), 100);
    let watch = Watch::start(&up.dir());
    let mut last = 3;
    for (size, pause) in sizes {
        up.succeed(&["scale", &size.to_string()]);
        std::thread::sleep(Duration::from_millis(*pause));
        last = *size;
    }
    up.wait_ready(last);
    watch.finish();
    let outcome = load.finish();
    println!("{outcome}");
    assert_eq!(outcome.lost, 0);
    assert_eq!(i64::try_from(up.processes().len()).unwrap(), last);
}

#[test]
fn from_3_to_5_and_back_within_a_second() {
    flip(&[(5, 700), (3, 3000)]);
}

#[test]
fn from_3_to_7_and_to_5_in_mid_change() {
    flip(&[(7, 9000), (5, 1000)]);
}

#[test]
fn an_edit_of_the_file_is_seen_within_a_second_and_keeps_comments() {
    let up = Up::start(&binary(Minor::V3_6), 3);
    up.wait_ready(3);
    up.succeed(&["scale", "5"]);
    let text = std::fs::read_to_string(up.dir().join("cluster.yaml")).unwrap();
    assert!(text.starts_with("# A comment that stays.\n") && text.contains("size: 5"), "{text}");
    let took = up
        .wait("the edit to be seen", Duration::from_secs(5), |status| status.observed_generation == Some(2));
    println!("seen after {took:.0?}");
    up.wait_ready(5);
    // An edit that is refused changes nothing, is told, and is healed by the next one.
    up.write_manifest("{size: 4}");
    up.wait("the refusal", Duration::from_secs(5), |status| {
        status
            .condition("SpecApplied")
            .is_some_and(|one| one.status == "False" && one.message.contains("size"))
    });
    assert_eq!(up.status().ready_members, 5);
    up.write_manifest(&format!("{{size: 3, version: {}}}", up.binary.version));
    up.wait_ready(3);
}
