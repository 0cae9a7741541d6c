//! What the operator takes on Kubernetes when it looks after many clusters, and how soon it follows an edit.
//!
//! etcd and kube-apiserver are real and the benchmark's own, and so is the operator. What would be a kubelet, a
//! provisioner, guards and etcd members is acted by this program: 300 clusters of three members need no 900 processes
//! then, and every answer comes at once, so that what is measured is the operator's own part.
//!
//! ```text
//! cargo bench --bench many_clusters             # 1, 100 and 300 clusters: about eight minutes
//! cargo bench --bench many_clusters -- 1 50     # other numbers of clusters
//! QUORATE_BENCH_REPORT=report.md                # a file that gets the output too
//! QUORATE_BENCH_PROGRAM=…/quorate               # another program than the one built for this, such as that of an image
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a measurement says that there is nothing to measure"
)]

mod edits;
mod etcd;
mod figures;
mod kubelet;
mod messages;
mod operator;
mod pods;
#[path = "../report/mod.rs"]
mod report;
mod scale;
mod seen;
mod serve;
mod server;

use report::{Report, busy::busy};
use rustix::process::{Resource, getrlimit, setrlimit};
use server::Programs;

/// Where everything is.
const NAMESPACE: &str = "many";
/// How many clusters there are, one after another, if nobody says.
const SCALES: [usize; 3] = [1, 100, 300];

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|one| one == "--bench") {
        println!("this measures for minutes: run it with `cargo bench`");
        return;
    }
    let mut report = Report::open();
    report.say("### Many clusters on Kubernetes");
    let programs = match Programs::find() {
        Ok(programs) => programs,
        Err(why) => return report.say(&format!("not measured: {why}")),
    };
    let mut scales: Vec<usize> = arguments.iter().filter_map(|one| one.parse().ok()).collect();
    if scales.is_empty() {
        scales.extend(SCALES);
    }
    allow_many_connections();
    report.say(&format!(
        "One operator, and an etcd and a kube-apiserver of the benchmark's own, without fsync, on the same machine; \
         kubelet, guards and three members a cluster are acted. Before: {}.",
        busy()
    ));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut measured = Vec::new();
    for count in scales {
        eprintln!("{count} cluster(s) …");
        // In a thread, so that one number of clusters that comes to nothing does not take the others with it.
        let run = || runtime.block_on(scale::measure(&programs, count));
        match std::thread::scope(|scope| scope.spawn(run).join()) {
            Ok(one) => measured.push(one),
            Err(_) => report.say(&format!("{count} cluster(s): not measured, see the standard error.")),
        }
    }
    figures::tell(&mut report, &measured);
    report.say(&format!("At the end: {}.", busy()));
}

/// A member takes three connections on either side, and four sockets that listen.
fn allow_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit });
}
