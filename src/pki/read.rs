//! What a certificate says.

use std::net::IpAddr;

use jiff::Timestamp;
use ring::digest;
use rustls::{
    crypto::ring::sign::any_supported_type,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use x509_parser::{
    extensions::{GeneralName, ParsedExtension},
    pem::Pem,
    prelude::X509Certificate,
};

use super::{PkiError, SecretKey};
use crate::plan::transport::AuthorityId;

/// How much of the SHA-256 of a certificate tells authorities apart, in bytes: a cluster has two or three of them.
const ID_LENGTH: usize = 6;

/// What one certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The beginning of its own SHA-256: its name, if it is one of an authority.
    pub id: AuthorityId,
    /// Its common name; empty when it has none.
    pub common_name: String,
    /// The DNS names, in lower case, and IP addresses it is for.
    pub names: Vec<String>,
    /// From when on it is valid.
    pub since: Timestamp,
    /// Until when it is valid.
    pub until: Timestamp,
    /// Whether it may sign others.
    pub is_authority: bool,
    /// Whether servers may show it to clients.
    pub for_servers: bool,
    /// Whether clients may show it to servers.
    pub for_clients: bool,
    pub(super) public_key: Vec<u8>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    key_id: Option<Vec<u8>>,
    issuer_key_id: Option<Vec<u8>>,
}

impl Certificate {
    /// Reads the first certificate of a PEM.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(pem: &str) -> Result<Self, PkiError> {
        bundle(pem)?.into_iter().next().ok_or_else(|| PkiError::NoCertificate("it is empty".into()))
    }

    /// Whether an authority signed it, going by names and key identifiers: enough to tell a cluster's own authorities
    /// apart, while etcd and its clients check the signature itself.
    pub fn is_signed_by(&self, authority: &Certificate) -> bool {
        let keys = match (&self.issuer_key_id, &authority.key_id) {
            (Some(named), Some(own)) => named == own,
            _ => true,
        };
        self.issuer == authority.subject && keys
    }

    /// Whether a private key is that of this certificate: an ECDSA, RSA or Ed25519 key in any form that TLS takes.
    pub fn fits(&self, key: &SecretKey) -> bool {
        let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes()).ok();
        let key = key.and_then(|key| any_supported_type(&key).ok());
        key.and_then(|key| Some(key.public_key()?.as_ref() == self.public_key)).unwrap_or(false)
    }
}

/// Reads all certificates of a PEM, in their order.
///
/// # Errors
/// When something in it is no certificate, or there is none at all.
pub fn bundle(pem: &str) -> Result<Vec<Certificate>, PkiError> {
    let broken = |why: &dyn std::fmt::Display| PkiError::NoCertificate(why.to_string());
    let mut found = Vec::new();
    for block in Pem::iter_from_buffer(pem.as_bytes()) {
        let block = block.map_err(|error| broken(&error))?;
        if block.label != "CERTIFICATE" {
            continue;
        }
        let parsed = block.parse_x509().map_err(|error| broken(&error))?;
        found.push(facts(&parsed, &block.contents)?);
    }
    if found.is_empty() { Err(broken(&"nothing in it begins with BEGIN CERTIFICATE")) } else { Ok(found) }
}

/// The certificates of a PEM as texts, each a PEM of its own.
pub fn blocks(pem: &str) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let parts = pem.split_inclusive(END).filter_map(|part| part.find(BEGIN).and_then(|at| part.get(at..)));
    parts.map(|part| format!("{}\n", part.trim())).collect()
}

fn facts(parsed: &X509Certificate<'_>, der: &[u8]) -> Result<Certificate, PkiError> {
    let moment = |seconds: i64| {
        Timestamp::from_second(seconds)
            .map_err(|_| PkiError::NoCertificate("its validity is out of all bounds".into()))
    };
    let extensions = || parsed.extensions().iter().map(|extension| extension.parsed_extension());
    let names = extensions().find_map(|extension| match extension {
        ParsedExtension::SubjectAlternativeName(names) => {
            Some(names.general_names.iter().filter_map(name).collect())
        }
        _ => None,
    });
    let uses = extensions().find_map(|extension| match extension {
        ParsedExtension::ExtendedKeyUsage(uses) => Some(uses),
        _ => None,
    });
    let hash = digest::digest(&digest::SHA256, der);
    Ok(Certificate {
        id: AuthorityId(hex(hash.as_ref().get(..ID_LENGTH).unwrap_or_default())),
        common_name: parsed
            .subject()
            .iter_common_name()
            .find_map(|name| name.as_str().ok())
            .unwrap_or_default()
            .to_owned(),
        names: names.unwrap_or_default(),
        since: moment(parsed.validity().not_before.timestamp())?,
        until: moment(parsed.validity().not_after.timestamp())?,
        is_authority: parsed.is_ca(),
        for_servers: uses.is_none_or(|uses| uses.any || uses.server_auth),
        for_clients: uses.is_none_or(|uses| uses.any || uses.client_auth),
        public_key: parsed.public_key().raw.to_vec(),
        subject: parsed.subject().as_raw().to_vec(),
        issuer: parsed.issuer().as_raw().to_vec(),
        key_id: extensions().find_map(|extension| match extension {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        }),
        issuer_key_id: extensions().find_map(|extension| match extension {
            ParsedExtension::AuthorityKeyIdentifier(id) => Some(id.key_identifier.as_ref()?.0.to_vec()),
            _ => None,
        }),
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => match *bytes {
            [a, b, c, d] => Some(IpAddr::from([*a, *b, *c, *d]).to_string()),
            bytes => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        },
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_bundle_is_told() {
        for (pem, expected) in [
            ("", "nothing in it begins"),
            ("garbage", "nothing in it begins"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate in PEM"),
        ] {
            let said = bundle(pem).unwrap_err().to_string();
            assert!(said.contains(expected), "{pem:?}: {said}");
        }
    }
}
