//! What a load met, printed, and what is promised of it.

use std::time::Duration;

use crate::common::load::Outcome;

/// Prints what a load met while something was lost or taken; whatever that was, no acknowledged write may be gone.
pub fn unplanned(what: &str, took: Duration, outcome: &Outcome) {
    println!(
        "{what}: {:.1} s, {} puts, gap {} ms, first tries failed {}, after a retry {}, lost {}",
        took.as_secs_f64(),
        outcome.puts,
        outcome.longest_gap().as_millis(),
        outcome.first_failed,
        outcome.failed,
        outcome.lost
    );
    assert_eq!(outcome.lost, 0, "{what}: acknowledged writes are gone");
}

/// The same for a planned change, in which no put fails after a retry where the machine has time: one in 500 may. The
/// gap is printed only.
pub fn planned(what: &str, outcome: &Outcome) {
    let (gap, puts) = (outcome.longest_gap(), outcome.puts);
    println!(
        "{what}: {puts} puts, gap {} ms, first tries failed {}, after a retry {}, lost {}",
        gap.as_millis(),
        outcome.first_failed,
        outcome.failed,
        outcome.lost
    );
    assert_eq!(outcome.lost, 0, "{what}: acknowledged writes are gone");
    assert!(outcome.failed <= puts / 500, "{what}: {} puts failed after a retry", outcome.failed);
}
