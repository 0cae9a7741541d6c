//! A real cluster under random faults and wishes while clients write: nothing acknowledged is lost, and it ends as
//! wanted. `QUORATE_CHAOS_SECONDS` makes it longer, `QUORATE_CHAOS_SEED` repeats its choices.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

mod common;

use std::time::{Duration, Instant};

use common::{etcd::binary, load::Load, up::Up};
use quorate::plan::version::Minor;
use rustix::process::Signal;

/// A small generator of choices; the quality of its randomness does not matter here.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn pick<'a>(&mut self, names: &'a [String]) -> &'a str {
        &names[self.below(names.len())]
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A process may end between the look and the signal.
fn signal(up: &Up, name: &str, signal: Signal) {
    if let Some(pid) = up.member_pid(name).and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

#[test]
fn nothing_is_lost_whatever_happens() {
    let seed = number("QUORATE_CHAOS_SEED")
        .unwrap_or_else(|| u64::from(std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos()));
    let length = Duration::from_secs(number("QUORATE_CHAOS_SECONDS").unwrap_or(40));
    let mut dice = Dice(seed);
    let minor = [Minor::V3_5, Minor::V3_6, Minor::V3_7][dice.below(3)];
    println!("QUORATE_CHAOS_SEED={seed}, etcd {minor}");
    let mut up = Up::start(&binary(minor), 3);
    up.wait_ready(3);
    let load = Load::start(&up.dir(), 50);
    let began = Instant::now();
    let mut size = 3;
    while began.elapsed() < length {
        let names = up.names();
        let name = dice.pick(&names).to_owned();
        let what = match dice.below(8) {
            0 => {
                signal(&up, &name, Signal::KILL);
                format!("kill {name}")
            }
            1 => {
                signal(&up, &name, Signal::STOP);
                std::thread::sleep(Duration::from_millis(500 + dice.below(2500) as u64));
                signal(&up, &name, Signal::CONT);
                format!("freeze {name} for a while")
            }
            // Only while everything is whole: a second folder would be the data of a majority of three.
            2 if up.status().is("Ready") => {
                let _ = std::fs::remove_dir_all(up.member_dir(&name).join("data"));
                up.wait("the loss to be made good", Duration::from_secs(90), |status| {
                    !status.members.iter().any(|one| one.name == name)
                });
                format!("empty {name}")
            }
            3 => {
                size = [3, 5, 7][dice.below(3)];
                up.succeed(&["scale", &size.to_string()]);
                format!("scale to {size}")
            }
            4 => {
                let _ = up.command(&["replace", &name]);
                format!("replace {name}")
            }
            5 => {
                let _ = up.command(&["restart", &name]);
                format!("restart {name}")
            }
            _ => {
                up.kill();
                std::thread::sleep(Duration::from_millis(dice.below(800) as u64));
                up.run();
                "kill -9 of up".to_owned()
            }
        };
        println!("{:5.1?} {what}", began.elapsed());
        std::thread::sleep(Duration::from_millis(200 + dice.below(2500) as u64));
    }
    println!("the faults end; wanted are {size} members");
    up.wait("everything to be as wanted", Duration::from_secs(180), |status| {
        status.size == size && status.ready_members == size && status.is("Ready")
    });
    let outcome = load.finish();
    println!("{outcome}");
    assert_eq!(outcome.lost, 0);
    assert_eq!(up.processes().len(), usize::try_from(size).unwrap());
}
