//! What the Secrets with certificates of members and clients have to hold. Pure but for randomness and a clock that comes in
//! as a value.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use super::supply::Supply;
use crate::{
    api::EtcdMember,
    kubernetes::render::Held,
    member::guard::words::{authorities_file, certificate_file, key_file},
    pki::{self, Authorities, Entries, Issued, PkiError, Request, SecretKey},
    plan::{
        Side, Sides,
        certificates::{Kept, Leaf, LeafFacts, WantedLeaf, leaf_due},
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
    /// Members would refuse it.
    #[error(
        "a {side} certificate that {id} signed can't be used before every member trusts that authority; add the certificate \
         of the former one to those that are to be trusted"
    )]
    NotTrusted {
        /// Of which side.
        side: Side,
        /// Who signed it.
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
    known: &Sides<Supply>,
    names: impl Fn(Side) -> Vec<String>,
    now: Timestamp,
    life: Duration,
) -> Result<Entries, LeafError> {
    let mut entries = Entries::new();
    let holder = member.metadata.name.clone().unwrap_or_default();
    for side in sides(member) {
        let supply = known.get(side);
        let files = Files::of_member(side);
        let trust = &member.spec.transport.get(side).trust;
        let bundle = bundle(side, trust, &supply.authorities, held.get(files.authorities))?;
        if held.get(files.authorities) != Some(&bundle) {
            entries.insert(files.authorities.to_owned(), Some(bundle));
        }
        entries.extend(match &supply.members {
            Some(leaf) => handed_on(side, files, held, supply, leaf)?,
            None => {
                let request = Request { common_name: holder.clone(), names: names(side) };
                signed(side, files, held, supply, &request, now, life)?
            }
        });
    }
    Ok(entries)
}

/// The same for the Secret of clients.
pub(super) fn of_clients(
    held: &Held,
    supply: &Supply,
    now: Timestamp,
    life: Duration,
) -> Result<Entries, LeafError> {
    let mut entries = match &supply.clients {
        Some(leaf) => handed_on(Side::Client, CLIENT_FILES, held, supply, leaf)?,
        None => {
            let request = Request { common_name: CLIENT.to_owned(), names: Vec::new() };
            signed(Side::Client, CLIENT_FILES, held, supply, &request, now, life)?
        }
    };
    let bundle = match supply.given {
        false => supply.authorities.bundle(),
        // Others may have taken an authority away that members still show certificates of.
        true => {
            let known = held.get(CLIENT_FILES.authorities).and_then(|pem| pki::bundle(pem).ok());
            let former = known.into_iter().flatten().map(|one| one.id);
            let former = former.filter(|id| supply.ever_trusted.contains(id));
            let given = supply.authorities.certificates().into_iter().map(|one| one.id);
            let all: BTreeSet<_> = given.chain(former).collect();
            bundle(Side::Client, &all, &supply.authorities, held.get(CLIENT_FILES.authorities))?
        }
    };
    if held.get(CLIENT_FILES.authorities) != Some(&bundle) {
        entries.insert(CLIENT_FILES.authorities.to_owned(), Some(bundle));
    }
    Ok(entries)
}

/// The entries of a certificate, its key, and whom its holder trusts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files {
    certificate: &'static str,
    key: &'static str,
    authorities: &'static str,
}

impl Files {
    /// Those of a side in the Secret of a member.
    pub(super) fn of_member(side: Side) -> Self {
        Self { certificate: certificate_file(side), key: key_file(side), authorities: authorities_file(side) }
    }

    /// What is held under these names, if all of it is there.
    pub(super) fn of(self, held: &Held) -> Option<Ready> {
        Some(Ready {
            certificate: held.get(self.certificate)?.clone(),
            key: SecretKey::new(held.get(self.key)?.as_str()),
            authorities: held.get(self.authorities)?.clone(),
        })
    }
}

/// What one talks to members with, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kubernetes) struct Ready {
    /// As whom.
    pub(super) certificate: String,
    /// Its key.
    pub(super) key: SecretKey,
    /// Whom to trust.
    pub(super) authorities: String,
}

/// Those in the Secret of clients.
pub(super) const CLIENT_FILES: Files =
    Files { certificate: "tls.crt", key: "tls.key", authorities: "ca.crt" };

/// A certificate and its key, if they are due.
fn signed(
    side: Side,
    files: Files,
    held: &Held,
    supply: &Supply,
    request: &Request,
    now: Timestamp,
    life: Duration,
) -> Result<Entries, LeafError> {
    let kept = kept(held, files, &supply.authorities);
    let Some(issuer) = supply.authorities.issuer() else {
        return match kept {
            Kept::Leaf(_) => Ok(Entries::new()),
            _ => Err(LeafError::NobodySigns(side)),
        };
    };
    let wanted = WantedLeaf { issuer: issuer.id().clone(), names: request.names.iter().cloned().collect() };
    let Some(why) = leaf_due(&kept, &wanted, now) else { return Ok(Entries::new()) };
    if !supply.may_use(issuer.id()) {
        return waits(&kept, side, issuer.id());
    }
    tracing::info!(holder = request.common_name, side = side.name(), why, "a certificate is made");
    Ok(entries(files, &issuer.issue(request, now, life)?))
}

/// A certificate that others made, if it is another one than that which is held.
fn handed_on(
    side: Side,
    files: Files,
    held: &Held,
    supply: &Supply,
    (facts, issued): &(LeafFacts, Issued),
) -> Result<Entries, LeafError> {
    let key = issued.key.reveal();
    let same = held.get(files.certificate) == Some(&issued.certificate);
    if same && held.get(files.key).is_some_and(|own| own == key) {
        return Ok(Entries::new());
    }
    if !supply.may_use(&facts.issuer) {
        return waits(&kept(held, files, &supply.authorities), side, &facts.issuer);
    }
    tracing::info!(side = side.name(), until = %facts.not_after, "a certificate that others made is taken");
    Ok(entries(files, issued))
}

/// A certificate is not used before every member takes it.
fn waits(kept: &Kept, side: Side, issuer: &AuthorityId) -> Result<Entries, LeafError> {
    match kept {
        Kept::Leaf(_) => Ok(Entries::new()),
        _ => Err(LeafError::NotTrusted { side, id: issuer.clone() }),
    }
}

fn entries(files: Files, issued: &Issued) -> Entries {
    Entries::from([
        (files.certificate.to_owned(), Some(issued.certificate.clone())),
        (files.key.to_owned(), Some(issued.key.reveal().to_owned())),
    ])
}

fn kept(held: &Held, files: Files, authorities: &Authorities) -> Kept {
    let key = held.get(files.key).map(|text| SecretKey::new(text.as_str()));
    // It may be signed by one that is not to be trusted any more.
    let former = held.get(files.authorities).and_then(|pem| pki::bundle(pem).ok()).unwrap_or_default();
    let known: Vec<_> = authorities.certificates().into_iter().chain(former).collect();
    pki::kept(held.get(files.certificate).map(String::as_str).zip(key.as_ref()), &known)
}

/// The certificates that a member is to trust: those of the authorities that are known, and those that it has already.
fn bundle<'a>(
    side: Side,
    trust: impl IntoIterator<Item = &'a AuthorityId>,
    authorities: &Authorities,
    held: Option<&String>,
) -> Result<String, LeafError> {
    let blocks = held.map(|text| pki::blocks(text)).unwrap_or_default();
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

/// The certificate of a member on a side, as the plan sees it.
pub(super) fn seen(holder: &str, held: &Held, side: Side, authorities: &Authorities) -> Option<Leaf> {
    shown(&kept(held, Files::of_member(side), authorities), holder)
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
            let issued =
                signs.issue(&Request { common_name: "client".into(), names: Vec::new() }, now(), YEAR);
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
}
