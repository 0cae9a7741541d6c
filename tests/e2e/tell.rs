//! What a load met, printed, and what is promised of it.

use std::time::Duration;

use crate::common::{SECONDS, load::Outcome};

/// Prints what a load met while something was lost or taken; whatever that was, no acknowledged write may be gone.
pub fn unplanned(what: &str, took: Duration, outcome: &Outcome) {
    println!("{what}: {:.1} s, {outcome}", took.as_secs_f64());
    nothing_lost(what, outcome);
    outcome.assert_most_acknowledged(what);
}

/// The same for what takes all members away for longer than the rest of the load lasts: it has to be let in again.
pub fn interrupted(what: &str, took: Duration, outcome: &Outcome) {
    println!("{what}: {:.1} s, {outcome}", took.as_secs_f64());
    nothing_lost(what, outcome);
    let silent = outcome.silent_at_the_end();
    assert!(outcome.acknowledged() > 0, "{what}: no put was acknowledged");
    assert!(
        silent <= SECONDS(2) + outcome.held_up,
        "{what}: no put was acknowledged in the last {silent:.1?}"
    );
}

/// The same for a planned change, in which no put fails after a retry where the machine has time: one in 500 may. The
/// gap is printed only.
pub fn planned(what: &str, outcome: &Outcome) {
    println!("{what}: {outcome}");
    nothing_lost(what, outcome);
    outcome.assert_most_acknowledged(what);
    assert!(outcome.failed <= outcome.puts / 500, "{what}: {} puts failed after a retry", outcome.failed);
}

fn nothing_lost(what: &str, outcome: &Outcome) {
    assert_eq!(outcome.lost, 0, "{what}: acknowledged writes are gone");
}
