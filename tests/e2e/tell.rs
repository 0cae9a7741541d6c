//! What a load met, printed, and what is promised of it.

use std::time::Duration;

use crate::common::load::Outcome;

/// Prints what a load met while something was lost or taken; whatever that was, no acknowledged write may be gone.
pub fn unplanned(what: &str, took: Duration, outcome: &Outcome) {
    println!("{what}: {:.1} s, {outcome}", took.as_secs_f64());
    assert_eq!(outcome.lost, 0, "{what}: acknowledged writes are gone");
}

/// The same for a planned change, in which no put fails after a retry where the machine has time: one in 500 may. The
/// gap is printed only.
pub fn planned(what: &str, outcome: &Outcome) {
    println!("{what}: {outcome}");
    assert_eq!(outcome.lost, 0, "{what}: acknowledged writes are gone");
    assert!(outcome.failed <= outcome.puts / 500, "{what}: {} puts failed after a retry", outcome.failed);
}
