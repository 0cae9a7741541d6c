//! From `quorate up` in a fresh folder to three ready members.

use std::time::{Duration, Instant};

use super::{
    budget::Budget,
    common::{etcd::Binary, up::Up},
    machine,
    report::{Report, quantile, s},
};

/// Enough to meet a split first election, which is what makes the slow ones slow.
const RUNS: usize = 10;
/// A start slower than the fastest by this much met a split election: etcd elects again after one to two seconds.
const SPLIT: Duration = Duration::from_millis(900);

pub fn measure(report: &mut Report, versions: &[Binary], budget: &mut Budget) {
    report.say("### From `quorate up` to three ready members");
    report.say(&format!("{RUNS} runs, each in a fresh folder. Before: {}.", machine::busy()));
    let mut rows = Vec::new();
    for binary in versions {
        let mut times: Vec<_> = (0..RUNS).map(|_| once(binary)).collect();
        times.sort_unstable();
        let (fast, slow): (Vec<_>, Vec<_>) = times.iter().partition(|time| **time < times[0] + SPLIT);
        let of = |group: &[Duration]| match group.len() {
            0 => "none".to_owned(),
            count => format!("{count}, median {}", s(quantile(group, 0.5))),
        };
        let all: Vec<_> = times.iter().map(|time| format!("{:.1}", time.as_secs_f64())).collect();
        rows.push(vec![
            binary.version.to_string(),
            s(quantile(&times, 0.5)),
            format!("{} – {}", s(times[0]), s(times[RUNS - 1])),
            of(&fast),
            of(&slow),
            all.join(" "),
        ]);
        budget.three_ready.extend(times);
    }
    let head = ["etcd", "median", "range", "elected at once", "first election split", "all, in seconds"];
    report.table(&head, &rows);
}

fn once(binary: &Binary) -> Duration {
    let mut up = Up::prepare(binary, 3);
    let began = Instant::now();
    up.run();
    up.wait_ready(3);
    began.elapsed()
}
