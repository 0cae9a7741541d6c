//! The certificates of a member as its guard finds them: whether etcd may be started with them, and how the guard itself
//! talks to other members with them.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use jiff::Timestamp;
use rustls::pki_types::ServerName;

use super::{command, words::Assignment};
use crate::{
    etcd::{Credentials, CredentialsError, tls_config},
    member::CertificateFiles,
    pki::{Certificate, SecretKey, bundle},
    plan::{Side, Sides, transport::AuthorityId},
};

/// What is in the three files of one side.
struct Texts {
    certificate: String,
    key: SecretKey,
    authorities: String,
}

/// Why etcd can't be started with what is in the folder now, in words; the kubelet brings the files of the member's Secret
/// when the Pod is made, and again within a minute or two of a change.
pub(super) fn check(assignment: &Assignment, folder: &Path, now: Timestamp) -> Result<(), String> {
    let files = command::certificates(assignment, folder);
    for side in Side::ALL {
        let Some(files) = files.get(side) else { continue };
        let trust = &assignment.transport.get(side).trust;
        read(files).and_then(|texts| judge(&texts, trust, now)).map_err(|why| {
            format!("its {side} certificates can't be used: {why}; they come from the Secret of the member")
        })?;
    }
    Ok(())
}

/// How the guard talks to members; in plain text only, where no certificates can be used.
pub(super) fn credentials(assignment: &Assignment, folder: &Path) -> Credentials {
    let files = command::certificates(assignment, folder);
    let config = |side| {
        let texts = files.get(side).as_ref().map(read)?;
        let made = texts.and_then(|texts| client(&texts).map_err(|error| error.to_string()));
        made.map_err(|why| tracing::warn!("members can't be asked under TLS ({side}): {why}")).ok()
    };
    Credentials {
        client: config(Side::Client).map(Arc::new),
        peer: config(Side::Peer).map(Arc::new),
        // Peers are asked at the addresses that stand behind this name, which is in the certificate of each.
        names: Sides { peer: ServerName::try_from(assignment.peers.clone()).ok(), client: None },
    }
}

fn client(texts: &Texts) -> Result<rustls::ClientConfig, CredentialsError> {
    tls_config(&texts.authorities, Some((&texts.certificate, &texts.key)))
}

fn read(files: &CertificateFiles) -> Result<Texts, String> {
    let text = |path: &String| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    Ok(Texts {
        certificate: text(&files.certificate)?,
        key: SecretKey::new(text(&files.key)?),
        authorities: text(&files.authorities)?,
    })
}

/// etcd would start with nearly anything, and its peers and clients would then refuse it, or it them.
fn judge(texts: &Texts, trust: &BTreeSet<AuthorityId>, now: Timestamp) -> Result<(), String> {
    let authorities = bundle(&texts.authorities).map_err(|error| error.to_string())?;
    let missing: Vec<_> = trust
        .iter()
        .filter(|id| !authorities.iter().any(|authority| authority.id == **id))
        .map(|id| id.0.as_str())
        .collect();
    if !missing.is_empty() {
        return Err(format!("the certificate of the authority {} is not there yet", missing.join(", ")));
    }
    let own = Certificate::read(&texts.certificate).map_err(|error| error.to_string())?;
    if !own.fits(&texts.key) {
        return Err("the private key is not that of the certificate".into());
    }
    if !authorities.iter().any(|authority| own.is_signed_by(authority)) {
        return Err("none of the authorities that it trusts signed its own certificate".into());
    }
    if now >= own.until {
        return Err(format!("the certificate ended at {:.0}", own.until));
    }
    if now < own.since {
        return Err(format!(
            "the certificate is not valid before {:.0}; check the clock of the node",
            own.since
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pki::{Authority, Request};

    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn etcd_is_not_started_with_certificates_that_do_not_fit() {
        let [old, new] = ["old", "new"].map(|name| Authority::generate(name, now(), 10 * YEAR).unwrap());
        let request = Request { common_name: "demo-a".into(), names: vec!["demo-a.demo-peers".into()] };
        let leaf = old.issue(&request, now(), YEAR).unwrap();
        let other = old.issue(&request, now(), YEAR).unwrap();
        let both = [old.certificate(), new.certificate()].concat();
        let said = |change: &dyn Fn(&mut Texts), trust: &[&Authority], at: Timestamp| {
            let mut texts = Texts {
                certificate: leaf.certificate.clone(),
                key: leaf.key.clone(),
                authorities: both.clone(),
            };
            change(&mut texts);
            judge(&texts, &trust.iter().map(|one| one.id().clone()).collect(), at).err().unwrap_or_default()
        };
        let only = |authority: &Authority| {
            let text = authority.certificate().to_owned();
            move |texts: &mut Texts| texts.authorities.clone_from(&text)
        };
        assert_eq!(said(&|_| {}, &[&old, &new], now()), "");
        assert_eq!(said(&|_| {}, &[&old], now()), "", "to trust one more does no harm");
        for (change, trust, at, expected) in [
            (&only(&old) as &dyn Fn(&mut Texts), vec![&old, &new], now(), "is not there yet"),
            (&only(&new), vec![&new], now(), "none of the authorities"),
            (&|texts| texts.key = other.key.clone(), vec![&old], now(), "private key"),
            (&|texts| texts.certificate = "garbage".into(), vec![&old], now(), "no certificate in PEM"),
            (&|texts| texts.authorities = String::new(), vec![], now(), "no certificate in PEM"),
            (&|_| {}, vec![&old], now() + YEAR, "ended at 2027-01-01"),
            (&|_| {}, vec![&old], now() - YEAR, "check the clock"),
        ] {
            let said = said(change, &trust, at);
            assert!(said.contains(expected), "{expected}: {said}");
            assert!(!said.contains("PRIVATE KEY"), "{said}");
        }
    }
}
