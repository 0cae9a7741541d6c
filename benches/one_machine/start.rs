//! From `quorate up` in a fresh folder to three ready members, and which part of it is etcd's first election.

use std::{fs, time::Duration};

use jiff::Timestamp;
use quorate::plan::elapsed;

use super::{
    budget::Budget,
    common::{etcd::Binary, up::Up},
    machine,
    report::{Report, quantile, s},
};

/// Enough to see both the quick and the slow starts: they fall into groups.
const RUNS: usize = 10;
/// A member that was not elected stands again after ten to twenty ticks of 100 ms. An election that took longer than
/// nine was split: nobody won the first time.
const SPLIT: Duration = Duration::from_millis(900);

/// One start: the whole, and its parts by the members' logs.
struct Start {
    whole: Duration,
    /// Until the first member stands for election.
    stands: Duration,
    /// From then until one has won.
    election: Duration,
    /// From then until the status says that all three are ready.
    ready: Duration,
}

pub fn measure(report: &mut Report, versions: &[Binary], budget: &mut Budget) {
    report.say("### From `quorate up` to three ready members");
    report.say(&format!(
        "{RUNS} runs, each in a fresh folder; the parts are medians with the longest in brackets, by the members' own \
         logs. Before: {}.",
        machine::busy()
    ));
    let mut rows = Vec::new();
    for binary in versions {
        let mut starts: Vec<_> = (0..RUNS).map(|_| once(binary)).collect();
        starts.sort_by_key(|start| start.whole);
        let times = |of: fn(&Start) -> Duration| starts.iter().map(of).collect::<Vec<_>>();
        let part = |of| format!("{} ({})", s(quantile(&times(of), 0.5)), s(quantile(&times(of), 1.0)));
        let whole = times(|start| start.whole);
        let all: Vec<_> = whole.iter().map(|time| format!("{:.1}", time.as_secs_f64())).collect();
        rows.push(vec![
            binary.version.to_string(),
            s(quantile(&whole, 0.5)),
            format!("{} – {}", s(whole[0]), s(whole[RUNS - 1])),
            part(|start| start.stands),
            part(|start| start.election),
            part(|start| start.ready),
            starts.iter().filter(|start| start.election > SPLIT).count().to_string(),
            all.join(" "),
        ]);
        budget.three_ready.extend(whole);
    }
    let head = [
        "etcd",
        "median",
        "range",
        "until a member stands",
        "election",
        "leader until ready",
        "split elections",
        "all, in seconds",
    ];
    report.table(&head, &rows);
}

fn once(binary: &Binary) -> Start {
    let mut up = Up::prepare(binary, 3);
    let began = Timestamp::now();
    up.run();
    up.wait_ready(3);
    let ready = Timestamp::now();
    let logs = up.names().into_iter().map(|name| up.member_dir(&name).join("etcd.log"));
    let text: String = logs.map(|path| fs::read_to_string(path).unwrap()).collect();
    let first = |words| text.lines().filter(|line| line.contains(words)).map(time).min().expect(words);
    let (stood, won) = (first(" is starting a new election at term "), first(" became leader at term "));
    Start {
        whole: elapsed(began, ready),
        stands: elapsed(began, stood),
        election: elapsed(stood, won),
        ready: elapsed(won, ready),
    }
}

/// The time of a line of etcd's log.
fn time(line: &str) -> Timestamp {
    let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    line["ts"].as_str().and_then(|ts| ts.parse().ok()).expect("a line with its time")
}
