//! The certificates that the authorities of a cluster signed: of its members, of people, and of `up` itself.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::{Authorities, TlsError, set};
use crate::{
    etcd::{Credentials, tls_config},
    member::CertificateFiles,
    pki::{self, Certificate, Issued, Request, SecretKey},
    plan::{
        MemberName, Side, Sides,
        certificates::{Kept, Leaf, WantedLeaf, leaf_due, renewal},
        transport::{AuthorityId, Listen},
    },
    process::{
        files::{self, FileError},
        folder::{Folder, MemberFolder},
        state::MemberFile,
    },
};

/// The names by which members are reached on one machine.
const NAMES: [&str; 3] = ["127.0.0.1", "::1", "localhost"];
/// The holder of the certificate for people and their programs.
const CLIENT: &str = "client";

/// The certificate that is kept for a member on one side, as the plan sees it. `None` when it can't be used.
pub(in crate::process) fn leaf(
    member: &MemberFolder,
    name: &MemberName,
    side: Side,
    known: &Authorities,
) -> Result<Option<Leaf>, FileError> {
    Ok(shown(&read(&member.certificate(side), ["tls.crt", "tls.key"], known)?, &name.0))
}

/// Makes it anew, if it is due and somebody can sign.
pub(in crate::process) fn keep_leaf(
    member: &MemberFolder,
    name: &MemberName,
    side: Side,
    known: &Authorities,
    life: Duration,
) -> Result<(), TlsError> {
    let folder = member.certificate(side);
    let kept = read(&folder, ["tls.crt", "tls.key"], known)?;
    let request = Request { common_name: name.0.clone(), names: NAMES.map(str::to_owned).to_vec() };
    let Some(issued) = renewed(&kept, &request, known, life)? else { return Ok(()) };
    set::write(&folder, &[("tls.crt", &issued.certificate), ("tls.key", issued.key.reveal())])?;
    tracing::info!(member = %name, side = side.name(), "its certificate is made");
    Ok(())
}

/// The same for the certificate of people and their programs.
pub(in crate::process) fn client_leaf(
    folder: &Folder,
    known: &Authorities,
) -> Result<Option<Leaf>, FileError> {
    Ok(shown(&read(&folder.tls(), ["client.crt", "client.key"], known)?, CLIENT))
}

/// The same; beside it lies whom people are to trust, which may have changed alone.
pub(in crate::process) fn keep_client_leaf(
    folder: &Folder,
    known: &Authorities,
    life: Duration,
) -> Result<(), TlsError> {
    let place = folder.tls();
    let trust = known.whole_bundle();
    let trusts_others = files::read(&place.join("ca.crt"))?.as_deref() != Some(&trust);
    let kept = match read(&place, ["client.crt", "client.key"], known)? {
        Kept::Leaf(_) if trusts_others => {
            Kept::Unreadable { why: "other authorities are to be trusted beside it".into() }
        }
        kept => kept,
    };
    let request = Request { common_name: CLIENT.into(), names: Vec::new() };
    let Some(issued) = renewed(&kept, &request, known, life)? else { return Ok(()) };
    let key = issued.key.reveal();
    set::write(&place, &[("ca.crt", &trust), ("client.crt", &issued.certificate), ("client.key", key)])?;
    tracing::info!(path = %place.display(), "the certificate for clients is made");
    Ok(())
}

/// The certificate for people with its key, if it can be used.
fn peoples(folder: &Folder, known: &Authorities) -> Result<Option<Issued>, FileError> {
    let place = folder.tls();
    let usable = matches!(read(&place, ["client.crt", "client.key"], known)?, Kept::Leaf(_));
    let certificate = files::read(&place.join("client.crt"))?;
    let key = files::read(&place.join("client.key"))?.map(SecretKey::new);
    let issued = certificate.zip(key).map(|(certificate, key)| Issued { certificate, key });
    Ok(issued.filter(|_| usable))
}

fn read(folder: &Path, [certificate, key]: [&str; 2], known: &Authorities) -> Result<Kept, FileError> {
    let certificate = files::read(&folder.join(certificate))?;
    let key = files::read(&folder.join(key))?.map(SecretKey::new);
    Ok(pki::kept(certificate.as_deref().zip(key.as_ref()), &known.certificates()))
}

/// Another certificate, if the one that is kept is due and somebody can sign.
fn renewed(
    kept: &Kept,
    request: &Request,
    known: &Authorities,
    life: Duration,
) -> Result<Option<Issued>, TlsError> {
    let now = Timestamp::now();
    let Some(issuer) = known.issuer() else { return Ok(None) };
    let wanted = WantedLeaf { issuer: issuer.id().clone(), names: request.names.iter().cloned().collect() };
    let Some(why) = leaf_due(kept, &wanted, now) else { return Ok(None) };
    tracing::debug!(holder = request.common_name, why, "a certificate is due");
    Ok(Some(issuer.issue(request, now, life)?))
}

fn shown(kept: &Kept, holder: &str) -> Option<Leaf> {
    match kept {
        Kept::Leaf(facts) => Some(facts.leaf(holder)),
        Kept::Missing | Kept::Unreadable { .. } => None,
    }
}

/// Writes down whom a member's process is to trust when it starts.
///
/// # Errors
/// When an authority that it shall trust is not there.
pub(in crate::process) fn write_trust(
    member: &MemberFolder,
    side: Side,
    trust: &BTreeSet<AuthorityId>,
    known: &Authorities,
) -> Result<(), TlsError> {
    let bundle = known.bundle(trust.iter()).filter(|bundle| !bundle.is_empty());
    let bundle = bundle.ok_or_else(|| {
        let ids: Vec<_> = trust.iter().map(|id| id.0.as_str()).collect();
        TlsError::Authority(format!(
            "a certificate of the {side} authorities {} is missing; restore it from a copy",
            ids.join(", ")
        ))
    })?;
    let path = member.trust(side);
    let folder = path.parent().unwrap_or(&path);
    set::private_folder(folder).map_err(|error| FileError::io("creating", folder, error))?;
    Ok(files::write(&path, &bundle)?)
}

/// Where the certificates of a member lie, for the sides that listen under TLS.
pub(in crate::process) fn certificate_files(
    member: &MemberFolder,
    file: &MemberFile,
) -> Sides<Option<CertificateFiles>> {
    let files = |side| {
        let own = member.certificate(side);
        (file.transport.get(side).listen != Listen::Plain).then(|| CertificateFiles {
            certificate: own.join("tls.crt").display().to_string(),
            key: own.join("tls.key").display().to_string(),
            authorities: member.trust(side).display().to_string(),
        })
    };
    Sides { peer: files(Side::Peer), client: files(Side::Client) }
}

/// How `up` itself talks to members: with certificates that are made for it alone and never written down.
#[derive(Debug, Default)]
pub(in crate::process) struct CertificateCache {
    made: Mutex<Option<Made>>,
}

#[derive(Debug)]
struct Made {
    from: Sides<(Option<AuthorityId>, Vec<AuthorityId>)>,
    /// When they were made: before that, it was by a clock that was ahead and was set back.
    since: Timestamp,
    until: Timestamp,
    credentials: Credentials,
}

impl CertificateCache {
    /// What to talk to members with, made anew when the authorities changed or it gets old. While nobody can sign for
    /// clients, the certificate for people serves.
    pub(in crate::process) fn credentials(
        &self,
        folder: &Folder,
        known: &Sides<Authorities>,
        life: Duration,
    ) -> Result<Credentials, TlsError> {
        let now = Timestamp::now();
        let from = Sides { peer: origin(&known.peer), client: origin(&known.client) };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) =
            made.as_ref().filter(|made| made.from == from && (made.since..made.until).contains(&now))
        {
            return Ok(made.credentials.clone());
        }
        let config = |side: Side| -> Result<_, TlsError> {
            let authorities = known.get(side);
            let own = match (authorities.issuer(), side) {
                (Some(issuer), _) => {
                    let request = Request { common_name: "quorate-operator".into(), names: Vec::new() };
                    Some(issuer.issue(&request, now, life)?)
                }
                (None, Side::Client) => peoples(folder, authorities)?,
                (None, Side::Peer) => None,
            };
            let Some(own) = own else { return Ok(None) };
            let until = Certificate::read(&own.certificate)?.until;
            let config = tls_config(&authorities.whole_bundle(), Some((&own.certificate, &own.key)))?;
            Ok(Some((Arc::new(config), until)))
        };
        let (client, peer) = (config(Side::Client)?, config(Side::Peer)?);
        let ends = client.iter().chain(&peer).map(|(_, until)| renewal(now, *until)).min();
        let credentials = Credentials {
            client: client.map(|(config, _)| config),
            peer: peer.map(|(config, _)| config),
            ..Credentials::default()
        };
        let until = ends.unwrap_or(Timestamp::MAX);
        *made = Some(Made { from, since: now, until, credentials: credentials.clone() });
        Ok(credentials)
    }
}

/// What a certificate of `up` was made from.
fn origin(known: &Authorities) -> (Option<AuthorityId>, Vec<AuthorityId>) {
    let trusted = known.certificates().into_iter().map(|one| one.id).collect();
    (known.issuer().map(|issuer| issuer.id().clone()), trusted)
}
