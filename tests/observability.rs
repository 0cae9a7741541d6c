//! What `up` tells about itself: metrics, health and log lines.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test says that it failed")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use common::{
    etcd::{binary, wait_until},
    ports::free_port,
    up::{Up, command},
};
use quorate::plan::version::Minor;
use rustix::process::Signal;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

/// Head and body of a plain GET.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// The samples of a metrics page, by name and labels; fails on what is not in the text format.
fn samples(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut described = BTreeMap::new();
    let mut samples = BTreeMap::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# ") {
            let (keyword, rest) = rest.split_once(' ').unwrap();
            let (name, text) = rest.split_once(' ').unwrap();
            assert!(!text.is_empty() && ["HELP", "TYPE"].contains(&keyword), "{line}");
            let keywords: &mut BTreeSet<_> = described.entry(name.to_owned()).or_default();
            assert!(keywords.insert(keyword.to_owned()), "twice: {line}");
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        let family = name.split('{').next().unwrap();
        assert!(family.starts_with("quorate_"), "{line}");
        let known = described.iter().any(|(name, keywords)| family.starts_with(name) && keywords.len() == 2);
        assert!(known, "no HELP and TYPE before {line}");
        assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "twice: {line}");
    }
    samples
}

#[test]
fn metrics_health_and_json_lines_of_a_cluster() {
    let mut up = Up::prepare(&binary(Minor::V3_6), 3);
    let address = format!("127.0.0.1:{}", free_port());
    up.run_with(&["--http", &address, "--log-format", "json"]);
    up.wait_ready(3);
    for path in ["/healthz", "/readyz"] {
        let (head, body) = get(&address, path);
        assert!(head.starts_with("HTTP/1.1 200") && body == "ok\n", "{path}: {head} {body}");
    }
    assert!(get(&address, "/nothing").0.starts_with("HTTP/1.1 404"));
    let metrics = || {
        let (head, body) = get(&address, "/metrics");
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/openmetrics-text"), "{head}");
        samples(&body)
    };
    let now = metrics();
    for (name, value) in [
        (r#"quorate_steps_total{step="Reserve",result="done"}"#, 3.0),
        (r#"quorate_steps_total{step="RecordFormed",result="done"}"#, 1.0),
        (r#"quorate_members{state="leader"}"#, 1.0),
        (r#"quorate_members{state="voter"}"#, 2.0),
        (r#"quorate_members{state="ready"}"#, 3.0),
        (r#"quorate_members{state="learner"}"#, 0.0),
        (r#"quorate_condition{condition="Ready"}"#, 1.0),
        ("quorate_leader_changes_total", 0.0),
        (r#"quorate_cluster_size_wanted{etcd_namespace="",etcd_cluster="demo"}"#, 3.0),
        (r#"quorate_cluster_has_leader{etcd_namespace="",etcd_cluster="demo"}"#, 1.0),
        (r#"quorate_cluster_quota_bytes{etcd_namespace="",etcd_cluster="demo"}"#, 2_147_483_648.0),
        (r#"quorate_cluster_condition{etcd_namespace="",etcd_cluster="demo",condition="QuorumLost"}"#, 0.0),
        ("quorate_failed_passes_total", 0.0),
    ] {
        assert_eq!(now.get(name), Some(&value), "{name} in {now:#?}");
    }
    for name in [
        "quorate_pass_duration_seconds_count",
        r#"quorate_etcd_request_duration_seconds_count{call="status"}"#,
        r#"quorate_etcd_request_duration_seconds_count{call="members"}"#,
    ] {
        assert!(now.get(name).is_some_and(|count| *count > 0.0), "{name} in {now:#?}");
    }

    let leader = up.leader();
    for name in ["quorate_member_ready", "quorate_member_db_size_bytes"] {
        let sample = format!(r#"{name}{{etcd_namespace="",etcd_cluster="demo",etcd_member="{leader}"}}"#);
        assert!(now.get(&sample).is_some_and(|value| *value >= 1.0), "{sample} in {now:#?}");
    }
    up.signal_member(&leader, Signal::STOP);
    wait_until("the new leader to be counted", SOON, || metrics()["quorate_leader_changes_total"] >= 1.0);
    let failed = |(name, count): (&String, &f64)| {
        name.starts_with("quorate_etcd_request_errors_total{call=") && *count > 0.0
    };
    assert!(metrics().iter().any(failed), "calls to a member that hangs are counted as failed");
    up.signal_member(&leader, Signal::CONT);
    up.wait_ready(3);

    // A pass that fails is counted and comes to an end all the same.
    let record = up.dir().join("record.yaml");
    let text = fs::read_to_string(&record).unwrap();
    fs::remove_file(&record).unwrap();
    wait_until("a failed pass to be counted", SOON, || metrics()["quorate_failed_passes_total"] >= 1.0);
    assert!(get(&address, "/healthz").0.starts_with("HTTP/1.1 200"));
    fs::write(&record, text).unwrap();
    up.wait_ready(3);

    assert_eq!(up.interrupt(), Some(0));
    let log = up.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<_> = lines.iter().filter(|line| line["step"].is_string()).collect();
    assert!(steps.iter().any(|line| line["step"] == "Start" && line["member"] == leader.as_str()), "{log}");
    for line in &steps {
        assert!(line["span"]["name"] == "pass" && line["reason"].is_string() && line["level"].is_string());
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    }
    assert!(
        lines.iter().any(|line| line["message"] == "all members are stopped; `quorate up` starts them again")
    );
}

#[test]
fn an_address_that_is_taken_or_none_is_an_error_at_the_start() {
    let up = Up::prepare(&binary(Minor::V3_6), 3);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let etcd = up.binary.path.display().to_string();
    let taken = command(&["up", "--etcd", &etcd, "--http", &address], Some(&up.dir()));
    let said = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert_eq!(taken.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("--http {address}")) && said.contains("choose another address"), "{said}");
    assert!(up.processes().is_empty());
    let wrong = command(&["up", "--http", "9180"], Some(&up.dir()));
    assert_eq!(wrong.status.code(), Some(2), "{}", String::from_utf8_lossy(&wrong.stderr));
}
