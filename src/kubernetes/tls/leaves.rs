//! What the Secrets with certificates of members and clients have to hold. Pure but for randomness and a clock that comes in
//! as a value.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::EtcdMember,
    kubernetes::render::Held,
    member::guard::words::{authorities_file, certificate_file, key_file},
    pki::{self, Authorities, Entries, PkiError, Request, SecretKey},
    plan::{
        Side, Sides,
        certificates::{Kept, Leaf, WantedLeaf, leaf_due},
        transport::{AuthorityId, Listen},
    },
};

/// The holder of the certificate for clients.
pub(super) const CLIENT: &str = "client";

/// The sides of a member that listen under TLS.
pub(super) fn sides(member: &EtcdMember) -> impl Iterator<Item = Side> {
    Side::ALL.into_iter().filter(|side| member.spec.transport.get(*side).listen != Listen::Plain)
}

/// Why a Secret can't be made as it should be.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// There is nobody to sign.
    #[error(
        "nobody signs {0} certificates: the Secret of the {0} authorities is missing or damaged; restore it from a copy"
    )]
    NobodySigns(Side),
    /// An authority that the member is to trust is nowhere to be found.
    #[error(
        "the certificate of the {side} authority {id} is missing; restore the Secret of the {side} authorities from a copy"
    )]
    Unknown {
        /// Of which side.
        side: Side,
        /// Which one.
        id: AuthorityId,
    },
    /// It could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
}

/// The entries of a member's Secret that have to be written, given those that it has; none when it is as it should be.
///
/// Whom the member trusts follows its EtcdMember alone, so that a container that is started again in the middle of a
/// rotation finds what it had.
pub(super) fn of_member(
    member: &EtcdMember,
    held: &Held,
    known: &Sides<Authorities>,
    names: impl Fn(Side) -> Vec<String>,
    now: Timestamp,
    life: Duration,
) -> Result<Entries, LeafError> {
    let mut entries = Entries::new();
    let holder = member.metadata.name.clone().unwrap_or_default();
    for side in sides(member) {
        let authorities = known.get(side);
        let file = authorities_file(side);
        let bundle = bundle(side, &member.spec.transport.get(side).trust, authorities, held.get(file))?;
        if held.get(file) != Some(&bundle) {
            entries.insert(file.to_owned(), Some(bundle));
        }
        let request = Request { common_name: holder.clone(), names: names(side) };
        let files = [certificate_file(side), key_file(side)];
        entries.extend(leaf(side, files, held, authorities, &request, now, life)?);
    }
    Ok(entries)
}

/// The same for the Secret of clients.
pub(super) fn of_clients(
    held: &Held,
    authorities: &Authorities,
    now: Timestamp,
    life: Duration,
) -> Result<Entries, LeafError> {
    let request = Request { common_name: CLIENT.to_owned(), names: Vec::new() };
    let mut entries = leaf(Side::Client, CLIENT_FILES, held, authorities, &request, now, life)?;
    let bundle = authorities.bundle();
    if held.get("ca.crt") != Some(&bundle) {
        entries.insert("ca.crt".to_owned(), Some(bundle));
    }
    Ok(entries)
}

/// Certificate and key in the Secret of clients.
const CLIENT_FILES: [&str; 2] = ["tls.crt", "tls.key"];

/// A certificate and its key, if they are due.
fn leaf(
    side: Side,
    [certificate, key]: [&str; 2],
    held: &Held,
    authorities: &Authorities,
    request: &Request,
    now: Timestamp,
    life: Duration,
) -> Result<Entries, LeafError> {
    let kept = kept(held, [certificate, key], authorities);
    let Some(issuer) = authorities.issuer() else {
        return match kept {
            Kept::Leaf(_) => Ok(Entries::new()),
            _ => Err(LeafError::NobodySigns(side)),
        };
    };
    let wanted = WantedLeaf { issuer: issuer.id().clone(), names: request.names.iter().cloned().collect() };
    let Some(why) = leaf_due(&kept, &wanted, now) else { return Ok(Entries::new()) };
    tracing::info!(holder = request.common_name, side = side.name(), why, "a certificate is made");
    let issued = issuer.issue(request, now, life)?;
    Ok(Entries::from([
        (certificate.to_owned(), Some(issued.certificate)),
        (key.to_owned(), Some(issued.key.reveal().to_owned())),
    ]))
}

fn kept(held: &Held, [certificate, key]: [&str; 2], authorities: &Authorities) -> Kept {
    let key = held.get(key).map(|text| SecretKey::new(text.as_str()));
    pki::kept(held.get(certificate).map(String::as_str).zip(key.as_ref()), &authorities.certificates())
}

/// The certificates that a member is to trust: those of the authorities that are known, and those that it has already.
fn bundle<'a>(
    side: Side,
    trust: impl IntoIterator<Item = &'a AuthorityId>,
    authorities: &Authorities,
    held: Option<&String>,
) -> Result<String, LeafError> {
    let blocks = held.map(|text| blocks(text)).unwrap_or_default();
    let mut all = String::new();
    for id in trust {
        let own = || {
            let is = |pem: &&String| pki::Certificate::read(pem).is_ok_and(|facts| facts.id == *id);
            blocks.iter().find(is).map(String::as_str)
        };
        let pem = authorities.certificate(id).or_else(own);
        all.push_str(pem.ok_or_else(|| LeafError::Unknown { side, id: id.clone() })?);
    }
    Ok(all)
}

/// The certificates of a bundle, each as a PEM of its own.
fn blocks(pem: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let parts = pem.split_inclusive(END).filter(|part| part.contains(END));
    parts.map(|part| format!("{}\n", part.trim())).collect()
}

/// The certificate of a member on a side, as the plan sees it.
pub(super) fn seen(holder: &str, held: &Held, side: Side, authorities: &Authorities) -> Option<Leaf> {
    shown(&kept(held, [certificate_file(side), key_file(side)], authorities), holder)
}

/// The same for that of clients.
pub(super) fn seen_of_clients(held: &Held, authorities: &Authorities) -> Option<Leaf> {
    shown(&kept(held, CLIENT_FILES, authorities), CLIENT)
}

fn shown(kept: &Kept, holder: &str) -> Option<Leaf> {
    match kept {
        Kept::Leaf(facts) => Some(facts.leaf(holder)),
        Kept::Missing | Kept::Unreadable { .. } => None,
    }
}

#[cfg(test)]
mod tests {
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

    fn due(
        member: &EtcdMember,
        held: &Held,
        peer: Authorities,
        at: Timestamp,
    ) -> Result<Vec<String>, String> {
        entries(member, held, peer, at).map(|entries| entries.into_keys().collect())
    }

    fn entries(
        member: &EtcdMember,
        held: &Held,
        peer: Authorities,
        at: Timestamp,
    ) -> Result<Entries, String> {
        let known = Sides { peer, client: Authorities::default() };
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
        for name in ["demo-a.demo-peers.ns.svc.cluster.local", "demo-peers.ns.svc.cluster.local", "127.0.0.1"]
        {
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
        assert_eq!(
            due(&member(&old), &held, Authorities::of(&kept), later).unwrap(),
            [""; 0],
            "not told yet"
        );
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
        applied(of_clients(&held, &known, now(), YEAR).unwrap(), &mut held);
        assert_eq!(held.keys().collect::<Vec<_>>(), ["ca.crt", "tls.crt", "tls.key"]);
        let both = another(&mut kept, now() + Duration::from_secs(60));
        let changed = of_clients(&held, &both, now(), YEAR).unwrap();
        assert_eq!(changed.keys().collect::<Vec<_>>(), ["ca.crt"]);
    }
}
