//! The flags of a member against real etcd: that each version starts with them, and which spellings it knows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by panicking that it failed"
)]

mod common;

use std::{collections::BTreeSet, process::Command};

use common::{
    SECONDS,
    etcd::{Binary, Etcd, binary, wait_until},
};
use quorate::{
    member::{Addresses, Launch, judged_flags, render, unknown_flag},
    plan::{
        Admission, ClusterState, EtcdOptions, MemberName, Peer, Sides,
        options::{AutoCompaction, refused_flag},
        version::Minor,
    },
};

/// A member with every option set starts, serves, writes its log to the file it was told and rotates it.
fn starts_with_everything(minor: Minor, extra: &[(&str, &str)]) {
    let binary = binary(minor);
    let folder = tempfile::tempdir().unwrap();
    let mut etcd = Etcd::place(&binary, "demo-a", folder.path());
    let data = etcd.folder.join("data").display().to_string();
    let log = etcd.folder.join("log").display().to_string();
    let options = EtcdOptions {
        quota_backend_bytes: Some(1 << 30),
        auto_compaction: Some(AutoCompaction { mode: "periodic".into(), retention: "1h".into() }),
        snapshot_count: Some(5_000),
        heartbeat_interval: Some(100),
        election_timeout: Some(1_000),
        extra_args: extra
            .iter()
            .chain(&[("max-txn-ops", "256"), ("log-level", "debug")])
            .map(|(flag, value)| (flag.to_string(), value.to_string()))
            .collect(),
        extra_env: Default::default(),
    };
    let admission = Admission {
        state: ClusterState::New,
        initial_cluster: vec![Peer { name: etcd.name.clone(), url: etcd.peer_url.clone() }],
        token: "demo-uid".into(),
        id: None,
    };
    let addresses =
        Addresses::same(etcd.client_url.clone(), etcd.peer_url.clone(), Some(etcd.metrics_url.clone()));
    let name = MemberName(etcd.name.clone());
    let launch = Launch {
        name: &name,
        version: binary.version,
        options: &options,
        admission: &admission,
        addresses: &addresses,
        certificates: &Sides::default(),
        data_dir: &data,
        log_file: Some(&log),
        first_start: true,
        initial_check: true,
    };
    for flag in options.extra_args.keys() {
        assert_eq!(unknown_flag(flag, binary.version), None, "{flag}");
    }
    etcd.start_with(render(&launch));
    etcd.wait_ready();
    let log_text = || std::fs::read_to_string(&log).unwrap();
    // Its probe may say so before it does.
    wait_until("it says that it serves", SECONDS(10), || {
        log_text().contains("ready to serve client requests")
    });
    let written = log_text();
    assert!(written.contains("\"initial-cluster-state\":\"new\""), "{written}");
    // The second start says `existing`, and serves the same data.
    etcd.start_with(render(&Launch { first_start: false, ..launch }));
    etcd.wait_ready();
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("\"initial-cluster-state\":\"existing\"") && text.len() > written.len());
    // Looked for as a deed: 3.6 and later log `"initial-corrupt-check":false` also while the gate is on. A member that
    // has no data yet has nothing to compare.
    assert!(
        !written.contains("initial corruption check") && text.contains("starting initial corruption check")
    );
    println!("etcd {}: {} bytes of log; standard error: {:?}", binary.version, text.len(), etcd.output());

    // A log that has reached its size is put aside at the next line.
    etcd.kill();
    std::fs::File::options().write(true).open(&log).unwrap().set_len(16 << 20).unwrap();
    etcd.restart();
    etcd.wait_ready();
    println!("etcd {}: rotated into {:?}", binary.version, files(&etcd));
    assert_eq!(files(&etcd).len(), 2);
    assert!(std::fs::metadata(&log).unwrap().len() < 1 << 20);
}

/// The log and what it was rotated into.
fn files(etcd: &Etcd) -> Vec<String> {
    let all = std::fs::read_dir(&etcd.folder).unwrap().flatten();
    all.map(|one| one.file_name().display().to_string()).filter(|name| name.starts_with("log")).collect()
}

/// What is said about each judged flag is what the program does.
fn knows_the_spellings_we_think(minor: Minor) {
    let binary = binary(minor);
    for flag in judged_flags() {
        // `--version` ends the program once it has read all flags.
        let output = Command::new(&binary.path).args([&format!("--{flag}=1"), "--version"]).output().unwrap();
        let refused = String::from_utf8_lossy(&output.stderr).contains("flag provided but not defined");
        assert_eq!(unknown_flag(flag, binary.version).is_some(), refused, "--{flag} on {}", binary.version);
    }
}

/// Every flag that one version lists in its help and another does not.
#[test]
fn no_difference_between_the_versions_is_missed() {
    let help = |minor| documented(&binary(minor));
    let versions = [help(Minor::V3_5), help(Minor::V3_6), help(Minor::V3_7)];
    let everywhere = &(&versions[0] & &versions[1]) & &versions[2];
    let all: BTreeSet<_> = versions.iter().flatten().cloned().collect();
    let judged: BTreeSet<_> = judged_flags().map(str::to_owned).collect();
    let missed: Vec<_> = (&(&all - &everywhere) - &judged)
        .into_iter()
        // Discovery is Quorate's own business.
        .filter(|flag| refused_flag(flag).is_none() && !flag.starts_with("discovery"))
        .collect();
    assert!(
        everywhere.len() > 60 && missed.is_empty(),
        "{} everywhere, missed: {missed:?}",
        everywhere.len()
    );
}

/// The flags in a program's `--help`.
fn documented(binary: &Binary) -> BTreeSet<String> {
    let output = Command::new(&binary.path).arg("--help").output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let flags = text.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
    flags
        .filter_map(|line| line.split([' ', '=', ')']).next())
        .filter(|flag| !flag.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn v3_5_starts_with_everything() {
    starts_with_everything(Minor::V3_5, &[("experimental-compact-hash-check-enabled", "true")]);
}

#[test]
fn v3_6_starts_with_everything() {
    starts_with_everything(Minor::V3_6, &[("feature-gates", "CompactHashCheck=true"), ("max-learners", "1")]);
}

/// On 3.6 both spellings are known, and Quorate's own gate stands beside the spec's old flag of another feature.
#[test]
fn v3_6_starts_with_old_spellings() {
    starts_with_everything(
        Minor::V3_6,
        &[
            ("experimental-compact-hash-check-enabled", "true"),
            ("experimental-snapshot-catchup-entries", "4000"),
        ],
    );
}

#[test]
fn v3_6_starts_with_the_old_spelling_of_the_initial_check() {
    starts_with_everything(Minor::V3_6, &[("experimental-initial-corrupt-check", "true")]);
}

#[test]
fn v3_7_starts_with_everything() {
    starts_with_everything(Minor::V3_7, &[("feature-gates", "CompactHashCheck=true"), ("max-learners", "1")]);
}

#[test]
fn v3_5_knows_the_spellings_we_think() {
    knows_the_spellings_we_think(Minor::V3_5);
}

#[test]
fn v3_6_knows_the_spellings_we_think() {
    knows_the_spellings_we_think(Minor::V3_6);
}

#[test]
fn v3_7_knows_the_spellings_we_think() {
    knows_the_spellings_we_think(Minor::V3_7);
}
