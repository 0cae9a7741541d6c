//! Rolling changes of a real cluster under load: flags, upgrades and downgrades, a program that crashes, a member that
//! hangs, a spec that changes its mind.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

mod common;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use common::{
    etcd::{Binary, binary},
    load::{Load, Outcome},
    up::Up,
    watch::Watch,
};
use quorate::plan::{status::ClusterStatus, version::Minor};
use rustix::process::Signal;

/// One change at a time whose gaps are judged: two of them on two cores measure each other.
static MEASURED: Mutex<()> = Mutex::new(());
/// How long a change may take: a busy machine needs four times as long.
const CHANGE: Duration = Duration::from_secs(240);
/// The longest time without an acknowledged put. What is wanted is 250 ms, on a machine that does nothing else.
const GAP: Duration = Duration::from_secs(2);
/// A page that takes so long to the disk is one of a disk that stands still.
const STILL: Duration = Duration::from_millis(500);

/// A ready cluster whose `up` knows all these programs; the first one runs.
fn start(binaries: &[Binary], size: u8) -> Up {
    let mut up = Up::prepare(&binaries[0], size);
    up.others = binaries[1..].to_vec();
    up.run();
    up.wait_ready(i64::from(size));
    up
}

fn spec(size: u8, version: &str, etcd: &str) -> String {
    format!("{{size: {size}, version: {version}, etcd: {{{etcd}}}}}")
}

/// Whether the whole spec of this generation is applied.
fn applied(generation: i64, size: i64) -> impl Fn(&ClusterStatus) -> bool {
    move |status| {
        status.observed_generation == Some(generation) && status.updated_members == size && status.is("Ready")
    }
}

fn generation(up: &Up) -> i64 {
    up.status().observed_generation.unwrap()
}

/// Edits the spec under load and waits until it is applied. Prints what it cost, and checks that it cost no more than it
/// may.
fn change(up: &Up, what: &str, size: u8, edit: &str) -> Outcome {
    let _turn = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
    let before = up.status();
    let wanted = generation(up) + 1;
    let load = Load::start(&up.dir(), 200);
    std::thread::sleep(Duration::from_secs(1));
    let watch = Watch::begin(up);
    up.write_manifest(edit);
    let took = up.wait(what, CHANGE, applied(wanted, i64::from(size)));
    let lowest = watch.lowest();
    std::thread::sleep(Duration::from_secs(1));
    let outcome = load.finish();
    let terms = up.status().term.unwrap() - before.term.unwrap();
    println!("{what}: {took:.1?}, {outcome}, term +{terms}, {lowest}");
    assert_eq!(outcome.lost, 0, "{what}: acknowledged writes were lost");
    outcome.assert_gap(what, GAP);
    assert!(outcome.failed * 100 < outcome.puts, "{what}: {} failed after a retry", outcome.failed);
    assert!(terms <= 2, "{what}: the term went up by {terms}");
    let all_but_one = i64::from(size) - 1;
    // Nobody is ready while the disk stands still.
    let told = lowest.told == all_but_one || outcome.disk > STILL;
    assert!(told && lowest.own >= all_but_one, "{what}: one at a time, {lowest}");
    assert_eq!(ids(&before), ids(&up.status()), "{what}: nobody was replaced");
    outcome
}

fn ids(status: &ClusterStatus) -> Vec<Option<String>> {
    status.members.iter().map(|one| one.id.clone()).collect()
}

/// The flags of a member's process.
fn flags(up: &Up, name: &str) -> Vec<String> {
    let line = fs::read_to_string(format!("/proc/{}/cmdline", up.member_pid(name).unwrap())).unwrap();
    line.split('\0').map(str::to_owned).collect()
}

fn has_flag(up: &Up, flag: &str) -> usize {
    up.names().iter().filter(|name| flags(up, name).iter().any(|one| one == flag)).count()
}

#[test]
fn a_flag_rolls_through_all_members_under_load() {
    let etcd = binary(Minor::V3_6);
    let version = etcd.version.to_string();
    let up = start(&[etcd], 3);
    change(&up, "snapshotCount", 3, &spec(3, &version, "snapshotCount: 5000"));
    assert_eq!(has_flag(&up, "--snapshot-count=5000"), 3);
    // Times that don't go together with the old ones: two rounds, and no election beside the hand-overs.
    let before = up.status().term.unwrap();
    let wanted = generation(&up) + 1;
    let timing = "snapshotCount: 5000, heartbeatInterval: 400, electionTimeout: 4000";
    up.write_manifest(&spec(3, &version, timing));
    let took = up.wait("the election timeout", CHANGE, applied(wanted, 3));
    let terms = up.status().term.unwrap() - before;
    println!("electionTimeout 1000 → 4000, heartbeatInterval 100 → 400: {took:.1?}, term +{terms}");
    assert!(terms <= 3, "{terms}");
    assert_eq!(has_flag(&up, "--election-timeout=4000"), 3);
}

#[test]
fn from_3_5_to_3_7_and_back_under_load() {
    let binaries = [Minor::V3_5, Minor::V3_6, Minor::V3_7].map(binary);
    let versions = binaries.each_ref().map(|one| one.version.to_string());
    let up = start(&binaries, 3);
    let mut written = 0;
    for (from, to) in [(0, 1), (1, 2), (2, 1), (1, 0)] {
        let what = format!("{} → {}", versions[from], versions[to]);
        let said = up.log().len();
        let outcome = change(&up, &what, 3, &spec(3, &versions[to], ""));
        let status = up.status();
        assert_eq!(status.version.as_ref(), Some(&versions[to]));
        assert!(status.is("SpecApplied"), "{:?}", status.conditions);
        let minor = binaries[to].version.minor();
        let snapshot = up.dir().join(format!("snapshots/before-{minor}.db"));
        let kept = Kept::read(&binaries[from], &snapshot);
        assert!(
            kept.revision > written && kept.total_key > written,
            "all of the {written} puts before the change are in {kept:?}"
        );
        written += outcome.acknowledged();
        // By etcd's own means: its data are in the older form before the first member goes down, and what is enabled for
        // the sake of raft snapshots is taken back.
        let log = up.log().split_off(said);
        let steps = |kind: &str| log.matches(&format!("step=\"{kind}\"")).count();
        let (enabled, cancelled) = (steps("EnableDowngrade"), steps("CancelDowngrade"));
        match (from, to) {
            (0, 1) => assert_eq!((enabled, cancelled), (0, 0), "{what}"),
            // Where some member took no raft snapshot yet.
            (1, 2) => assert_eq!(enabled > 0, cancelled > 0, "{what}"),
            // Asked again, it is so already.
            _ => assert!(enabled > 0 && cancelled == 0, "{what}: {enabled} {cancelled}"),
        }
    }
}

/// What `etcdutl` says of a snapshot that was kept.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    revision: usize,
    total_key: usize,
}

impl Kept {
    fn read(binary: &Binary, snapshot: &Path) -> Self {
        let output = Command::new(binary.path.with_file_name("etcdutl"))
            .args(["snapshot", "status", "--write-out=json"])
            .arg(snapshot)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }
}

#[test]
fn a_version_that_cannot_be_reached_touches_nobody() {
    let folder = tempfile::tempdir().unwrap();
    // It says that it is of a patch release that knows too little of 3.6.
    let script = format!("exec {} \"$@\"", binary(Minor::V3_5).path.display());
    let old = program(&folder, "3.5.19", &script);
    let binaries = [old, binary(Minor::V3_6), binary(Minor::V3_7)];
    let mut up = start(&binaries, 3);
    let pids = |up: &Up| up.names().iter().map(|name| up.member_pid(name)).collect::<Vec<_>>();
    let was = pids(&up);
    let refused = |up: &Up, version: &str, words: &str| {
        up.write_manifest(&spec(3, version, ""));
        up.wait(words, CHANGE, |status| {
            status
                .condition("SpecApplied")
                .is_some_and(|one| one.status == "False" && one.message.contains(words))
        });
    };
    refused(&up, &binaries[2].version.to_string(), "go through 3.6 first");
    refused(&up, &binaries[1].version.to_string(), "at least 3.5.32");
    refused(&up, "3.5.99", "no etcd binary of version 3.5.99 is known");
    assert_eq!(pids(&up), was);
    up.write_manifest(&spec(3, &binaries[0].version.to_string(), ""));
    up.wait_ready(3);
    // An edit while nobody looked: `up` does not begin with it.
    up.kill();
    up.write_manifest(&spec(3, &binaries[2].version.to_string(), ""));
    up.run();
    assert_eq!(up.join(), Some(3), "{}", up.log());
    assert!(up.log().contains("go through 3.6 first"));
    assert_eq!(pids(&up), was);
}

/// A program that says it is this version and ends at once when it is started.
fn broken(folder: &tempfile::TempDir, version: &str) -> Binary {
    program(folder, version, "echo 'panic: not today' >&2\nexit 1")
}

/// A program that says it is this version, and does this when it is started.
fn program(folder: &tempfile::TempDir, version: &str, script: &str) -> Binary {
    let path: PathBuf = folder.path().join(format!("etcd-{version}"));
    let text = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'etcd Version: {version}'; exit 0; fi\n{script}\n"
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Binary { path, version: version.parse().unwrap() }
}

#[test]
fn a_program_that_crashes_stops_at_one_member_and_going_back_heals() {
    let folder = tempfile::tempdir().unwrap();
    let bad = [broken(&folder, "3.6.99"), broken(&folder, "3.7.99")];
    std::thread::scope(|scope| {
        for bad in &bad {
            scope.spawn(|| stops_at_one_member(&binary(Minor::V3_6), bad));
        }
    });
}

fn stops_at_one_member(good: &Binary, bad: &Binary) {
    let up = start(&[good.clone(), bad.clone()], 3);
    let load = Load::start(&up.dir(), 50);
    let watch = Watch::begin(&up);
    up.write_manifest(&spec(3, &bad.version.to_string(), ""));
    let took = up.wait("the upgrade to stop", CHANGE, |status| {
        let stopped = status.condition("Progressing");
        stopped.is_some_and(|one| one.reason == "RolloutStopped" && one.message.contains("panic: not today"))
    });
    std::thread::sleep(Duration::from_secs(8));
    let stuck = up.status();
    assert_eq!((stuck.ready_members, stuck.updated_members), (2, 1), "{stuck:?}");
    assert!(stuck.is("Available") && up.succeed(&["explain"]).contains("1 of 3 members changed"));
    let began = Instant::now();
    up.write_manifest(&spec(3, &good.version.to_string(), ""));
    let healed =
        up.wait("the cluster to heal", CHANGE, |status| status.is("Ready") && status.is("SpecApplied"));
    let lowest = watch.lowest();
    let outcome = load.finish();
    println!("{}: stopped after {took:.1?}, healed {healed:.1?} after the edit; {outcome}", bad.version);
    assert_eq!(outcome.lost, 0);
    assert!(lowest.told >= 2 && lowest.own >= 2, "{lowest}");
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_member_that_hangs_is_changed_first_and_never_costs_the_quorum() {
    let etcd = binary(Minor::V3_6);
    let version = etcd.version.to_string();
    let up = start(&[etcd], 5);
    let hung = up.follower();
    up.signal_member(&hung, Signal::STOP);
    up.wait("it to be missed", CHANGE, |status| status.ready_members == 4);
    let pid = up.member_pid(&hung);
    let watch = Watch::begin(&up);
    let wanted = generation(&up) + 1;
    up.write_manifest(&spec(5, &version, "snapshotCount: 5000"));
    let first = up.wait("the first change", CHANGE, |status| status.updated_members == 1);
    assert_ne!(up.member_pid(&hung), pid, "the one that hung was the first");
    let took = up.wait("the roll", CHANGE, applied(wanted, 5));
    let lowest = watch.lowest();
    println!("five members, one hangs: first changed after {first:.1?}, all after {took:.1?}; {lowest}");
    assert!(lowest.told >= 3 && lowest.own >= 3, "{lowest}");
}

#[test]
fn a_spec_that_changes_its_mind_ends_as_it_says_last() {
    let binaries = [binary(Minor::V3_5), binary(Minor::V3_6)];
    let [old, new] = binaries.each_ref().map(|one| one.version.to_string());
    let up = start(&binaries, 3);
    let load = Load::start(&up.dir(), 50);
    let watch = Watch::begin(&up);
    let edits = [
        spec(3, &new, ""),
        spec(3, &old, "snapshotCount: 5000"),
        spec(3, &new, "snapshotCount: 5000"),
        spec(3, &old, ""),
        spec(3, &new, "snapshotCount: 7000"),
    ];
    for (number, edit) in edits.iter().enumerate() {
        up.write_manifest(edit);
        let generation = 2 + i64::try_from(number).unwrap();
        // In the middle: one is changed, and the others are not.
        up.wait("an edit in mid-roll", CHANGE, |status| {
            status.observed_generation == Some(generation) && matches!(status.updated_members, 1 | 2)
        });
    }
    up.wait("the last word", CHANGE, applied(6, 3));
    let lowest = watch.lowest();
    let outcome = load.finish();
    println!("changed its mind: {outcome}, {lowest}");
    assert_eq!((outcome.lost, has_flag(&up, "--snapshot-count=7000")), (0, 3));
    assert_eq!(up.status().version, Some(new));
    assert!(lowest.told >= 2 && lowest.own >= 2, "{lowest}");
}

#[test]
fn paused_stops_before_the_next_and_restarts_of_all_go_one_by_one() {
    let etcd = binary(Minor::V3_6);
    let version = etcd.version.to_string();
    let up = start(&[etcd], 3);
    up.write_manifest(&spec(3, &version, "snapshotCount: 5000"));
    up.wait("the first change", CHANGE, |status| status.updated_members == 1);
    let paused = format!("{{size: 3, version: {version}, paused: true, etcd: {{snapshotCount: 5000}}}}");
    up.write_manifest(&paused);
    up.wait("the pause", CHANGE, |status| status.is("Paused"));
    let changed = has_flag(&up, "--snapshot-count=5000");
    assert!(changed < 3, "there is something left that could go on");
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(has_flag(&up, "--snapshot-count=5000"), changed, "nothing goes on while it is paused");
    up.write_manifest(&spec(3, &version, "snapshotCount: 5000"));
    up.wait("the rest", CHANGE, applied(4, 3));

    let pids = |up: &Up| up.names().iter().map(|name| up.member_pid(name).unwrap()).collect::<Vec<_>>();
    let (was, term) = (pids(&up), up.status().term.unwrap());
    let watch = Watch::begin(&up);
    up.succeed(&["restart", "--all", "--wait", "--timeout", "240"]);
    let lowest = watch.lowest();
    let now = pids(&up);
    assert!(was.iter().all(|pid| !now.contains(pid)), "{was:?} {now:?}");
    assert!(lowest.told == 2 && lowest.own >= 2, "{lowest}");
    assert!(up.status().term.unwrap() - term <= 2);
}
