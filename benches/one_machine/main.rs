//! What `quorate up` costs and does on this machine, with real etcd of each version: starting, changes under load,
//! faults under load, memory and CPU. `make bench` runs it; nothing fails for being slow, and nothing is left out.
//!
//! ```text
//! cargo bench --bench one_machine                        # everything: about eight minutes a version
//! cargo bench --bench one_machine -- planned footprint   # some sections
//! QUORATE_BENCH_RUNS=5                                   # runs of each change and fault; 1 if absent
//! QUORATE_BENCH_REPORT=report.md                         # a file that gets the output too
//! QUORATE_TEST_ETCD=/path/etcd:/other/etcd               # the etcd programs; `make bench` names one a version
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a measurement says that there is nothing to measure"
)]

mod budget;
#[path = "../../tests/common/mod.rs"]
mod common;
mod footprint;
mod machine;
mod planned;
#[path = "../report/mod.rs"]
mod report;
mod start;
mod tally;
mod unplanned;

use common::etcd::{Binary, binaries};
use report::Report;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|one| one == "--bench") {
        // `cargo test --all-targets` starts bench programs too, and nobody means to wait for this one then.
        println!("this measures for minutes: run it with `cargo bench`");
        return;
    }
    let sections: Vec<_> = arguments.into_iter().filter(|one| !one.starts_with('-')).collect();
    let mut versions = binaries().to_vec();
    versions.sort_by_key(|one| one.version);
    let mut report = Report::open();
    let mut budget = budget::Budget::default();
    machine::describe(&mut report, &versions);
    for (name, section) in SECTIONS {
        if sections.is_empty() || sections.iter().any(|one| one == name) {
            eprintln!("section {name} …");
            section(&mut report, &versions, &mut budget);
        }
    }
    budget.compare(&mut report);
    report.say(&format!("At the end: {}.", machine::busy()));
}

type Section = fn(&mut Report, &[Binary], &mut budget::Budget);

const SECTIONS: [(&str, Section); 5] = [
    ("start", start::measure),
    ("planned", planned::measure),
    ("upgrades", planned::upgrade),
    ("unplanned", unplanned::measure),
    ("footprint", footprint::measure),
];

/// How often each change and each fault is measured.
fn runs() -> usize {
    let given = std::env::var("QUORATE_BENCH_RUNS").ok();
    given.map_or(1, |text| text.parse().expect("QUORATE_BENCH_RUNS is a number"))
}
