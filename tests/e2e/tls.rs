//! Clusters under TLS: born so, moved there and back, with Secrets that are hurt, lost or somebody else's.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use k8s_openapi::{
    ByteString,
    api::core::v1::{Pod, Secret},
};
use quorate::pki::{Authority, Certificate, Issued, Request, SecretKey};
use rustls::{
    ClientConnection,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use crate::{
    clients::{self, To},
    keys::assert_told_nowhere,
    place::Place,
    tell::planned,
};

/// Under TLS and nothing else.
const MANAGED: &str = "size: 3\ntls: {peer: {mode: Managed}, client: {mode: Managed}}";
/// Under TLS, with the plain port for clients beside.
pub const BESIDE: &str = "size: 3\ntls: {peer: {mode: Managed}, client: {mode: Managed, plaintext: true}}";
/// In plain text.
pub const DISABLED: &str = "size: 3\ntls: {peer: {mode: Disabled}, client: {mode: Disabled}}";
/// Two rolls, and three changes of URLs between them.
pub const MOVED: Duration = Duration::from_secs(240);
/// How soon a Secret that is hurt is told or healed.
const TOLD: Duration = Duration::from_secs(30);

/// What a Secret holds; nothing when there is none.
pub fn secret(place: &Place, name: &str) -> Option<BTreeMap<String, String>> {
    let found = place.wait_for(place.api::<Secret>().get_opt(name)).expect("an answer")?;
    let text = |(name, bytes): (String, ByteString)| (name, String::from_utf8(bytes.0).unwrap());
    Some(found.data.unwrap_or_default().into_iter().map(text).collect())
}

/// A port of a member under TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Client,
    Peer,
}

impl Door {
    fn port(self) -> u16 {
        if self == Self::Client { 2384 } else { 2383 }
    }

    /// The name that every member shows there.
    fn name(self, place: &Place) -> String {
        let service = if self == Self::Client { "demo" } else { "demo-peers" };
        format!("{service}.{}.svc", place.kubectl.name())
    }

    /// Whom a member is known by there.
    fn authorities(self, place: &Place, member: &str) -> Option<String> {
        match self {
            Self::Client => secret(place, "demo-client")?.remove("ca.crt"),
            Self::Peer => secret(place, &format!("{member}-tls"))?.remove("peer-ca.crt"),
        }
    }
}

/// How a member answers whoever shows this certificate at a port under TLS; the certificate that it shows itself, if it does.
fn shake_hands(
    place: &Place,
    member: &str,
    door: Door,
    own: Option<(&str, &str)>,
) -> Result<Vec<u8>, String> {
    let authorities = door.authorities(place, member).ok_or("there is no Secret")?;
    let key = own.map(|(certificate, key)| (certificate, SecretKey::new(key)));
    let own = key.as_ref().map(|(certificate, key)| (*certificate, key));
    let config = quorate::etcd::tls_config(&authorities, own).map_err(|error| error.to_string())?;
    let name = ServerName::try_from(door.name(place)).unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = connect(place, member, door)?;
    let mut tls = rustls::Stream::new(&mut session, &mut stream);
    let ask = b"GET /version HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\n\r\n";
    tls.write_all(ask).map_err(|error| error.to_string())?;
    let mut answer = [0; 12];
    tls.read_exact(&mut answer).map_err(|error| error.to_string())?;
    assert_eq!(&answer, b"HTTP/1.1 200");
    Ok(session.peer_certificates().unwrap()[0].to_vec())
}

fn connect(place: &Place, member: &str, door: Door) -> Result<TcpStream, String> {
    let pod = place.wait_for(place.api::<Pod>().get_opt(member)).expect("an answer");
    let address = pod.and_then(|pod| pod.status?.pod_ip).ok_or("it has no address")?;
    let address = SocketAddr::new(address.parse().unwrap(), door.port());
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2));
    let stream = stream.map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    Ok(stream)
}

/// The certificate that a member shows clients now; nothing while it does not serve them.
pub fn shown(place: &Place, member: &str) -> Option<Vec<u8>> {
    let clients = secret(place, "demo-client")?;
    let own = (clients["tls.crt"].as_str(), clients["tls.key"].as_str());
    shake_hands(place, member, Door::Client, Some(own)).ok()
}

/// The first certificate of a PEM as it is shown.
pub fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate").to_vec()
}

/// What a member says first to a client that knows no TLS above this version (0x0302 is TLS 1.1): the kind of the record and
/// its last byte, which says in an alert what is wrong.
fn greeted(place: &Place, member: &str, door: Door, version: u16) -> (u8, u8) {
    let [high, low] = version.to_be_bytes();
    // ECDSA and RSA with AES, in forms of TLS 1.2 and of former versions.
    let suites: &[u8] = &[0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x09, 0xc0, 0x13, 0x00, 0x2f];
    // Three curves, points as they are, and what may be signed with.
    let extensions: &[u8] = &[
        0, 10, 0, 8, 0, 6, 0, 23, 0, 24, 0, 25, //
        0, 11, 0, 2, 1, 0, //
        0, 13, 0, 8, 0, 6, 4, 3, 4, 1, 2, 3,
    ];
    let mut hello = vec![high, low];
    hello.extend([7; 32]);
    hello.extend([0, 0, suites.len() as u8]);
    hello.extend(suites);
    hello.extend([1, 0, 0, extensions.len() as u8]);
    hello.extend(extensions);
    let mut record = vec![22, 3, 1, 0, hello.len() as u8 + 4, 1, 0, 0, hello.len() as u8];
    record.extend(hello);
    let mut stream = connect(place, member, door).unwrap();
    stream.write_all(&record).unwrap();
    let mut head = [0; 5];
    stream.read_exact(&mut head).unwrap();
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    stream.read_exact(&mut body).unwrap();
    (head[0], *body.last().unwrap())
}

/// A record of a handshake, and one of an alert with its word for versions of TLS.
const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
const VERSION_REFUSED: u8 = 70;

/// Waits until something about the Secrets is as it should be.
pub fn soon(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < TOLD * 4, "{what}: not within {TOLD:?}");
        std::thread::sleep(Duration::from_millis(300));
    }
    println!("{what}: {:.1} s", began.elapsed().as_secs_f64());
}

pub fn restarts(place: &Place) -> Vec<Option<String>> {
    place.names().iter().map(|name| place.pod_uid(name)).collect()
}

/// A certificate that the cluster's own authority of a side signs, as if at another time.
fn of_authority(place: &Place, side: &str, names: Vec<String>, since: Timestamp) -> Issued {
    let kept = secret(place, &format!("demo-{side}-ca")).unwrap();
    let id = kept["issuer"].trim();
    let key = SecretKey::new(kept[&format!("{id}.key")].as_str());
    let authority = Authority::load(&kept[&format!("{id}.crt")], key).unwrap();
    let request = Request { common_name: "other".into(), names };
    authority.issue(&request, since, Duration::from_secs(30 * 24 * 3600)).unwrap()
}

#[test]
fn a_cluster_is_born_under_tls_and_its_secrets_are_looked_after() {
    let place = Place::new("quorate-tls");
    // A spec that does not speak of TLS.
    place.apply_spec("demo", "size: 3");
    let took = place.wait_ready("demo", 3);
    println!("three members under TLS: {:.1} s", took.as_secs_f64());
    let status = place.status("demo");
    assert!(status.members.iter().all(|one| one.peer_url.starts_with("https://")), "{status:?}");
    assert!(status.members.iter().all(|one| one.client_url.starts_with("https://")), "{status:?}");

    let member = place.follower();
    let clients = secret(&place, "demo-client").unwrap();
    let peers = secret(&place, &format!("{member}-tls")).unwrap();
    let client = Some((clients["tls.crt"].as_str(), clients["tls.key"].as_str()));
    let peer = Some((peers["peer.crt"].as_str(), peers["peer.key"].as_str()));
    // Peers look up the names of a certificate, and take one without names from any address.
    let nameless = of_authority(&place, "peer", Vec::new(), Timestamp::now());
    let nameless = Some((nameless.certificate.as_str(), nameless.key.reveal()));
    for (door, right, others) in [
        (Door::Client, client, [("nobody", None), ("a peer", peer)]),
        (Door::Peer, nameless, [("nobody", None), ("a client", client)]),
    ] {
        let welcome = shake_hands(&place, &member, door, right);
        assert!(welcome.is_ok(), "{door:?}: {welcome:?}");
        for (what, own) in others {
            let refused = shake_hands(&place, &member, door, own);
            assert!(refused.is_err(), "{what} is let in at the port of {door:?}");
        }
        assert_eq!(greeted(&place, &member, door, 0x0303).0, HANDSHAKE, "TLS 1.2 at the port of {door:?}");
        assert_eq!(greeted(&place, &member, door, 0x0302), (ALERT, VERSION_REFUSED), "TLS 1.1 at {door:?}");
    }

    let before = restarts(&place);
    let there = |name: &str, entry: &str| {
        let held = secret(&place, name).unwrap_or_default();
        held.get(entry).is_some_and(|pem| Certificate::read(pem).is_ok())
    };
    let own = format!("{member}-tls");
    place.kubectl.must(&["delete", "secret", &own], "");
    soon("a member's Secret that was deleted is made anew", || there(&own, "peer.crt"));
    let names = Certificate::read(&peers["peer.crt"]).unwrap().names;
    // One of last year, and one that a clock three hours ahead made: they begin two hours before.
    let hour = Duration::from_secs(3600);
    for (what, since) in [
        ("expired", Timestamp::now() - 400 * 24 * hour),
        ("of three hours ahead", Timestamp::now() + 3 * hour),
    ] {
        let peer = of_authority(&place, "peer", names.clone(), since);
        let change = serde_json::json!({ "stringData": {
            "server.crt": "garbage", "peer.crt": peer.certificate, "peer.key": peer.key.reveal(),
        }});
        place.kubectl.must(&["patch", "secret", &own, "--type=merge", "--patch", &change.to_string()], "");
        soon(&format!("certificates, damaged and {what}, are made anew"), || {
            there(&own, "server.crt") && secret(&place, &own).unwrap()["peer.crt"] != peer.certificate
        });
    }

    let ready = |wanted: &str| {
        let status = place.status("demo");
        status.condition("CertificatesReady").is_some_and(|one| one.status == wanted)
    };
    let mut kept = place.wait_for(place.api::<Secret>().get("demo-peer-ca")).unwrap();
    place.kubectl.must(&["delete", "secret", "demo-peer-ca"], "");
    soon("a lost authority is told", || ready("False"));
    assert!(secret(&place, "demo-peer-ca").is_none(), "nothing is started over");
    assert!(place.status("demo").is("Available"));
    (kept.metadata.uid, kept.metadata.resource_version, kept.metadata.managed_fields) = (None, None, None);
    place.wait_for(place.api::<Secret>().create(&Default::default(), &kept)).unwrap();
    soon("it heals when it is put back", || ready("True"));

    let kept = secret(&place, "demo-client-ca").unwrap();
    let authority = format!("{}.crt", kept["issuer"].trim());
    let write = |text: &str| {
        let change = serde_json::json!({ "stringData": { (authority.as_str()): text } }).to_string();
        let patch = ["patch", "secret", "demo-client-ca", "--type=merge", "--patch", &change];
        place.kubectl.must(&patch, "");
    };
    write("garbage");
    soon("an authority that is damaged is told", || {
        let status = place.status("demo");
        status
            .condition("CertificatesReady")
            .is_some_and(|one| one.status == "False" && one.message.contains("Secret demo-client-ca"))
    });
    assert_eq!(secret(&place, "demo-client-ca").unwrap()[&authority], "garbage", "nothing is started over");
    assert!(place.status("demo").is("Available"));
    write(&kept[&authority]);
    soon("it heals when it is put right", || ready("True"));
    assert_eq!(restarts(&place), before, "nobody was restarted for any of it");
    assert_told_nowhere(&place.kubectl, "quorate-system");
}

#[test]
fn a_secret_of_somebody_else_is_left_alone() {
    let place = Place::new("quorate-tls-foreign");
    // The one for clients comes last: nobody but them waits for it.
    let foreign = ["demo-peer-ca", "demo-client-ca", "demo-client"];
    for name in foreign {
        place.kubectl.must(&["create", "secret", "generic", name, "--from-literal=a=b"], "");
    }
    place.apply_spec("demo", "size: 3");
    for name in foreign {
        soon(&format!("a foreign Secret {name} is named"), || {
            let status = place.status("demo");
            status.conditions.iter().any(|one| one.message.contains(&format!("{name} is there and is not")))
        });
        assert_eq!(secret(&place, name).unwrap()["a"], "b");
        assert!(name == "demo-client" || place.names().is_empty(), "no member is made");
        place.kubectl.must(&["delete", "secret", name], "");
    }
    place.wait_ready("demo", 3);
}

#[test]
fn a_cluster_moves_to_tls_and_back_under_load() {
    let place = Place::with_cluster("quorate-tls-moves", 3);
    let names = place.names();
    // A cluster that is there stays as it is when its spec stops speaking of TLS.
    place.apply_spec("demo", "size: 3");
    place.wait("demo", "a spec without tls", TOLD, |status| {
        status.observed_generation == Some(2) && status.is("SpecApplied") && status.is("Ready")
    });
    assert!(place.status("demo").members.iter().all(|one| one.client_url.starts_with("http://")));
    let folder = tempfile::tempdir().unwrap();
    for (what, to, spec, scheme, ports) in [
        ("to TLS", To::Tls, MANAGED, "https://", "client:2379:client-tls client-tls:2384:client-tls "),
        ("to plain text", To::PlainText, DISABLED, "http://", "client:2379:client "),
    ] {
        // Clients follow: at no moment is there a port that all of them have, from the beginning to the end.
        let load = clients::load(&place, 50, to, &folder);
        place.apply("demo", spec);
        if to == To::Tls {
            clients::fetch(&place, folder.path());
        }
        let took = place.wait("demo", what, MOVED, |status| {
            status.updated_members == 3
                && status.is("Ready")
                && status.is("SpecApplied")
                && status.members.len() == 3
                && status.members.iter().all(|one| one.peer_url.starts_with(scheme))
                && status.members.iter().all(|one| one.client_url.starts_with(scheme))
        });
        println!("{what}: {:.1} s", took.as_secs_f64());
        planned(what, &load.finish());
        let path = "jsonpath={range .spec.ports[*]}{.name}:{.port}:{.targetPort} {end}";
        assert_eq!(place.kubectl.must(&["get", "service", "demo", "--output", path], ""), ports);
    }
    assert_eq!(place.names(), names, "nobody was replaced");
}
