//! What came of one kind of event under load, over all its runs.

use std::time::Duration;

use super::{
    common::{load::Outcome, up::Up, watch::Watch},
    report::{ms, quantile, several},
};

/// Puts a second.
pub const RATE: u32 = 200;

/// All runs of one row.
#[derive(Default)]
pub struct Tally {
    pub took: Vec<Duration>,
    pub gaps: Vec<Duration>,
    pub puts: usize,
    pub first_failed: usize,
    pub failed: usize,
    pub lost: usize,
    prices: Vec<Price>,
}

/// What a change cost the cluster.
#[derive(Clone, Copy)]
pub struct Price {
    /// By how much the raft term rose.
    pub terms: i64,
    /// The fewest members that called themselves ready at once.
    pub ready: i64,
}

/// Watches what a change costs.
pub struct Till {
    watch: Watch,
    term: Option<i64>,
}

impl Till {
    pub fn open(up: &Up) -> Self {
        Self { watch: Watch::begin(up), term: up.status().term }
    }

    pub fn close(self, up: &Up) -> Price {
        let terms = up.status().term.zip(self.term).map_or(0, |(now, before)| now - before);
        Price { terms, ready: self.watch.lowest().own }
    }
}

impl Tally {
    /// Adds one run.
    pub fn add(&mut self, took: Duration, outcome: &Outcome, price: Price) {
        self.took.push(took);
        self.prices.push(price);
        self.gaps.extend(outcome.gaps());
        self.puts += outcome.puts;
        self.first_failed += outcome.first_failed;
        self.failed += outcome.failed;
        self.lost += outcome.lost;
    }

    /// The longest time without an acknowledged put, of all runs.
    pub fn longest(&self) -> Duration {
        self.gaps.iter().max().copied().unwrap_or_default()
    }

    /// What [`HEAD`] names, beside what it is without any change.
    pub fn row(&self, name: &str, baseline: &Self) -> Vec<String> {
        let beside = |own: Duration, quiet: Duration| {
            format!("{} ({:.1}×)", ms(own), own.as_secs_f64() / quiet.as_secs_f64().max(1e-6))
        };
        let at = |part| beside(quantile(&self.gaps, part), quantile(&baseline.gaps, part));
        let worst = |of: fn(&Price) -> i64| self.prices.iter().map(of).min().unwrap_or_default();
        vec![
            name.to_owned(),
            several(&self.took),
            at(0.5),
            at(0.99),
            beside(self.longest(), baseline.longest()),
            self.puts.to_string(),
            format!("{} / {}", self.first_failed, self.failed),
            self.lost.to_string(),
            format!("+{}", -worst(|price| -price.terms)),
            worst(|price| price.ready).to_string(),
        ]
    }
}

/// The columns of [`Tally::row`], after the first.
pub const HEAD: [&str; 9] = [
    "took",
    "gap p50",
    "gap p99",
    "longest gap",
    "puts",
    "failed: first try / after one retry",
    "lost",
    "raft term",
    "fewest ready",
];
