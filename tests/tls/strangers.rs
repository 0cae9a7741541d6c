//! Who is let in, and who is not.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
};

use jiff::Timestamp;
use quorate::{
    etcd::{
        Credentials,
        http::{Fault, Http},
        tls_config,
    },
    pki::{Authority, Issued, Request, SecretKey},
    plan::version::Minor,
};

use super::{
    DAY, SECONDS, UNSAID, authority,
    common::{
        etcd::{http_status, wait_until},
        load::{connect, connect_as, connect_with},
        up::{Up, processes_below},
    },
    files_below, read, runtime, serves, start, urls, with_each_version,
};

#[test]
fn who_is_not_trusted_is_not_let_in() {
    with_each_version(who_is_let_in);
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
    let peer_url = up.status().members[0].peer_url.clone();
    only_peers_are_let_in_by_peers(
        &peer_url,
        authority(&up, "peer").certificate(),
        &peer,
        &[
            ("one of the clients' authority", Some(&good)),
            ("one of a stranger", Some(&stranger)),
            ("no certificate", None),
        ],
    );
    for url in [&url, &peer_url] {
        assert_eq!(answer_to_old_tls(url), Some(70), "TLS 1.1 at {url}: protocol_version");
    }
    only_the_owner_reads_keys(&up);
}

/// On the port for peers, what a person asks there is answered to peers alone.
fn only_peers_are_let_in_by_peers(url: &str, ca: &str, peer: &Issued, others: &[(&str, Option<&Issued>)]) {
    let members = format!("{url}/members");
    runtime().block_on(async {
        let answer = async |own: Option<&Issued>| {
            let config = tls_config(ca, own.map(|own| (own.certificate.as_str(), &own.key))).unwrap();
            let credentials = Credentials { peer: Some(config.into()), ..Credentials::default() };
            Http::with(credentials).get(&members, SECONDS(10)).await.map(|reply| reply.status)
        };
        assert_eq!(answer(Some(peer)).await, Ok(200), "another one of the peers' authority");
        for (what, own) in others {
            let answer = answer(*own).await;
            // No answer in time would say nothing: the door has to be shut.
            assert!(matches!(answer, Err(Fault::NotSent(_) | Fault::Lost(_))), "{what}: {answer:?}");
        }
    });
    assert_ne!(http_status(&members.replace("https", "http")), Some(200), "plain text");
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

/// Whatever a cluster of five says or leaves lying around, with its log at the most detailed level.
pub fn nobody_tells_a_key(up: &Up) {
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
