//! Clusters under TLS: born so, moved there and back, with Secrets that are hurt, lost or somebody else's.

use std::{
    collections::BTreeMap,
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use quorate::pki::{Authority, Certificate, Issued, Request, SecretKey};
use rustls::{ClientConnection, pki_types::ServerName};

use crate::{keys::assert_told_nowhere, place::Place, tell::planned};

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

/// How a member answers whoever shows this certificate at its port for clients under TLS.
fn shake_hands(place: &Place, member: &str, own: Option<(&str, &str)>) -> Result<(), String> {
    let authorities = &secret(place, "demo-client").unwrap()["ca.crt"];
    let key = own.map(|(certificate, key)| (certificate, SecretKey::new(key)));
    let own = key.as_ref().map(|(certificate, key)| (*certificate, key));
    let config = quorate::etcd::tls_config(authorities, own).map_err(|error| error.to_string())?;
    let name = ServerName::try_from(format!("demo.{}.svc", place.kubectl.name())).unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect((place.address(member).as_str(), 2384)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut tls = rustls::Stream::new(&mut session, &mut stream);
    let ask = b"GET /version HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\n\r\n";
    std::io::Write::write_all(&mut tls, ask).map_err(|error| error.to_string())?;
    let mut answer = [0; 12];
    std::io::Read::read_exact(&mut tls, &mut answer).map_err(|error| error.to_string())?;
    assert_eq!(&answer, b"HTTP/1.1 200");
    Ok(())
}

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
    assert_eq!(shake_hands(&place, &member, client), Ok(()));
    for (what, own) in [("nobody", None), ("a peer", peer)] {
        let refused = shake_hands(&place, &member, own);
        assert!(refused.is_err(), "{what} is let in as a client");
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
    // One of last year, and one that a clock an hour ahead made.
    let hour = Duration::from_secs(3600);
    for (what, since) in
        [("expired", Timestamp::now() - 400 * 24 * hour), ("of an hour ahead", Timestamp::now() + hour)]
    {
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
    assert_eq!(restarts(&place), before, "nobody was restarted for any of it");
    assert_told_nowhere(&place.kubectl, "quorate-system");
}

#[test]
fn a_secret_of_somebody_else_is_left_alone() {
    let place = Place::new("quorate-tls-foreign");
    place.kubectl.must(&["create", "secret", "generic", "demo-client-ca", "--from-literal=a=b"], "");
    place.apply_spec("demo", "size: 3");
    soon("a foreign Secret is named", || {
        let status = place.status("demo");
        status.conditions.iter().any(|one| one.message.contains("demo-client-ca is there and is not"))
    });
    assert_eq!(secret(&place, "demo-client-ca").unwrap()["a"], "b");
    assert!(place.names().is_empty(), "no member is made");
    place.kubectl.must(&["delete", "secret", "demo-client-ca"], "");
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
    for (what, spec, scheme) in [("to TLS", BESIDE, "https://"), ("to plain text", DISABLED, "http://")] {
        // Clients of the port in plain text, which is kept beside.
        let load = place.load(100);
        place.apply("demo", spec);
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
    }
    assert_eq!(place.names(), names, "nobody was replaced");
}
