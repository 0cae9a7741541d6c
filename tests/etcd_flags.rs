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
    member::{Addresses, CertificateFiles, Launch, judged_flags, render, unknown_flag},
    plan::{
        Admission, ClusterState, EtcdOptions, EtcdVersion, MemberName, Peer, Sides,
        options::{AutoCompaction, LOG_LEVELS, MAX_REQUEST_BYTES, MIN_REQUEST_BYTES, refused_flag},
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
        max_request_bytes: Some(10 << 20),
        log_level: Some("debug".into()),
        no_initial_check: false,
        extra_args: extra
            .iter()
            .chain(&[("max-txn-ops", "256")])
            .map(|(flag, value)| (flag.to_string(), value.to_string()))
            .collect(),
        extra_env: Default::default(),
    };
    let told = Told::to(&etcd);
    let launch = Launch { log_file: Some(&log), ..told.launch(binary.version, &options, &data) };
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

/// What a member that is alone is told beside its options.
struct Told {
    name: MemberName,
    admission: Admission,
    addresses: Addresses,
    certificates: Sides<Option<CertificateFiles>>,
}

impl Told {
    fn to(etcd: &Etcd) -> Self {
        Self {
            name: MemberName(etcd.name.clone()),
            admission: Admission {
                state: ClusterState::New,
                initial_cluster: vec![Peer { name: etcd.name.clone(), url: etcd.peer_url.clone() }],
                token: "demo-uid".into(),
                id: None,
            },
            addresses: Addresses::same(
                etcd.client_url.clone(),
                etcd.peer_url.clone(),
                Some(etcd.metrics_url.clone()),
            ),
            certificates: Sides::default(),
        }
    }

    /// Its first launch, with the log on standard error.
    fn launch<'a>(&'a self, version: EtcdVersion, options: &'a EtcdOptions, data: &'a str) -> Launch<'a> {
        Launch {
            name: &self.name,
            version,
            options,
            admission: &self.admission,
            addresses: &self.addresses,
            certificates: &self.certificates,
            data_dir: data,
            log_file: None,
            first_start: true,
            initial_check: true,
        }
    }
}

/// A member starts anew with each of several options, on the same data, and serves; `look` sees it each time.
fn starts_with_each(minor: Minor, all: &[EtcdOptions], look: impl Fn(&Etcd, &EtcdOptions, &str)) {
    let binary = binary(minor);
    let folder = tempfile::tempdir().unwrap();
    let mut etcd = Etcd::place(&binary, "demo-a", folder.path());
    let data = etcd.folder.join("data").display().to_string();
    let told = Told::to(&etcd);
    for (count, options) in all.iter().enumerate() {
        let log = etcd.folder.join(format!("log-{count}")).display().to_string();
        let launch = told.launch(binary.version, options, &data);
        etcd.start_with(render(&Launch { first_start: count == 0, log_file: Some(&log), ..launch }));
        etcd.wait_ready();
        look(&etcd, options, &std::fs::read_to_string(&log).unwrap_or_default());
    }
}

/// etcd serves with every log level that the spec may have, and writes what that level says.
fn serves_at_every_log_level(minor: Minor) {
    let leveled = |level: &str| EtcdOptions { log_level: Some(level.to_owned()), ..EtcdOptions::default() };
    let all: Vec<_> = LOG_LEVELS.iter().map(|level| leveled(level)).collect();
    starts_with_each(minor, &all, |_, options, log| {
        let level = options.log_level.as_deref().unwrap();
        assert_eq!(log.contains("\"level\":\"debug\""), level == "debug", "{level}");
        assert_eq!(log.contains("\"level\":\"info\""), ["debug", "info"].contains(&level), "{level}");
    });
}

/// The bounds of the largest request are taken, and hold: one above is refused by etcd, one below passes.
fn holds_requests_to_their_size(minor: Minor) {
    let bounded = |bytes: i64| EtcdOptions { max_request_bytes: Some(bytes), ..EtcdOptions::default() };
    let all =
        [bounded(MIN_REQUEST_BYTES), EtcdOptions::default(), bounded(4 << 20), bounded(MAX_REQUEST_BYTES)];
    starts_with_each(minor, &all, |etcd, options, _| {
        let limit = usize::try_from(options.max_request_bytes.unwrap_or(1_572_864)).unwrap();
        // More takes longer than etcd gives a request.
        let sizes = [limit - 1024, limit + 1024].map(|size| size.min(5 << 20));
        let passed = sizes.map(|size| put(etcd, size));
        let [below, above] = &passed;
        assert_eq!((below.is_ok(), above.is_ok()), (true, limit > 5 << 20), "{limit}: {passed:?}");
    });
}

/// Puts a value of some size.
fn put(etcd: &Etcd, size: usize) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = etcd_client::Client::connect([&etcd.client_url], None)
            .await
            .map_err(|error| error.to_string())?;
        client.put("key", vec![b'x'; size], None).await.map(|_| ()).map_err(|error| error.to_string())
    })
}

/// A member whose spec wants no initial check makes none, also beside another feature.
fn makes_no_initial_check_when_told_so(minor: Minor) {
    let checked = EtcdOptions::default();
    let gates = match minor {
        Minor::V3_5 => Default::default(),
        _ => [("feature-gates".to_owned(), "CompactHashCheck=true".to_owned())].into(),
    };
    let unchecked = EtcdOptions { no_initial_check: true, ..EtcdOptions::default() };
    let beside = EtcdOptions { extra_args: gates, ..unchecked.clone() };
    // The first start has nothing to compare.
    let all = [checked.clone(), checked, unchecked, beside];
    let seen = std::cell::RefCell::new(Vec::new());
    starts_with_each(minor, &all, |_, _, log| {
        seen.borrow_mut().push(log.contains("starting initial corruption check"));
    });
    assert_eq!(*seen.borrow(), [false, true, false, false]);
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

#[test]
fn v3_5_serves_at_every_log_level() {
    serves_at_every_log_level(Minor::V3_5);
}

#[test]
fn v3_6_serves_at_every_log_level() {
    serves_at_every_log_level(Minor::V3_6);
}

#[test]
fn v3_7_serves_at_every_log_level() {
    serves_at_every_log_level(Minor::V3_7);
}

#[test]
fn v3_5_holds_requests_to_their_size() {
    holds_requests_to_their_size(Minor::V3_5);
}

#[test]
fn v3_6_holds_requests_to_their_size() {
    holds_requests_to_their_size(Minor::V3_6);
}

#[test]
fn v3_7_holds_requests_to_their_size() {
    holds_requests_to_their_size(Minor::V3_7);
}

#[test]
fn v3_5_makes_no_initial_check_when_told_so() {
    makes_no_initial_check_when_told_so(Minor::V3_5);
}

#[test]
fn v3_6_makes_no_initial_check_when_told_so() {
    makes_no_initial_check_when_told_so(Minor::V3_6);
}

#[test]
fn v3_7_makes_no_initial_check_when_told_so() {
    makes_no_initial_check_when_told_so(Minor::V3_7);
}
