//! The decisions over time: a model of etcd's membership and of a platform, driven by seeds through faults and edits,
//! with the invariants asserted after every step. See `docs/simulator.md`.
//!
//! `QUORATE_SIM_SEED=1234 cargo test --test simulator` replays one seed with its trace; `QUORATE_SIM_SEEDS=n` sets how
//! many are run, `QUORATE_SIM_MUTATION=name` which mutation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this is a test, and failing is how a test says that something is wrong"
)]

mod certificates;
mod coverage;
mod effects;
mod ends;
mod etcd;
mod faults;
mod invariants;
mod log;
mod minors;
mod model;
mod mutations;
mod operator;
mod page;
mod rng;
mod run;
mod snapshots;
mod trust;
mod versions;

use std::{
    env,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use coverage::Coverage;
use mutations::{Mutation, TABLE};

/// Each run takes the same ones: every mutation is caught within the first five hundred of them, and all that has to happen
/// does within the first thousand. Whoever looks for what is rarer names more.
const SEEDS: u64 = 1_500;
/// How many seeds a mutation has to be caught within.
const MUTANT_SEEDS: u64 = 3_000;

fn number(variable: &str) -> Option<u64> {
    env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// Runs `0..seeds` on all cores, and stops soon after the first failure.
fn all(seeds: u64, mutation: Option<(Mutation, &str)>) -> Result<Coverage, Box<run::Failure>> {
    let (next, found) = (AtomicU64::new(0), Mutex::new((Coverage::default(), None)));
    let worker = || {
        let mut cover = Coverage::default();
        let mut failure = None;
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                break;
            }
            match run::seed(seed, mutation, false) {
                Ok(one) => cover.merge(&one),
                Err(one) => {
                    next.store(seeds, Ordering::Relaxed);
                    failure = Some(one);
                    break;
                }
            }
        }
        let mut found = found.lock().unwrap();
        found.0.merge(&cover);
        if failure.is_some() {
            found.1 = failure;
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(worker);
        }
    });
    let (cover, failure) = found.into_inner().unwrap();
    failure.map_or(Ok(cover), Err)
}

#[test]
fn the_invariants_hold_for_every_seed() {
    if let Some(seed) = number("QUORATE_SIM_SEED") {
        if let Err(failure) = run::seed(seed, None, true) {
            panic!("{}", failure.report());
        }
        return;
    }
    let seeds = number("QUORATE_SIM_SEEDS").unwrap_or(SEEDS);
    let start = Instant::now();
    let cover = all(seeds, None).unwrap_or_else(|failure| panic!("{}", failure.report()));
    let seconds = start.elapsed().as_secs_f64();
    let rate = seeds as f64 / seconds;
    let (steps, passes, longest) = (cover.steps, cover.passes, cover.longest / 1000);
    println!(
        "simulator: {seeds} seeds, {passes} passes, {steps} steps in {seconds:.1} s ({rate:.0} seeds/s); at rest {longest} s after the last fault at the latest"
    );
    println!("simulator: {cover}");
    let missing = cover.missing();
    assert!(seeds < 1000 || missing.is_empty(), "never happened: {missing:?}");
}

/// A broken rule has to break an invariant, or the simulator proves nothing about that rule.
#[test]
fn every_mutation_is_caught() {
    if number("QUORATE_SIM_SEED").is_some() {
        return;
    }
    let mut wrong = Vec::new();
    let only = env::var("QUORATE_SIM_MUTATION").ok();
    let chosen = |name: &Mutation| only.as_ref().is_none_or(|only| *only == format!("{name:?}"));
    for (mutation, invariant) in TABLE.iter().filter(|row| chosen(&row.0)) {
        match all(MUTANT_SEEDS, Some((*mutation, invariant))) {
            Ok(_) => wrong.push(format!("{mutation:?} never breaks \"{invariant}\"")),
            Err(failure) => println!("simulator: {mutation:?} -> \"{invariant}\" at seed {}", failure.seed),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
