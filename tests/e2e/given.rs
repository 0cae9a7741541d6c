//! Certificates that others make: Secrets that a person keeps, and Certificates of cert-manager, which a stub signs here.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use kube::ResourceExt;
use quorate::{
    kubernetes::tls::Certificate,
    pki::{Authority, Issued, Request},
};
use serde_json::json;

use crate::{
    keys::assert_told_nowhere,
    place::Place,
    tell::planned,
    tls::{restarts, secret, soon},
};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
/// Two rolls.
const ROLLED: Duration = Duration::from_secs(240);

const SECRETS: &str = "size: 3\ntls:\n  peer: {mode: Secret, secretName: my-peer}\n  \
     client: {mode: Secret, secretName: my-server, clientSecretName: my-client, plaintext: true}";
const ISSUED: &str = "size: 3\ntls:\n  peer: {mode: CertManager, issuerRef: {name: stub}}\n  \
     client: {mode: CertManager, issuerRef: {name: stub, kind: ClusterIssuer}}";

fn authority(name: &str) -> Authority {
    Authority::generate(name, Timestamp::now(), YEAR).unwrap()
}

/// What all members of the cluster `demo` may show on a side.
fn leaf(place: &Place, authority: &Authority, side: &str) -> Issued {
    leaf_since(place, authority, side, Timestamp::now())
}

/// The same, expired long ago.
fn expired(place: &Place, authority: &Authority, side: &str) -> Issued {
    leaf_since(place, authority, side, Timestamp::now() - 2 * YEAR)
}

fn leaf_since(place: &Place, authority: &Authority, side: &str, since: Timestamp) -> Issued {
    let namespace = place.kubectl.name();
    let shared = if side == "peer" { "demo-peers" } else { "demo" };
    let names = vec![
        format!("*.demo-peers.{namespace}.svc.cluster.local"),
        format!("{shared}.{namespace}.svc.cluster.local"),
        "127.0.0.1".to_owned(),
    ];
    authority.issue(&Request { common_name: side.to_owned(), names }, since, YEAR).unwrap()
}

/// Makes a Secret, or replaces what it holds.
fn keep(place: &Place, name: &str, authorities: &str, issued: &Issued) {
    let manifest = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": { "name": name },
        "stringData": { "ca.crt": authorities, "tls.crt": issued.certificate, "tls.key": issued.key.reveal() },
    });
    place
        .kubectl
        .must(&["apply", "--server-side", "--force-conflicts", "--filename=-"], &manifest.to_string());
}

fn told(place: &Place, words: &str) -> bool {
    place.status("demo").conditions.iter().any(|one| one.message.contains(words))
}

fn usable(place: &Place) -> bool {
    place.status("demo").is("CertificatesReady")
}

/// What every member holds of a kind.
fn held(place: &Place, file: &str) -> Vec<String> {
    let names = place.names();
    names.iter().map(|name| secret(place, &format!("{name}-tls")).unwrap()[file].clone()).collect()
}

#[test]
fn certificates_in_secrets_are_used_looked_after_and_replaced() {
    let place = Place::new("quorate-tls-given");
    place.apply_spec("demo", SECRETS);
    soon("a Secret that is missing is named", || told(&place, "Secret my-peer is missing"));
    assert!(place.names().is_empty(), "no member is made");
    let old = authority("old");
    let client = Request { common_name: "operator".into(), names: Vec::new() };
    let mine = |authority: &Authority| authority.issue(&client, Timestamp::now(), YEAR).unwrap();
    let peer = leaf(&place, &old, "peer");
    keep(&place, "my-peer", old.certificate(), &mine(&old));
    keep(&place, "my-server", old.certificate(), &leaf(&place, &old, "client"));
    keep(&place, "my-client", old.certificate(), &mine(&old));
    soon("names that are missing are named", || {
        told(&place, "Secret my-peer: tls.crt does not name *.demo-peers.")
    });
    keep(&place, "my-peer", old.certificate(), &peer);
    place.wait_ready("demo", 3);
    let status = place.status("demo");
    assert!(status.members.iter().all(|one| one.peer_url.starts_with("https://")), "{status:?}");

    let before = restarts(&place);
    let garbage = Issued { certificate: "garbage".into(), key: peer.key.clone() };
    keep(&place, "my-peer", old.certificate(), &garbage);
    keep(&place, "my-server", old.certificate(), &expired(&place, &old, "client"));
    soon("garbage is told", || !usable(&place) && told(&place, "Secret my-peer"));
    soon("what is expired is told", || told(&place, "Secret my-server: tls.crt ended at"));
    place.kubectl.must(&["delete", "secret", "my-server"], "");
    soon("a lost Secret is told", || told(&place, "Secret my-server is missing"));
    assert!(place.status("demo").is("Available"));
    let member = place.follower();
    place.delete_pod(&member);
    soon("a member comes back meanwhile", || {
        !restarts(&place).contains(&None) && restarts(&place) != before && place.pod_ready(&member)
    });
    place.wait("demo", "and serves", ROLLED, |status| status.ready_members == 3);
    let before = restarts(&place);
    keep(&place, "my-server", old.certificate(), &leaf(&place, &old, "client"));
    let renewed = leaf(&place, &old, "peer");
    keep(&place, "my-peer", old.certificate(), &renewed);
    soon("it heals when it is put right", || usable(&place));
    soon("a renewed certificate is handed on", || {
        held(&place, "peer.crt").iter().all(|one| *one == renewed.certificate)
    });
    assert_eq!(restarts(&place), before, "nobody was restarted for any of it");

    // Another authority, with nothing of the former one.
    let new = authority("new");
    keep(&place, "my-peer", new.certificate(), &leaf(&place, &new, "peer"));
    soon("an authority that nobody trusts yet is told", || told(&place, "add its certificate to those"));
    assert_eq!(held(&place, "peer.crt")[0], renewed.certificate, "nothing of it is used");
    assert_eq!(restarts(&place), before);

    // The way it goes: both; then the new one alone. It takes long, and other loads do not wait for it.
    let load = place.load_beside(20);
    let both = format!("{}{}", old.certificate(), new.certificate());
    let (peer, server) = (leaf(&place, &new, "peer"), leaf(&place, &new, "client"));
    keep(&place, "my-peer", &both, &peer);
    keep(&place, "my-server", &both, &server);
    keep(&place, "my-client", "", &mine(&new));
    let uses = |file: &str, text: &str| held(&place, file).iter().all(|one| one == text);
    let begun = Instant::now();
    while !(uses("peer.crt", &peer.certificate) && uses("server.crt", &server.certificate)) {
        assert!(begun.elapsed() < ROLLED, "{:?}", place.status("demo").conditions);
        std::thread::sleep(Duration::from_secs(1));
    }
    println!("every member trusts both and shows the new one: {:.1} s", begun.elapsed().as_secs_f64());
    keep(&place, "my-peer", new.certificate(), &peer);
    keep(&place, "my-server", new.certificate(), &server);
    let took = place.wait("demo", "the former authority is gone", ROLLED, |status| {
        status.updated_members == 3
            && status.is("Ready")
            && status.is("CertificatesReady")
            && uses("peer-ca.crt", new.certificate())
            && uses("client-ca.crt", new.certificate())
    });
    println!("none trusts the former one any more: {:.1} s", took.as_secs_f64());
    planned("another authority", &load.finish());
    assert_told_nowhere(&place.kubectl, "quorate-system");
}

/// Signs as cert-manager would, for a Certificate that it was asked for.
fn sign(place: &Place, authority: &Authority, asked: &Certificate) {
    let spec = &asked.spec;
    assert_eq!((spec.private_key.algorithm.as_str(), spec.issuer_ref.name.as_str()), ("ECDSA", "stub"));
    let names = spec.dns_names.iter().chain(&spec.ip_addresses).cloned().collect();
    let request = Request { common_name: spec.common_name.clone(), names };
    let issued = authority.issue(&request, Timestamp::now(), YEAR).unwrap();
    keep(place, &spec.secret_name, authority.certificate(), &issued);
}

#[test]
fn an_issuer_of_cert_manager_signs() {
    let place = Place::new("quorate-tls-issuer");
    place.apply_spec("demo", ISSUED);
    soon("without cert-manager it is told", || told(&place, "cert-manager could not be asked"));
    place.kubectl.must(
        &["apply", "--server-side", "--filename=-"],
        include_str!("data/certificates.cert-manager.io.yaml"),
    );
    let asked = || {
        let found = place.wait_for(place.api::<Certificate>().list(&Default::default()));
        found.map(|list| list.items).unwrap_or_default()
    };
    soon("it is asked for certificates", || asked().len() == 3);
    soon("what is waited for is told", || told(&place, "see kubectl describe certificate demo-peer-issued"));
    let authority = authority("stub");
    asked().iter().for_each(|one| sign(&place, &authority, one));
    place.wait_ready("demo", 3);
    let status = place.status("demo");
    assert!(status.members.iter().all(|one| one.client_url.starts_with("https://")), "{status:?}");

    let kinds: BTreeMap<_, _> =
        asked().iter().map(|one| (one.name_any(), one.spec.issuer_ref.kind.clone())).collect();
    assert_eq!(
        (kinds["demo-peer-issued"].as_str(), kinds["demo-issued"].as_str()),
        ("Issuer", "ClusterIssuer")
    );
    let before = restarts(&place);
    asked().iter().for_each(|one| sign(&place, &authority, one));
    let made = || secret(&place, "demo-client-issued").unwrap()["tls.crt"].clone();
    soon("a renewed certificate is handed on", || {
        held(&place, "server.crt").iter().all(|one| *one == made())
    });
    let clients = || secret(&place, "demo-client").unwrap()["tls.crt"].clone();
    soon("to clients too", || clients() == secret(&place, "demo-issued").unwrap()["tls.crt"]);
    assert_eq!(restarts(&place), before, "nobody was restarted for it");
    place.apply_spec("demo", &ISSUED.replace(", kind: ClusterIssuer", ""));
    soon("another issuer is asked", || asked().iter().all(|one| one.spec.issuer_ref.kind == "Issuer"));
    assert_told_nowhere(&place.kubectl, "quorate-system");
}
