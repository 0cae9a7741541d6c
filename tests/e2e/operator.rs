//! The operator's own process on this node: what it counts, and what it uses.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use crate::kubectl::{Namespace, program};

/// The namespace of the operator.
const SYSTEM: &str = "quorate-system";

/// Calls to the API server by verb and resource, as the replica that leads counted them since it started.
pub fn calls(kubectl: &Namespace) -> BTreeMap<(String, String), u64> {
    let mut calls = BTreeMap::new();
    for line in lines(&metrics(kubectl), "quorate_kubernetes_calls_total{") {
        let of = (label(line, "verb").unwrap(), label(line, "kind").unwrap());
        *calls.entry(of).or_default() += count(line);
    }
    calls
}

/// How often any member was asked by a call of this kind, as the replica that leads counted it since it started.
pub fn asked(kubectl: &Namespace, call: &str) -> u64 {
    let metrics = metrics(kubectl);
    let all = lines(&metrics, "quorate_etcd_request_duration_seconds_count{");
    all.filter(|line| label(line, "call").as_deref() == Some(call)).map(count).sum()
}

fn lines<'m>(metrics: &'m str, beginning: &'m str) -> impl Iterator<Item = &'m str> {
    metrics.lines().filter(move |line| line.starts_with(beginning))
}

fn label(line: &str, name: &str) -> Option<String> {
    let rest = line.split(&format!("{name}=\"")).nth(1)?;
    rest.split('"').next().map(str::to_owned)
}

fn count(line: &str) -> u64 {
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// What was counted between two looks.
pub fn between(
    before: &BTreeMap<(String, String), u64>,
    after: &BTreeMap<(String, String), u64>,
) -> BTreeMap<(String, String), u64> {
    let grown = |(key, count): (&(String, String), &u64)| {
        let count = count - before.get(key).copied().unwrap_or_default();
        (count > 0).then(|| (key.clone(), count))
    };
    after.iter().filter_map(grown).collect()
}

/// How many of these calls change something; renewals of the Lease are left out.
pub fn mutating(calls: &BTreeMap<(String, String), u64>) -> u64 {
    let changes = |verb: &str| !["get", "list", "watch"].contains(&verb);
    calls.iter().filter(|((verb, kind), _)| changes(verb) && kind != "leases").map(|(_, count)| count).sum()
}

/// Starts all replicas anew, and waits until they are there.
pub fn restart() {
    let kubectl = |args: &[&str]| {
        let output = Command::new(program()).args(["--namespace", SYSTEM]).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    kubectl(&["rollout", "restart", "deployment/quorate"]);
    kubectl(&["rollout", "status", "deployment/quorate", "--timeout=120s"]);
    // The Pods that were replaced have a while to end.
    kubectl(&["wait", "--for=jsonpath={.status.replicas}=2", "--timeout=60s", "deployment/quorate"]);
}

/// The metrics of the replica that leads.
pub fn metrics(kubectl: &Namespace) -> String {
    let pods = kubectl.must(
        &["get", "pods", "--namespace", SYSTEM, "--selector=app.kubernetes.io/name=quorate", "--output=name"],
        "",
    );
    for pod in pods.lines() {
        let pod = pod.trim_start_matches("pod/");
        let path = format!("/api/v1/namespaces/{SYSTEM}/pods/{pod}:9180/proxy/metrics");
        let said = kubectl.run(&["get", "--raw", &path], "");
        if said.ok && said.out.contains("\nquorate_leader 1") {
            return said.out;
        }
    }
    panic!("no replica of the operator leads: {pods}");
}

/// What a process of the operator used.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// The most memory it ever had, in KiB.
    pub peak: u64,
    /// Processor time since its start, in hundredths of a second.
    pub ticks: u64,
}

/// What the busiest of the operator's processes on this machine used: that of the replica that leads.
pub fn used() -> Used {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let all = processes.filter_map(|process| of(&process));
    all.max_by_key(|used| used.ticks).expect("the operator runs on this machine")
}

fn of(process: &Path) -> Option<Used> {
    let command = fs::read(process.join("cmdline")).ok()?;
    if !command.starts_with(b"/quorate\0operator") {
        return None;
    }
    let status = fs::read_to_string(process.join("status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    Some(Used {
        peak: peak.trim().trim_end_matches(" kB").trim().parse().ok()?,
        ticks: fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?,
    })
}
