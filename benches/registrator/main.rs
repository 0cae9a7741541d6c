//! What the registrator costs and how fast it is, beside gliderlabs/registrator: a scripted engine on a unix socket and
//! a real etcd without fsync, as the original was measured.
//!
//! `QUORATE_REGISTRATOR` names another program to measure than the one that was built for the benchmark.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a measurement says that there is nothing to measure"
)]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../report/mod.rs"]
mod report;
#[path = "../../tests/registrator/stage/mod.rs"]
mod stage;

use std::time::{Duration, Instant};

use common::etcd::{Cluster, binary};
use quorate::plan::version::Minor;
use report::{Report, ms, quantile, s};
use stage::{
    engine::{Engine, Run, id_of},
    eventually,
    program::Program,
    registry::{Registry, Watcher},
};

const PREFIX: &str = "/registrator/";
const LONG: Duration = Duration::from_secs(60);

struct Bench {
    // First, so that it ends before the folder with its log goes.
    program: Option<Program>,
    engine: Engine,
    registry: Registry,
    etcd: Cluster,
}

impl Bench {
    async fn set() -> Self {
        let etcd = Cluster::start(&binary(Minor::V3_6), 1, &[]);
        let registry = Registry::connect(&etcd.members[0].client_url).await;
        Self { program: None, engine: Engine::start(etcd.folder.path()), registry, etcd }
    }

    /// Starts the program with so many containers running; how long until all keys are there.
    async fn start(&mut self, containers: usize) -> Duration {
        for number in 0..containers {
            self.engine.put(&Run::new(&format!("base{number}"), 8000));
        }
        let named = std::env::var("QUORATE_REGISTRATOR").ok();
        let program = named.as_deref().unwrap_or(env!("CARGO_BIN_EXE_quorate-registrator"));
        let uri =
            format!("etcd://{}/registrator", self.etcd.members[0].client_url.trim_start_matches("http://"));
        let began = Instant::now();
        self.program =
            Some(Program::start(program, self.etcd.folder.path(), &self.engine.host(), &[&uri], &[]));
        let there = async || {
            let options = etcd_client::GetOptions::new().with_prefix().with_count_only();
            let found = self.registry.client.kv_client().get(PREFIX, Some(options)).await.unwrap();
            found.count() == containers as i64
        };
        eventually("all keys", LONG, there).await;
        let took = began.elapsed();
        // The events have to be subscribed to; the second look after that is part of a start.
        tokio::time::sleep(Duration::from_secs(1)).await;
        took
    }

    fn memory(&self) -> String {
        format!("{:.1} MiB", self.program.as_ref().unwrap().memory("VmHWM") as f64 / 1024.0)
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut report = Report::open();
    report.say("### The registrator");
    report.say(
        "Scripted engine on a unix socket, etcd 3.6.16 without fsync, all on one machine. \"Original\" is \
         gliderlabs/registrator 7.4.0 with etcd 3.5 and its v2 API, measured in the same way on the same machine.",
    );
    sizes(&mut report).await;
    latency(&mut report).await;
    bursts(&mut report).await;
}

async fn sizes(report: &mut Report) {
    let mut rows = Vec::new();
    for (containers, time, memory) in [
        (10, "0.06 s", "11.1 MB"),
        (100, "0.16 to 0.26 s", "15.4 MB"),
        (1000, "1.8 to 2.0 s", "30.5 to 31.7 MB"),
    ] {
        let mut bench = Bench::set().await;
        let took = bench.start(containers).await;
        let row = [
            containers.to_string(),
            format!("{:.2} s", took.as_secs_f64()),
            time.into(),
            bench.memory(),
            memory.into(),
        ];
        rows.push(row.to_vec());
    }
    report.table(&["containers", "first sync", "original", "memory (VmHWM)", "original"], &rows);
}

async fn latency(report: &mut Report) {
    let mut rows = Vec::new();
    for (rate, count, start, die) in [
        (5, 150, "2.8 / 11.6 ms, lost 0", "1.9 / 26 ms, ghosts 0"),
        (20, 500, "2.7 / 57 ms, lost 2", "1.9 / 18 ms, ghosts 1"),
    ] {
        let mut bench = Bench::set().await;
        bench.start(100).await;
        let watcher = bench.registry.watch(PREFIX).await;
        let pause = Duration::from_secs(1) / rate;
        let name = |number: usize| format!("c{number}");
        let starts =
            timed(&watcher, count, pause, |number| bench.engine.run(&Run::new(&name(number), 9000))).await;
        let dies = timed(&watcher, count, pause, |number| bench.engine.die(&id_of(&name(number)), 0)).await;
        for (what, (times, lost), original) in [("start → key", starts, start), ("die → key gone", dies, die)]
        {
            let figures = [0.5, 0.99].map(|part| ms(quantile(&times, part)));
            let most = ms(quantile(&times, 1.0));
            rows.push(vec![
                format!("{what}, {rate}/s"),
                figures[0].clone(),
                figures[1].clone(),
                most,
                lost.to_string(),
                original.into(),
            ]);
        }
    }
    report.table(&["event to key", "p50", "p99", "most", "lost", "original: p50 / p99"], &rows);
}

/// Does something again and again, and says how long each took to be seen, and how many never were.
async fn timed(
    watcher: &Watcher,
    count: usize,
    pause: Duration,
    act: impl Fn(usize),
) -> (Vec<Duration>, usize) {
    let before = watcher.changes().len();
    let mut acted = Vec::new();
    let mut next = tokio::time::Instant::now();
    for number in 0..count {
        next += pause;
        tokio::time::sleep_until(next).await;
        acted.push(Instant::now());
        act(number);
    }
    let limit = Instant::now() + Duration::from_secs(5);
    while watcher.changes().len() < before + count && Instant::now() < limit {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seen = watcher.changes();
    let times: Vec<Duration> = seen[before..]
        .iter()
        .filter_map(|change| {
            let number: usize = change.key.split(':').nth(1)?.strip_prefix('c')?.parse().ok()?;
            Some(change.at.saturating_duration_since(*acted.get(number)?))
        })
        .collect();
    let lost = count - times.len();
    (times, lost)
}

/// 20 starts and 20 stops a second for 30 s.
async fn bursts(report: &mut Report) {
    let mut rows = Vec::new();
    for (staying, original) in [(100, "missing 22, ghosts 79"), (1000, "missing 203, ghosts 179")] {
        let mut bench = Bench::set().await;
        bench.start(staying).await;
        let mut next = tokio::time::Instant::now();
        let rounds: usize = 30 * 20;
        for number in 0..rounds {
            next += Duration::from_millis(50);
            tokio::time::sleep_until(next).await;
            // Each stays for a second; what is told at once comes in one read.
            bench.engine.run(&Run::new(&format!("c{number}"), 9000));
            if let Some(old) = number.checked_sub(20) {
                bench.engine.die(&id_of(&format!("c{old}")), 0);
            }
        }
        let began = Instant::now();
        let wanted: Vec<String> =
            (rounds - 20..rounds).map(|number| format!("/registrator/web/host1:c{number}:80")).collect();
        let mut figures;
        loop {
            let keys = bench.registry.keys(PREFIX).await;
            let of_burst: Vec<&String> = keys.iter().filter(|key| key.contains(":c")).collect();
            let missing = wanted.iter().filter(|key| !keys.contains(key)).count() + staying
                - (keys.len() - of_burst.len());
            let ghosts = of_burst.iter().filter(|key| !wanted.contains(key)).count();
            figures = (missing, ghosts);
            if figures == (0, 0) || began.elapsed() > Duration::from_secs(1) {
                break;
            }
        }
        let (missing, ghosts) = figures;
        rows.push(vec![
            format!("{staying} staying"),
            missing.to_string(),
            ghosts.to_string(),
            s(began.elapsed()),
            bench.memory(),
            original.into(),
        ]);
    }
    report.say("20 starts and 20 stops a second for 30 s, then looked at for at most a second:");
    report.table(&["burst", "missing", "ghosts", "right after", "memory (VmHWM)", "original"], &rows);
}
