use std::collections::BTreeMap;

use super::*;
use crate::{
    api::EtcdMemberSpec,
    kubernetes::render,
    pki::Certificate,
    plan::transport::{Channel, Transport},
};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn applied(entries: Entries, held: &mut BTreeMap<String, String>) {
    for (name, text) in entries {
        match text {
            Some(text) => held.insert(name, text),
            None => held.remove(&name),
        };
    }
}

/// One more authority among those that are kept.
fn another(kept: &mut BTreeMap<String, String>, at: Timestamp) -> Authorities {
    let known = if kept.is_empty() { Authorities::default() } else { Authorities::of(kept) };
    applied(known.with_another("demo", at, 10 * YEAR).unwrap(), kept);
    Authorities::of(kept)
}

fn supply(authorities: Authorities) -> Supply {
    Supply { authorities, ..Supply::default() }
}

fn ids(known: &Authorities) -> Vec<AuthorityId> {
    known.certificates().into_iter().map(|one| one.id).collect()
}

fn member(peers: &[AuthorityId]) -> EtcdMember {
    let spec: EtcdMemberSpec = serde_json::from_value(serde_json::json!({
        "cluster": "demo", "clusterUid": "c", "serial": 1, "version": "3.6.16", "image": "etcd",
    }))
    .unwrap();
    let mut member = EtcdMember::new("demo-a", spec);
    let peer = Channel { listen: Listen::Tls, trust: peers.iter().cloned().collect() };
    member.spec.transport = Transport { peer, client: Channel::default() };
    member
}

fn due(member: &EtcdMember, held: &Held, peer: Authorities, at: Timestamp) -> Result<Vec<String>, String> {
    entries(member, held, peer, at).map(|entries| entries.into_keys().collect())
}

fn entries(member: &EtcdMember, held: &Held, peer: Authorities, at: Timestamp) -> Result<Entries, String> {
    let known = Sides { peer: supply(peer), client: Supply::default() };
    let names = |side| render::certificate_names("demo", "ns", "cluster.local", "demo-a", side);
    of_member(member, held, &known, names, at, YEAR).map_err(|error| error.to_string())
}

#[test]
fn a_member_gets_what_it_needs_and_keeps_it() {
    let mut kept = BTreeMap::new();
    let known = another(&mut kept, now());
    let member = member(&ids(&known));
    let mut held = Held::new();
    applied(entries(&member, &held, known, now()).unwrap(), &mut held);
    assert_eq!(held.keys().collect::<Vec<_>>(), ["peer-ca.crt", "peer.crt", "peer.key"]);
    let leaf = Certificate::read(&held["peer.crt"]).unwrap();
    for name in ["demo-a.demo-peers.ns.svc.cluster.local", "demo-peers.ns.svc.cluster.local", "127.0.0.1"] {
        assert!(leaf.names.iter().any(|one| one == name), "{name}: {:?}", leaf.names);
    }
    let again = |held: &Held, at| due(&member, held, Authorities::of(&kept), at).unwrap();
    assert_eq!(again(&held, now()), [""; 0]);
    assert_eq!(again(&held, now() + YEAR * 2 / 3), ["peer.crt", "peer.key"], "renewed in time");
    let mut spoilt = held.clone();
    spoilt.insert("peer.key".into(), "garbage".into());
    assert_eq!(again(&spoilt, now()), ["peer.crt", "peer.key"]);
    assert!(seen("demo-a", &spoilt, Side::Peer, &Authorities::of(&kept)).is_none());
    assert_eq!(seen("demo-a", &held, Side::Peer, &Authorities::of(&kept)).unwrap().holder, "demo-a");
}

#[test]
fn whom_a_member_trusts_follows_its_recipe_through_a_rotation() {
    let mut kept = BTreeMap::new();
    let old = ids(&another(&mut kept, now()));
    let mut held = Held::new();
    applied(entries(&member(&old), &held, Authorities::of(&kept), now()).unwrap(), &mut held);
    let later = now() + Duration::from_secs(60);
    let both = ids(&another(&mut kept, later));
    assert_eq!(due(&member(&old), &held, Authorities::of(&kept), later).unwrap(), [""; 0], "not told yet");
    applied(entries(&member(&both), &held, Authorities::of(&kept), later).unwrap(), &mut held);
    assert_eq!(pki::bundle(&held["peer-ca.crt"]).unwrap().len(), 2);
    applied(Authorities::appointing(&both[1]), &mut kept);
    let files = due(&member(&both), &held, Authorities::of(&kept), later).unwrap();
    assert_eq!(files, ["peer.crt", "peer.key"], "signed anew");
    applied(entries(&member(&both), &held, Authorities::of(&kept), later).unwrap(), &mut held);
    applied(Authorities::without(&both[0]), &mut kept);
    assert_eq!(due(&member(&both), &held, Authorities::of(&kept), later).unwrap(), [""; 0]);
    let files = due(&member(&both[1..]), &held, Authorities::of(&kept), later).unwrap();
    assert_eq!(files, ["peer-ca.crt"]);
}

#[test]
fn without_an_authority_what_is_there_is_kept_and_nothing_is_made_up() {
    let mut kept = BTreeMap::new();
    let known = another(&mut kept, now());
    let member = member(&ids(&known));
    let mut held = Held::new();
    let missing = entries(&member, &held, Authorities::default(), now()).unwrap_err();
    assert!(missing.contains("restore the Secret"), "{missing}");
    applied(entries(&member, &held, known, now()).unwrap(), &mut held);
    let mut keyless = kept.clone();
    keyless.retain(|name, _| !name.ends_with(".key"));
    assert_eq!(due(&member, &held, Authorities::of(&keyless), now()).unwrap(), [""; 0]);
    held.remove("peer.key");
    let said = due(&member, &held, Authorities::of(&keyless), now()).unwrap_err();
    assert!(said.contains("nobody signs peer certificates"), "{said}");
}

#[test]
fn clients_are_told_whom_to_trust() {
    let mut kept = BTreeMap::new();
    let known = another(&mut kept, now());
    let mut held = Held::new();
    applied(of_clients(&held, &supply(known), now(), YEAR).unwrap(), &mut held);
    assert_eq!(held.keys().collect::<Vec<_>>(), ["ca.crt", "tls.crt", "tls.key"]);
    let both = another(&mut kept, now() + Duration::from_secs(60));
    let changed = of_clients(&held, &supply(both), now(), YEAR).unwrap();
    assert_eq!(changed.keys().collect::<Vec<_>>(), ["ca.crt"]);
}

#[test]
fn what_others_made_is_handed_on_once_every_member_trusts_who_signed_it() {
    let [old, new] = ["old", "new"].map(|name| pki::Authority::generate(name, now(), 10 * YEAR).unwrap());
    let ids = [old.id().clone(), new.id().clone()];
    let given = |signs: &pki::Authority, trusted: &[AuthorityId]| {
        let request = Request { common_name: "all".into(), names: vec!["*.demo-peers".into()] };
        let issued = signs.issue(&request, now(), YEAR).unwrap();
        let entries = [
            ("ca.crt", format!("{}{}", old.certificate(), new.certificate())),
            ("tls.crt", issued.certificate),
            ("tls.key", issued.key.reveal().to_owned()),
        ];
        let entries = entries.map(|(name, text)| (name.to_owned(), text)).into();
        let pki::Given { authorities, leaf } = pki::Given::of(&entries, now());
        let supply = supply(authorities);
        Supply { members: leaf, trusted: Some(trusted.iter().cloned().collect()), given: true, ..supply }
    };
    let files = |member: &EtcdMember, held: &Held, peer| {
        let known = Sides { peer, client: Supply::default() };
        let made = of_member(member, held, &known, |_| Vec::new(), now(), YEAR);
        made.map_err(|error| error.to_string())
    };
    let mut held = Held::new();
    let said = files(&member(&ids), &held, given(&new, &ids[..1])).unwrap_err();
    assert!(said.contains("before every member trusts that authority"), "{said}");
    applied(files(&member(&ids[..1]), &held, given(&old, &ids[..1])).unwrap(), &mut held);
    assert_eq!(held.keys().collect::<Vec<_>>(), ["peer-ca.crt", "peer.crt", "peer.key"]);
    let waiting = files(&member(&ids), &held, given(&new, &ids[..1])).unwrap();
    assert_eq!(waiting.into_keys().collect::<Vec<_>>(), ["peer-ca.crt"], "some trust the old one alone");
    let taken = files(&member(&ids), &held, given(&new, &ids)).unwrap();
    assert_eq!(taken.into_keys().collect::<Vec<_>>(), ["peer-ca.crt", "peer.crt", "peer.key"]);
    let lost = supply(Authorities::unusable("the Secret is gone".into()));
    assert!(files(&member(&ids[..1]), &held, lost).unwrap().is_empty(), "what is held goes on");
}

#[test]
fn clients_go_on_trusting_whom_members_still_show() {
    let [old, new] = ["old", "new"].map(|name| pki::Authority::generate(name, now(), 10 * YEAR).unwrap());
    let given = |signs: &pki::Authority, trusted: &[&pki::Authority]| {
        let issued = signs.issue(&Request { common_name: "client".into(), names: Vec::new() }, now(), YEAR);
        let issued = issued.unwrap();
        let entries = [
            ("ca.crt", signs.certificate().to_owned()),
            ("tls.crt", issued.certificate),
            ("tls.key", issued.key.reveal().to_owned()),
        ];
        let entries = entries.map(|(name, text)| (name.to_owned(), text)).into();
        let pki::Given { authorities, leaf } = pki::Given::of(&entries, now());
        let ids: BTreeSet<_> = trusted.iter().map(|one| one.id().clone()).collect();
        let supply = supply(authorities);
        Supply { clients: leaf, trusted: Some(ids.clone()), ever_trusted: ids, given: true, ..supply }
    };
    let mut held = Held::new();
    applied(of_clients(&held, &given(&old, &[&old]), now(), YEAR).unwrap(), &mut held);
    let before = held["tls.crt"].clone();
    applied(of_clients(&held, &given(&new, &[&old]), now(), YEAR).unwrap(), &mut held);
    assert_eq!((pki::bundle(&held["ca.crt"]).unwrap().len(), &held["tls.crt"]), (2, &before));
    applied(of_clients(&held, &given(&new, &[&new]), now(), YEAR).unwrap(), &mut held);
    assert_eq!(pki::bundle(&held["ca.crt"]).unwrap().len(), 1);
    assert_ne!(held["tls.crt"], before);
}
