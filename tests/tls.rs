//! Certificates on one machine, with real etcd: clusters that begin under TLS or move there and back, renewal, authorities
//! that take over from others, and everything that can be wrong with a file.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    SECONDS,
    etcd::{binary, wait_until},
    inside::{Then, brisk, drive},
    load::{Load, connect, connect_as, connect_with},
    up::{Up, processes_below},
};
use jiff::Timestamp;
use quorate::{
    etcd::tls_config,
    pki::{Authority, Certificate, Request, SecretKey},
    plan::{Decision, Policy, status::ClusterStatus, version::Minor},
};

/// One cluster under load at a time: two on two cores measure each other.
static ALONE: Mutex<()> = Mutex::new(());
/// How long a change of all members may take: a busy machine needs four times as long.
const CHANGE: Duration = Duration::from_secs(240);
/// The longest time without an acknowledged put. What is wanted is 250 ms, on a machine that does nothing else.
const GAP: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

const SECURED: &str = "tls: {peer: {mode: Managed}, client: {mode: Managed}}";
/// The spec does not speak of TLS.
const UNSAID: &str = "";
const PLAIN: &str = "tls: {peer: {mode: Disabled}, client: {mode: Disabled}}";

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn spec(minor: Minor, tls: &str) -> String {
    let version = binary(minor).version;
    match tls {
        UNSAID => format!("{{size: 3, version: {version}}}"),
        tls => format!("{{size: 3, version: {version}, {tls}}}"),
    }
}

fn prepare(minor: Minor, tls: &str) -> Up {
    let up = Up::prepare(&binary(minor), 3);
    up.write_spec(&spec(minor, tls));
    up
}

fn start(minor: Minor, tls: &str) -> Up {
    let mut up = prepare(minor, tls);
    up.run();
    up.wait_ready(3);
    up
}

fn applied(generation: i64) -> impl Fn(&ClusterStatus) -> bool {
    move |status| {
        status.observed_generation == Some(generation) && status.updated_members == 3 && status.is("Ready")
    }
}

/// All URLs of the members.
fn urls(up: &Up) -> Vec<String> {
    up.status().members.into_iter().flat_map(|one| [one.client_url, one.peer_url]).collect()
}

/// What `act` brings about under load is applied without a lost write.
fn under_load(up: &Up, what: &str, done: impl Fn(&ClusterStatus) -> bool, act: impl FnOnce(&Up)) {
    let before = up.status();
    let load = Load::start(&up.dir(), 200);
    std::thread::sleep(SECONDS(1));
    act(up);
    let took = up.wait(what, CHANGE, done);
    std::thread::sleep(SECONDS(1));
    let outcome = load.finish();
    let terms = up.status().term.unwrap() - before.term.unwrap();
    println!(
        "{what}: {took:.1?}, {} puts, {} first tries failed, {} failed after one retry, {} lost; longest gap {:.0?}, the \
         load held up for {:.0?}, term +{terms}",
        outcome.puts,
        outcome.first_failed,
        outcome.failed,
        outcome.lost,
        outcome.longest_gap(),
        outcome.held_up,
    );
    assert_eq!(outcome.lost, 0, "{what}: acknowledged writes were lost");
    assert!(
        outcome.longest_gap() < GAP + outcome.held_up,
        "{what}: {:?} without a put",
        outcome.longest_gap()
    );
    assert!(outcome.failed * 100 < outcome.puts, "{what}: {} failed after a retry", outcome.failed);
    let ids = |status: &ClusterStatus| status.members.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&before), ids(&up.status()), "{what}: nobody was replaced");
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

/// The authority that signs on one side, when there is one.
fn authority(up: &Up, side: &str) -> Authority {
    let files = authority_files(up, side);
    let [certificate] = files.as_slice() else { panic!("one authority of {side}: {files:?}") };
    let key = SecretKey::new(read(certificate.with_extension("key")));
    Authority::load(&read(certificate), key).unwrap()
}

fn authority_files(up: &Up, side: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(up.dir().join("tls/authorities").join(side)).unwrap();
    let paths = paths.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|kind| kind == "crt")).collect()
}

async fn serves(client: Option<etcd_client::Client>) -> bool {
    let Some(mut client) = client else { return false };
    matches!(tokio::time::timeout(SECONDS(10), client.get("a", None)).await, Ok(Ok(_)))
}

#[test]
fn who_is_not_trusted_is_not_let_in_on_3_5() {
    who_is_let_in(Minor::V3_5);
}

#[test]
fn who_is_not_trusted_is_not_let_in_on_3_6() {
    who_is_let_in(Minor::V3_6);
}

#[test]
fn who_is_not_trusted_is_not_let_in_on_3_7() {
    who_is_let_in(Minor::V3_7);
}

fn who_is_let_in(minor: Minor) {
    // A new cluster is under TLS unless its spec says otherwise.
    let up = start(minor, UNSAID);
    assert!(urls(&up).iter().all(|url| url.starts_with("https://")), "{:?}", urls(&up));
    // As a person does: with the line that `up` printed.
    let printed = || up.log().lines().find_map(|line| Some(line.split_once("export ")?.1.to_owned()));
    wait_until("the line for etcdctl", SECONDS(10), || printed().is_some());
    let line = printed().unwrap();
    let etcdctl = up.binary.path.with_file_name("etcdctl");
    let script = format!("export {line}; {0} put a b && {0} endpoint health --cluster", etcdctl.display());
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    let health = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(health.matches("is healthy").count(), 3, "{health}");

    let url = up.status().members[0].client_url.clone();
    let tls = up.dir().join("tls");
    let ca = read(tls.join("ca.crt"));
    let request = Request { common_name: "client".into(), names: Vec::new() };
    let of = |authority: &Authority| authority.issue(&request, Timestamp::now(), DAY).unwrap();
    let peer = of(&authority(&up, "peer"));
    let stranger = of(&Authority::generate("demo client authority", Timestamp::now(), DAY).unwrap());
    let good = of(&authority(&up, "client"));
    runtime().block_on(async {
        let door = async |own: Option<(&str, &SecretKey)>| {
            serves(connect_as(&url, tls_config(&ca, own).unwrap()).await).await
        };
        assert!(serves(connect_with(&url, &tls).await).await, "the certificate for people");
        assert!(door(Some((&good.certificate, &good.key))).await, "another one of the same authority");
        assert!(!door(None).await, "no certificate");
        assert!(!door(Some((&peer.certificate, &peer.key))).await, "one of the peers' authority");
        assert!(
            !door(Some((&stranger.certificate, &stranger.key))).await,
            "one of a stranger of the same name"
        );
        assert!(!serves(connect(&url.replace("https", "http")).await).await, "plain text");
    });
    for url in [&url, &up.status().members[0].peer_url] {
        assert_eq!(answer_to_old_tls(url), Some(70), "TLS 1.1 at {url}: protocol_version");
    }
    only_the_owner_reads_keys(&up);
}

/// The alert that a server answers a client with that speaks TLS 1.1 at the most.
fn answer_to_old_tls(url: &str) -> Option<u8> {
    let mut stream = TcpStream::connect(url.trim_start_matches("https://")).unwrap();
    stream.set_read_timeout(Some(SECONDS(10))).unwrap();
    let extensions: &[u8] = &[
        0, 10, 0, 4, 0, 2, 0, 23, // supported_groups: secp256r1
        0, 11, 0, 2, 1, 0, // ec_point_formats: uncompressed
    ];
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x09, 0xc0, 0x0a, 1, 0]);
    hello.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    hello.extend(extensions);
    let mut handshake = vec![1, 0];
    handshake.extend(u16::try_from(hello.len()).unwrap().to_be_bytes());
    handshake.extend(hello);
    let mut record = vec![22, 3, 1];
    record.extend(u16::try_from(handshake.len()).unwrap().to_be_bytes());
    record.extend(handshake);
    stream.write_all(&record).unwrap();
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).unwrap();
    (answer[0] == 21).then_some(answer[6])
}

/// The files below a folder, links not followed.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files_below(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

fn only_the_owner_reads_keys(up: &Up) {
    let keys: Vec<_> = files_below(&up.dir())
        .into_iter()
        .filter(|path| path.extension().is_some_and(|k| k == "key"))
        .collect();
    assert_eq!(keys.len(), 2 + 1 + 3 * 2, "two authorities, people, three members on two sides: {keys:?}");
    for key in keys {
        let mode = fs::metadata(&key).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o400, "{}", key.display());
    }
}

#[test]
fn no_key_is_told_anywhere() {
    let mut up = prepare(Minor::V3_6, SECURED);
    up.run_logging(&[], Some("trace"));
    up.wait_ready(3);
    up.succeed(&["rotate-certificates"]);
    up.wait("the new authorities", CHANGE, |status| status.is("Ready") && up.log().contains("DropAuthority"));
    up.succeed(&["scale", "5"]);
    up.wait_ready(5);
    let keys: Vec<_> = files_below(&up.dir())
        .into_iter()
        .filter(|path| path.extension().is_some_and(|kind| kind == "key"))
        .map(read)
        .collect();
    // A line of a key, since nothing that spills one would keep its line breaks apart.
    let canaries: Vec<&str> = keys.iter().filter_map(|key| key.lines().nth(1)).collect();
    assert!(canaries.len() >= 2 + 1 + 5 * 2 && canaries.iter().all(|line| line.len() > 40));
    let mut said = vec![
        ("the log of up".to_owned(), up.log()),
        ("quorate explain".to_owned(), up.succeed(&["explain"])),
        ("quorate status".to_owned(), up.succeed(&["status", "-o", "yaml"])),
    ];
    for pid in processes_below(&up.dir()) {
        said.push((format!("arguments of {pid}"), read(format!("/proc/{pid}/cmdline"))));
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
        said.push((format!("environment of {pid}"), String::from_utf8_lossy(&environment).into_owned()));
    }
    let kept = |path: &PathBuf| !path.iter().any(|part| part == "tls" || part == "data");
    for path in files_below(&up.dir()).into_iter().filter(kept) {
        said.push((
            path.display().to_string(),
            String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned(),
        ));
    }
    assert!(up.log().contains("TRACE"), "it was told to tell everything");
    for (place, text) in said {
        assert!(!text.contains("PRIVATE KEY"), "{place}");
        for canary in &canaries {
            assert!(!text.contains(canary), "{place} holds a key");
        }
    }
}

#[test]
fn to_tls_and_back_under_load_on_3_5() {
    to_tls_and_back(Minor::V3_5);
}

#[test]
fn to_tls_and_back_under_load_on_3_6() {
    to_tls_and_back(Minor::V3_6);
}

#[test]
fn to_tls_and_back_under_load_on_3_7() {
    to_tls_and_back(Minor::V3_7);
}

fn to_tls_and_back(minor: Minor) {
    let _alone = alone();
    let up = start(minor, PLAIN);
    assert!(urls(&up).iter().all(|url| url.starts_with("http://")), "{:?}", urls(&up));
    stays_as_it_is(&up, minor);
    for (what, tls, scheme) in
        [("plain text → TLS", SECURED, "https://"), ("TLS → plain text", PLAIN, "http://")]
    {
        let next = up.status().observed_generation.unwrap() + 1;
        under_load(&up, &format!("{minor}: {what}"), applied(next), |up| up.write_spec(&spec(minor, tls)));
        assert!(urls(&up).iter().all(|url| url.starts_with(scheme)), "{:?}", urls(&up));
        let listening = listening(&up);
        assert_eq!(listening.len(), 3 * 3, "a port for clients, peers and metrics each: {listening:?}");
        stays_as_it_is(&up, minor);
    }
}

/// A spec that stops speaking of TLS changes nothing at a cluster that is there.
fn stays_as_it_is(up: &Up, minor: Minor) {
    let was = (urls(up), processes_below(&up.dir()));
    let next = up.status().observed_generation.unwrap() + 1;
    up.write_spec(&spec(minor, UNSAID));
    up.wait("a spec without tls", SECONDS(30), applied(next));
    assert_eq!((urls(up), processes_below(&up.dir())), was, "no process was restarted");
}

/// What the etcd processes of a cluster are told to listen on.
fn listening(up: &Up) -> Vec<String> {
    let flags = processes_below(&up.dir()).into_iter().flat_map(|pid| {
        let line = read(format!("/proc/{pid}/cmdline"));
        line.split('\0').filter(|flag| flag.starts_with("--listen-")).map(str::to_owned).collect::<Vec<_>>()
    });
    flags.flat_map(|flag| flag.split(',').map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn plain_clients_are_kept_as_long_as_they_are_wanted() {
    let minor = Minor::V3_6;
    let up = start(minor, PLAIN);
    let old = up.status().members[0].client_url.clone();
    let both = "tls: {peer: {mode: Managed}, client: {mode: Managed, plaintext: true}}";
    up.write_manifest(&spec(minor, both));
    up.wait("both", CHANGE, applied(2));
    let new = up.status().members[0].client_url.clone();
    assert!(new.starts_with("https://"), "{new}");
    runtime().block_on(async {
        assert!(serves(connect(&old).await).await, "the plain URL of before");
        assert!(serves(connect_with(&new, &up.dir().join("tls")).await).await);
    });
}

#[test]
fn authorities_take_over_under_load() {
    let _alone = alone();
    let up = start(Minor::V3_6, SECURED);
    let before: BTreeMap<_, _> =
        ["peer", "client"].map(|side| (side, authority(&up, side).id().clone())).into();
    let done = |status: &ClusterStatus| {
        let other = |side: &str| {
            let files = authority_files(&up, side);
            files.len() == 1 && !files[0].display().to_string().contains(&before[side].0)
        };
        other("peer") && other("client") && status.updated_members == 3 && status.is("Ready")
    };
    under_load(&up, "new authorities", done, |up| {
        up.succeed(&["rotate-certificates"]);
    });
    for member in up.names() {
        for side in ["peer", "client"] {
            let new = authority(&up, side);
            let folder = up.member_dir(&member).join("tls");
            let leaf = Certificate::read(&read(folder.join(side).join("tls.crt"))).unwrap();
            assert!(leaf.is_signed_by(new.facts()), "{member} {side}");
            let trusted = read(folder.join(format!("{side}-ca.crt")));
            assert_eq!(trusted, new.certificate(), "{member} trusts the new one of {side} and no other");
        }
    }
}

/// Certificates that live for 40 s are renewed every 27 s.
fn short_lived() -> Policy {
    Policy { leaf_life: SECONDS(40), ..brisk() }
}

#[test]
fn certificates_are_renewed_without_a_restart() {
    let up = prepare(Minor::V3_6, SECURED);
    runtime().block_on(async {
        let limit = SECONDS(120);
        let go_on = |_: &_, _: &_, _: &_| Then::GoOn;
        drive(&up, short_lived(), limit, go_on, |_, decision| matches!(decision, Decision::Settled)).await;
        let pids = processes_below(&up.dir());
        let name = fs::read_dir(up.dir().join("members")).unwrap().next().unwrap().unwrap().file_name();
        let path = up.member_dir(name.to_str().unwrap()).join("tls/peer/tls.crt");
        let first = Certificate::read(&read(&path)).unwrap();
        let client = Certificate::read(&read(up.dir().join("tls/client.crt"))).unwrap();
        // Long enough that nothing of what was there at first is valid any more.
        let end = first.until.max(client.until) + SECONDS(5);
        drive(&up, short_lived(), limit, go_on, |_, _| Timestamp::now() > end).await;
        let renewed = Certificate::read(&read(&path)).unwrap();
        assert!(renewed.until > first.until);
        assert_eq!(processes_below(&up.dir()), pids, "no process was restarted");
        let world =
            drive(&up, short_lived(), limit, go_on, |_, decision| matches!(decision, Decision::Settled))
                .await;
        let url = &world.incarnations[0].client_url;
        assert!(
            serves(connect_with(url, &up.dir().join("tls")).await).await,
            "with renewed ones on both sides"
        );
    });
}

#[test]
fn a_spoilt_file_is_told_restarts_nobody_and_heals() {
    let up = start(Minor::V3_6, SECURED);
    let pids = processes_below(&up.dir());
    // What a member shows is made anew by itself.
    let leaf = up.member_dir(&up.names()[0]).join("tls/client");
    for (name, text) in [("tls.crt", Some("garbage")), ("tls.key", None)] {
        let path = leaf.join(name);
        fs::remove_file(&path).unwrap();
        if let Some(text) = text {
            fs::write(&path, text).unwrap();
        }
        up.wait("a new certificate", SECONDS(30), |_| {
            let pair = (fs::read_to_string(leaf.join("tls.crt")), fs::read_to_string(leaf.join("tls.key")));
            matches!(pair, (Ok(crt), Ok(key)) if Certificate::read(&crt).is_ok_and(|one| one.fits(&SecretKey::new(key.as_str()))))
        });
    }
    // What signs is a person's matter.
    let key = authority_files(&up, "client")[0].with_extension("key");
    let kept = read(&key);
    fs::remove_file(&key).unwrap();
    let problem = |status: &ClusterStatus| {
        let found = status.conditions.iter().find(|one| one.kind == "CertificatesReady").cloned();
        found.filter(|one| one.status == "False").map(|one| one.message)
    };
    up.wait("the condition", SECONDS(30), |status| problem(status).is_some());
    let message = problem(&up.status()).unwrap();
    assert!(message.contains(&key.display().to_string()), "{message}");
    assert!(up.status().is("Available"));
    fs::write(&key, kept).unwrap();
    up.wait("it heals", SECONDS(30), |status| problem(status).is_none() && status.is("Ready"));
    assert_eq!(processes_below(&up.dir()), pids, "nobody was restarted");
}

#[test]
fn certificates_that_ran_out_while_nobody_looked_are_renewed_before_the_start() {
    let _alone = alone();
    let mut up = start(Minor::V3_6, SECURED);
    up.interrupt();
    for name in up.names() {
        for side in ["peer", "client"] {
            let folder = up.member_dir(&name).join("tls").join(side);
            let past = Timestamp::now() - DAY * 3;
            let request =
                Request { common_name: name.clone(), names: vec!["127.0.0.1".into(), "localhost".into()] };
            let old = authority(&up, side).issue(&request, past, DAY).unwrap();
            for (file, text) in [("tls.crt", &*old.certificate), ("tls.key", old.key.reveal())] {
                fs::remove_file(folder.join(file)).unwrap();
                fs::write(folder.join(file), text).unwrap();
            }
        }
    }
    up.run();
    up.wait_ready(3);
}
