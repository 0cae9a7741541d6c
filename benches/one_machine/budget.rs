//! What is promised, beside what was measured.

use std::time::Duration;

use super::{
    report::{Report, ms, process::mib, s},
    tally::Tally,
};

/// The worst of everything that a promise is about, from all versions.
#[derive(Default)]
pub struct Budget {
    pub three_ready: Vec<Duration>,
    pub baseline: Vec<Tally>,
    pub planned: Vec<Tally>,
    pub lost: usize,
    pub replaced: Vec<Duration>,
    pub idle_cpu: Vec<f64>,
    pub idle_kib: Vec<u64>,
    pub peak_kib: Vec<u64>,
}

const THREE_READY: Duration = Duration::from_secs(5);
const GAP: Duration = Duration::from_millis(250);
const PUTS_PER_FAILED_TRY: usize = 500;
const REPLACED: Duration = Duration::from_secs(20);
const MEMORY_KIB: u64 = 16 * 1024;
const IDLE_PERCENT: f64 = 1.0;

impl Budget {
    /// The table of promises. Sections that did not run have no line in it.
    pub fn compare(&self, report: &mut Report) {
        let mut rows = Vec::new();
        let mut row = |promise: &str, bound: String, measured: String, holds: bool| {
            let verdict = if holds { "yes" } else { "**no**" };
            rows.push(vec![promise.to_owned(), bound, measured, verdict.to_owned()]);
        };
        if let Some(slowest) = self.three_ready.iter().max() {
            let within = self.three_ready.iter().filter(|time| **time <= THREE_READY).count();
            let measured = format!("{}; {within} of {} runs within", s(*slowest), self.three_ready.len());
            row("three ready members", s(THREE_READY), measured, *slowest <= THREE_READY);
        }
        if let Some(longest) = self.planned.iter().map(Tally::longest).max() {
            let quiet = self.baseline.iter().map(Tally::longest).max().unwrap_or_default();
            let measured = format!("{}; {} without any change", ms(longest), ms(quiet));
            row("gap in a planned change", ms(GAP), measured, longest <= GAP);
            let sum = |of: fn(&Tally) -> usize| self.planned.iter().map(of).sum::<usize>();
            let (puts, first, failed) = (sum(|t| t.puts), sum(|t| t.first_failed), sum(|t| t.failed));
            // Tens of changes of a few seconds each: the sum is what a client sees, the worst is told beside it.
            let worst = self.planned.iter().max_by_key(|t| t.first_failed * 1_000_000 / t.puts.max(1));
            let worst = worst.map(|t| format!("{} in {}", t.first_failed, t.puts)).unwrap_or_default();
            row(
                "first tries that fail, over all planned changes",
                format!("1 in {PUTS_PER_FAILED_TRY}"),
                format!("{first} in {puts}; worst change {worst}"),
                first * PUTS_PER_FAILED_TRY <= puts,
            );
            row("failed after one retry in planned changes", "0".into(), failed.to_string(), failed == 0);
        }
        if !self.planned.is_empty() || !self.replaced.is_empty() {
            let lost = self.lost + self.planned.iter().map(|tally| tally.lost).sum::<usize>();
            row("acknowledged writes lost", "0".into(), lost.to_string(), lost == 0);
        }
        if let Some(slowest) = self.replaced.iter().max() {
            row("a lost member replaced", s(REPLACED), s(*slowest), *slowest <= REPLACED);
        }
        if let (Some(idle), Some(peak)) = (self.idle_kib.iter().max(), self.peak_kib.iter().max()) {
            row("memory of `up`, idle", mib(MEMORY_KIB), mib(*idle), *idle <= MEMORY_KIB);
            row("memory of `up` after 3 → 7 → 3", mib(MEMORY_KIB), mib(*peak), *peak <= MEMORY_KIB);
            let cpu = self.idle_cpu.iter().copied().fold(0.0, f64::max);
            row(
                "CPU of `up`, idle, of one core",
                format!("{IDLE_PERCENT} %"),
                format!("{cpu:.2} %"),
                cpu <= IDLE_PERCENT,
            );
        }
        report.say("### Budgets");
        report.say("The worst of all versions and runs above.");
        report.table(&["promise", "no more than", "measured", "holds"], &rows);
    }
}
