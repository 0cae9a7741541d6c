//! What was measured, as tables, and beside it what is promised.

use std::time::Duration;

use super::{
    report::{Report, ms, process::mib, quantile, s},
    scale::{IDLE, Measured},
};

/// The most memory of an operator that looks after so many clusters, or fewer.
const MEMORY: [(usize, u64); 2] = [(1, 16 * 1024), (300, 40 * 1024)];
/// From an edit to the first write, p99, with 300 clusters or fewer.
const FOLLOWED: Duration = Duration::from_millis(250);

/// All tables.
pub fn tell(report: &mut Report, all: &[Measured]) {
    let head: Vec<_> = all.iter().map(|one| format!("{} cluster(s)", one.clusters)).collect();
    let head =
        |first: &'static str| [first].into_iter().chain(head.iter().map(String::as_str)).collect::<Vec<_>>();
    report.table(&head("the operator"), &operator(all));
    report.say(&format!(
        "Idle is {} s in which nobody changes anything. VmHWM is the most memory that was ever resident, VmRSS what is.",
        IDLE.as_secs()
    ));
    report.table(&head("from an edit to the first write, p50 / p99 (n)"), &edits(all));
    report.say(
        "One edit after another, from before it is sent until the benchmark's own watch shows what the operator wrote: \
         the API server's time for both writes is in it, and the first row is that of one write.",
    );
    report.table(&["promise", "no more than", "measured", "ratio", "holds"], &budget(all));
}

fn operator(all: &[Measured]) -> Vec<Vec<String>> {
    let row = |name: &str, of: &dyn Fn(&Measured) -> String| {
        [name.to_owned()].into_iter().chain(all.iter().map(of)).collect::<Vec<_>>()
    };
    let each = |count: u64, one: &Measured| format!("{:.1}", count as f64 / one.clusters as f64);
    vec![
        row("all applied at once, until all are Available", &|one| s(one.available)),
        row("until all are Ready", &|one| s(one.ready)),
        row("writes for that, a cluster", &|one| each(one.making.writes, one)),
        row("reads for that, a cluster", &|one| each(one.making.reads, one)),
        row("passes for that, a cluster", &|one| each(one.making.passes, one)),
        row("CPU for that", &|one| format!("{:.2} s", one.making.cpu)),
        row("VmHWM after that", &|one| mib(one.made_kib)),
        row("idle: writes", &|one| one.idle.writes.to_string()),
        row("idle: reads", &|one| one.idle.reads.to_string()),
        row("idle: passes", &|one| one.idle.passes.to_string()),
        row("idle: calls to etcd", &|one| one.idle.etcd_calls.to_string()),
        row("idle: CPU", &|one| {
            format!("{:.2} s, {:.1} % of a core", one.idle.cpu, 100.0 * one.idle.cpu / IDLE.as_secs_f64())
        }),
        row("idle: VmRSS", &|one| mib(one.resident_kib)),
        row("idle: VmHWM", &|one| mib(one.peak_kib)),
        row("idle: open files and connections", &|one| one.open_files.to_string()),
        row("VmHWM after all edits", &|one| mib(one.edited_kib)),
    ]
}

fn edits(all: &[Measured]) -> Vec<Vec<String>> {
    let Some(first) = all.first() else { return Vec::new() };
    let cell = |times: &[Duration]| {
        format!("{} / {} ({})", ms(quantile(times, 0.5)), ms(quantile(times, 0.99)), times.len())
    };
    let row = |(at, (name, _)): (usize, &(&'static str, Vec<Duration>))| {
        [(*name).to_owned()].into_iter().chain(all.iter().map(|one| cell(&one.edits[at].1))).collect()
    };
    first.edits.iter().enumerate().map(row).collect()
}

fn budget(all: &[Measured]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |promise: String, bound: String, measured: String, ratio: f64| {
        let verdict = if ratio <= 1.0 { "yes" } else { "**no**" };
        rows.push(vec![promise, bound, measured, format!("{ratio:.2}"), verdict.to_owned()]);
    };
    for one in all {
        let clusters = one.clusters;
        if let Some((_, bound)) = MEMORY.iter().find(|(most, _)| clusters <= *most) {
            let ratio = one.edited_kib as f64 / *bound as f64;
            row(format!("memory (VmHWM), {clusters} cluster(s)"), mib(*bound), mib(one.edited_kib), ratio);
        }
        let writes = one.idle.writes;
        let ratio = if writes == 0 { 0.0 } else { f64::INFINITY };
        row(format!("writes while idle, {clusters} cluster(s)"), "0".into(), writes.to_string(), ratio);
        for (name, times) in &one.edits[1..] {
            let slow = quantile(times, 0.99);
            let ratio = slow.as_secs_f64() / FOLLOWED.as_secs_f64();
            row(format!("{name}, p99, {clusters} cluster(s)"), ms(FOLLOWED), ms(slow), ratio);
        }
    }
    rows
}
