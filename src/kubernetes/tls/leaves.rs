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
mod tests;
