//! The guard of a member in a Pod, with real etcd: that it starts it on the member's own data or, once, on nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by panicking that it failed"
)]

mod common;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use common::{
    MILLIS, SECONDS,
    etcd::{binary, wait_until},
    guard::{Guard, admission, cluster},
    load::connect,
};
use jiff::Timestamp;
use quorate::{
    member::guard::words::{Phase, authorities_file, certificate_file, key_file},
    pki::{Authority, Request},
    plan::{
        ClusterState, Side, Sides,
        transport::{Channel, Listen},
        version::Minor,
    },
};
use rustix::process::Signal;

/// A life that no test outlives.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("quorate-guard-").tempdir().unwrap()
}

/// A founder that starts after its cluster is there already, is in its list with its name and yet has never started.
fn forms_a_cluster_and_lets_a_member_join(minor: Minor) {
    let (binary, folder) = (binary(minor), folder());
    let mut guards: Vec<_> = ["a", "b", "c"].map(|name| Guard::place(&binary, name, folder.path())).into();
    let founding = admission(ClusterState::New, &guards);
    for guard in &mut guards {
        guard.start();
        let state = guard.wait_phase(Phase::Waiting);
        assert!(!state.started && !state.present && state.since.is_none(), "{state:?}");
    }
    for guard in &guards[..2] {
        assert_eq!(guard.tell(&founding).0, 200);
    }
    for guard in &guards[..2] {
        guard.wait_ready();
    }
    assert_eq!(guards[2].tell(&founding).0, 200);
    guards[2].wait_ready();
    let state = guards[2].wait_phase(Phase::Running);
    assert!(state.started && state.present && state.since.is_some() && state.why.is_none(), "{state:?}");

    // A joiner that is told too early waits until the list has it, and one that is told wrongly until it is told anew.
    let mut joiner = Guard::place(&binary, "d", folder.path());
    joiner.start();
    let peer_url = joiner.assignment.peer_url.clone();
    guards.push(joiner);
    let joining = admission(ClusterState::Existing, &guards);
    let says = |guard: &Guard, expected: &str| {
        let why = || guard.state().and_then(|state| state.why);
        wait_until(expected, SECONDS(5), || why().is_some_and(|why| why == expected));
    };
    let wrongly = admission(ClusterState::Existing, &guards[1..]);
    assert_eq!(guards[3].tell(&wrongly).0, 200);
    says(&guards[3], "the members that answer do not list it");
    runtime().block_on(async {
        let began = Instant::now();
        // etcd refuses until its links are five seconds old.
        while let Err(failure) = guards[0].client().add_learner(&peer_url).await {
            assert!(began.elapsed() < SECONDS(15), "{failure}");
            tokio::time::sleep(MILLIS(200)).await;
        }
    });
    says(&guards[3], "the cluster has other members than it was told of");
    assert_eq!(guards[3].tell(&joining).0, 200);
    guards[3].wait_phase(Phase::Running);
    wait_until("the joiner has data", SECONDS(10), || guards[3].state().is_some_and(|state| state.present));
}

#[test]
fn v3_5_forms_a_cluster_and_lets_a_member_join() {
    forms_a_cluster_and_lets_a_member_join(Minor::V3_5);
}

#[test]
fn v3_7_forms_a_cluster_and_lets_a_member_join() {
    forms_a_cluster_and_lets_a_member_join(Minor::V3_7);
}

#[test]
fn what_is_lost_is_not_started_on_and_what_is_there_is() {
    let folder = folder();
    let (mut guards, founding) = cluster(&binary(Minor::V3_6), folder.path());

    // etcd that is killed takes its guard along, and the next needs no word.
    guards[0].signal_etcd(Signal::KILL);
    assert_eq!(guards[0].wait_exit().code(), Some(137));
    guards[0].start();
    guards[0].wait_ready();

    // Emptied while it was stopped: refused for as long as that is so, and started when the data are back.
    let aside = folder.path().join("aside");
    guards[0].stop();
    fs::rename(guards[0].data(), &aside).unwrap();
    guards[0].start();
    let state = guards[0].wait_phase(Phase::Refused);
    let why = state.why.unwrap();
    assert!(
        why.starts_with("its data folder is empty although it was started before, as the mark on its volume")
    );
    assert!(state.started && !state.present);
    let (code, body) = guards[0].tell(&founding);
    assert!(code == 409 && body.contains("its data folder is empty although"), "{code} {body}");
    fs::rename(&aside, guards[0].data()).unwrap();
    guards[0].wait_ready();

    // The volume is taken up without its mark by a Pod that knows nothing: only the operator knows whose data it is.
    guards[0].stop();
    fs::remove_file(guards[0].volume.join("quorate.json")).unwrap();
    guards[0].forget_pod();
    guards[0].start();
    let why = guards[0].wait_phase(Phase::Refused).why.unwrap();
    assert!(why.contains("nothing says that this member was ever started on it"), "{why}");
    guards[0].stop();
    guards[0].assignment.started = true;
    guards[0].start();
    guards[0].wait_ready();
    assert!(guards[0].volume.join("quorate.json").is_file(), "the volume is marked again");

    // Emptied while it runs.
    let present = || guards[1].state().is_some_and(|state| state.present);
    assert!(present());
    fs::rename(guards[1].data(), folder.path().join("gone")).unwrap();
    let noticed = wait_until("the lost folder is shown", SECONDS(2), || !present());
    assert!(noticed < MILLIS(1_100), "{noticed:?}");
    wait_until("the loss is logged", SECONDS(3), || guards[1].log().contains("emptied while etcd runs"));

    // Every mark of this founder is gone too: what is left are its peers' words.
    guards[1].signal_etcd(Signal::KILL);
    guards[1].wait_exit();
    fs::remove_file(guards[1].volume.join("quorate.json")).unwrap();
    guards[1].forget_pod();
    guards[1].start();
    assert_eq!(guards[1].tell(&founding).0, 200, "it knows nothing yet");
    let state = guards[1].wait_phase(Phase::Refused);
    assert!(state.why.unwrap().contains("as its peers say"));
    assert!(state.started && guards[1].etcd().is_none());
}

#[test]
fn a_leader_hands_over_before_it_ends() {
    let folder = folder();
    let (mut guards, _) = cluster(&binary(Minor::V3_6), folder.path());
    let leader = runtime().block_on(async {
        let report = guards[0].client().report().await.unwrap();
        let mut leads = Vec::new();
        for guard in &guards {
            leads.push(Some(guard.client().report().await.unwrap().id) == report.leader);
        }
        leads.iter().position(|leads| *leads).unwrap()
    });
    let url = guards[(leader + 1) % 3].assignment.client_url.clone();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let writes = std::thread::spawn(move || {
        self::runtime().block_on(async {
            let mut client = connect(&url).await.unwrap();
            let (mut longest, mut last, mut count) = (Duration::ZERO, Instant::now(), 0);
            while !stopped.load(Ordering::Relaxed) {
                // A write that a follower passes on while leadership moves is lost, so it is tried again soon.
                let put = tokio::time::timeout(MILLIS(100), client.put("key", "value", None)).await;
                if put.is_ok_and(|put| put.is_ok()) {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                    count += 1;
                }
                tokio::time::sleep(MILLIS(2)).await;
            }
            (longest, count)
        })
    });
    std::thread::sleep(MILLIS(300));
    guards[leader].stop();
    std::thread::sleep(MILLIS(300));
    stop.store(true, Ordering::Relaxed);
    let (longest, count) = writes.join().unwrap();
    println!("the longest gap of {count} writes: {longest:?}");
    assert!(longest < MILLIS(500) && count > 50, "{longest:?} {count}");
    assert!(guards[leader].log().contains("leads now"), "{}", guards[leader].log());
    // One that does not lead has nothing to hand over.
    guards[leader].start();
    guards[leader].wait_ready();
    guards[leader].stop();
    assert_eq!(guards[leader].log().matches("leads now").count(), 1);
}

/// Puts a member under TLS on both sides, and writes its certificates.
fn under_tls(guard: &mut Guard, authorities: &Sides<Authority>) {
    let told = &mut guard.assignment;
    for url in [&mut told.peer_url, &mut told.client_url] {
        *url = url.replace("http://", "https://");
    }
    for side in Side::ALL {
        let trust = [authorities.get(side).id().clone()].into();
        *told.transport.get_mut(side) = Channel { listen: Listen::Tls, trust };
    }
    fs::create_dir_all(&guard.certificates).unwrap();
    for side in Side::ALL {
        let authority = authorities.get(side);
        // The last one stands for all members.
        let names = ["localhost", "127.0.0.1", "127.0.0.77"].map(str::to_owned).to_vec();
        let request = Request { common_name: guard.assignment.name.0.clone(), names };
        let own = authority.issue(&request, Timestamp::now(), YEAR).unwrap();
        let write = |name: &str, text: &str| fs::write(guard.certificates.join(name), text).unwrap();
        write(authorities_file(side), authority.certificate());
        write(certificate_file(side), &own.certificate);
        write(key_file(side), own.key.reveal());
    }
}

#[test]
fn under_tls_it_waits_for_its_certificates_and_hands_leadership_over() {
    let (binary, folder) = (binary(Minor::V3_6), folder());
    let mut guards: Vec<_> = ["a", "b", "c"].map(|name| Guard::place(&binary, name, folder.path())).into();
    let made = |name| Authority::generate(name, Timestamp::now(), YEAR).unwrap();
    let authorities = Sides { peer: made("peers"), client: made("clients") };
    guards.iter_mut().for_each(|guard| under_tls(guard, &authorities));
    let (there, away) = (guards[2].certificates.join("peer.crt"), folder.path().join("away"));
    fs::rename(&there, &away).unwrap();
    let founding = admission(ClusterState::New, &guards);
    for guard in &mut guards {
        guard.start();
        assert_eq!(guard.tell(&founding).0, 200);
    }
    for guard in &guards[..2] {
        guard.wait_ready();
    }
    wait_until("c names what it lacks", SECONDS(10), || {
        let state = guards[2].state().unwrap();
        state.phase == Phase::Waiting && state.why.is_some_and(|why| why.contains("peer.crt"))
    });
    fs::rename(&away, &there).unwrap();
    for guard in &guards {
        guard.wait_ready();
    }
    // One after the other, so that one of them leads.
    for guard in &mut guards {
        guard.stop();
        guard.start();
        guard.wait_ready();
        assert!(!guard.log().contains("could not be handed over"), "{}", guard.log());
        assert!(!guard.log().contains("PRIVATE KEY"), "a key is in the log");
    }
    assert!(guards.iter().any(|guard| guard.log().contains("leads now")));
}

#[test]
fn nonsense_and_what_comes_at_the_wrong_time() {
    let folder = folder();
    let binary = binary(Minor::V3_6);
    let mut guards = vec![Guard::place(&binary, "a", folder.path())];
    guards[0].start();
    let guard = &guards[0];
    let alone = admission(ClusterState::New, &guards);
    let word = serde_json::json!({ "admission": alone }).to_string();
    let other = word.replace("localhost", "127.0.0.1");
    let (own, wrong) = (guard.bearer(), "Authorization: Bearer another".to_owned());
    for (what, header, body, expected) in [
        ("POST /start", None, word.as_str(), 401),
        ("POST /start", Some(&wrong), &word, 401),
        ("POST /start", Some(&own), "", 400),
        ("POST /start", Some(&own), "{\"admission\":{}}", 400),
        ("POST /start", Some(&own), &other, 400),
        ("POST /start", Some(&own), &" ".repeat(70_000), 413),
        ("GET /start", None, "", 405),
        ("POST /state", None, "", 405),
        ("GET /", None, "", 404),
        // The Pod's container counts as started, whatever etcd waits for.
        ("GET /started", None, "", 200),
    ] {
        let headers: Vec<_> = header.iter().map(|one| one.as_str()).collect();
        let (code, answer) = guard.request(what, &headers, body).unwrap();
        assert_eq!(code, expected, "{what} {header:?} {}: {answer}", &body[..body.len().min(80)]);
    }
    assert_eq!(
        guard.wait_phase(Phase::Waiting).why.unwrap(),
        "it was not told yet how it enters the cluster"
    );

    // Names that are not there yet are waited for, and another word takes the place of the first.
    let mut early = alone.clone();
    early.initial_cluster.push(quorate::plan::Peer { name: "b".into(), url: "http://b.invalid:2380".into() });
    assert_eq!(guard.tell(&early).0, 200);
    guard.wait_phase(Phase::Resolving);
    assert_eq!(guard.tell(&alone).0, 200);
    // Told that it is started, the kubelet looks at once whether etcd serves.
    wait_until("to be started in time", SECONDS(15), || {
        let began = Instant::now();
        assert_eq!(guard.request("GET /started", &[], "").unwrap().0, 200);
        let in_time = began.elapsed() < SECONDS(2);
        assert!(!in_time || guard.ready(), "it answered before etcd served");
        in_time
    });
    assert_eq!(guard.tell(&alone), (200, String::new()), "the same word again");
    let (code, answer) = guard.tell(&early);
    assert!(code == 409 && answer.starts_with("member a runs already"), "{code} {answer}");
}

#[test]
fn the_volume_of_another_is_left_alone() {
    let folder = folder();
    let mut guard = Guard::place(&binary(Minor::V3_6), "a", folder.path());
    let member = guard.data().join("member");
    fs::create_dir_all(member.join("wal")).unwrap();
    fs::create_dir_all(member.join("snap")).unwrap();
    fs::write(member.join("wal/0-0.wal"), "x").unwrap();
    fs::write(member.join("snap/db"), "x").unwrap();
    let mark = r#"{"name":"z","uid":"uid-of-z","started":true}"#;
    fs::write(guard.volume.join("quorate.json"), mark).unwrap();
    guard.assignment.started = true;
    guard.start();
    let why = guard.wait_phase(Phase::Refused).why.unwrap();
    assert!(why.starts_with("its volume belongs to member z (UID uid-of-z); empty the volume"), "{why}");
    assert!(guard.log().contains("etcd is not started: its volume belongs to member z"));
    assert_eq!(fs::read_to_string(guard.volume.join("quorate.json")).unwrap(), mark);
    guard.stop();
}

/// An etcd that ends before it made any data has promised nothing: with better flags it may start for the first time.
#[test]
fn a_first_start_that_fails_is_no_start() {
    let folder = folder();
    let mut guards = vec![Guard::place(&binary(Minor::V3_6), "a", folder.path())];
    guards[0].assignment.options.extra_args.insert("no-such-flag".into(), "1".into());
    guards[0].start();
    assert_eq!(guards[0].tell(&admission(ClusterState::New, &guards)).0, 200);
    assert_eq!(guards[0].wait_exit().code(), Some(2), "{}", guards[0].log());
    assert!(!guards[0].volume.join("quorate.json").exists() && !guards[0].pod.join("started").exists());
    guards[0].assignment.options.extra_args.clear();
    // The word that was given in this Pod still stands.
    guards[0].start();
    guards[0].wait_ready();
    assert!(guards[0].log().contains("\"initial-cluster-state\":\"new\""));
}

#[test]
fn the_program_is_brought_into_a_pod() {
    let folder = folder();
    let install = |to: &std::path::Path| {
        Command::new(env!("CARGO_BIN_EXE_quorate"))
            .args(["member", "install", "--to"])
            .arg(to)
            .output()
            .unwrap()
    };
    let output = install(folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let copy = folder.path().join("quorate");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(Command::new(&copy).arg("--version").output().unwrap().status.success());
    let output = install(&folder.path().join("missing"));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("give a folder that exists"));
}
