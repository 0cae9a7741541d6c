//! How long one decision takes: `plan::decide` alone, one thread, for worlds of three, five and nine members.
//!
//! A decision is made at each pass, so this bounds how many clusters one core could look after if asking etcd took no
//! time; it also shows when a rule begins to cost more than it should.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a measurement says that there is nothing to measure"
)]

#[path = "../report/mod.rs"]
mod report;
mod worlds;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use quorate::plan::{Decision, World, decide};
use report::{Report, quantile};

/// How long one sample takes, so that the clock's own time does not count.
const SAMPLE: Duration = Duration::from_millis(20);
const SAMPLES: usize = 25;

fn main() {
    let mut report = Report::open();
    let mut rows = Vec::new();
    for (state, make) in worlds::ALL {
        for size in [3, 5, 9] {
            let world = make(size);
            let decided = brief(&decide(&world, worlds::now()));
            let nanoseconds = nanoseconds(&world);
            rows.push(vec![
                state.to_owned(),
                size.to_string(),
                decided,
                nanoseconds.to_string(),
                (1_000_000_000 / nanoseconds.max(1)).to_string(),
            ]);
        }
    }
    report.say("### Decisions");
    report.say(&format!(
        "`plan::decide` on one thread; median of {SAMPLES} samples of {} ms.",
        SAMPLE.as_millis()
    ));
    report.table(&["state", "members", "decision", "ns", "decisions a second"], &rows);
}

/// The median time of one decision.
fn nanoseconds(world: &World) -> u64 {
    let now = worlds::now();
    let mut count = 1;
    loop {
        let took = sample(world, now, count);
        if took >= SAMPLE {
            break;
        }
        count *= 2;
    }
    let samples: Vec<_> =
        (0..SAMPLES).map(|_| sample(world, now, count).as_nanos() as u64 / u64::from(count)).collect();
    quantile(&samples, 0.5)
}

fn sample(world: &World, now: jiff::Timestamp, count: u32) -> Duration {
    let began = Instant::now();
    for _ in 0..count {
        black_box(decide(black_box(world), black_box(now)));
    }
    began.elapsed()
}

/// What was decided, so that a reader sees that the state is what its name says.
fn brief(decision: &Decision) -> String {
    match decision {
        Decision::Settled => "settled".into(),
        Decision::Wait { .. } => "wait".into(),
        Decision::Act { steps, .. } => format!("{} × {}", steps[0].kind(), steps.len()),
    }
}
