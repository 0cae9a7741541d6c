//! An authority: it signs the certificates of one side of one cluster.

use std::{net::IpAddr, time::Duration};

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, date_time_ymd,
};

use super::{Certificate, PkiError, SecretKey};
use crate::plan::{certificates::BACKDATED, transport::AuthorityId};

/// A certificate authority with its key.
#[derive(Debug)]
pub struct Authority {
    certificate: String,
    key: SecretKey,
    facts: Certificate,
}

/// What a certificate is asked to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its common name.
    pub common_name: String,
    /// The DNS names and IP addresses of a server; empty for one that is only a client.
    pub names: Vec<String>,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, in PEM.
    pub certificate: String,
    /// Its key.
    pub key: SecretKey,
}

impl Authority {
    /// Makes a new one, which signs itself.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate(common_name: &str, now: Timestamp, life: Duration) -> Result<Self, PkiError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unmade)?;
        let mut params = params(common_name, now, life);
        // It signs leaves and no further authorities.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(unmade)?.pem();
        let facts = Certificate::read(&certificate)?;
        Ok(Self { certificate, key: SecretKey::new(key.serialize_pem()), facts })
    }

    /// Takes one that was made before, by Quorate or by somebody else.
    ///
    /// # Errors
    /// When the certificate is not one of an authority, or the key is not its own.
    pub fn load(certificate: &str, key: SecretKey) -> Result<Self, PkiError> {
        let facts = Certificate::read(certificate)?;
        if !facts.is_authority {
            return Err(PkiError::NoAuthority);
        }
        let pair = KeyPair::from_pem(key.reveal()).map_err(|_| PkiError::NoKey)?;
        if pair.subject_public_key_info() != facts.public_key {
            return Err(PkiError::Mismatch);
        }
        Ok(Self { certificate: certificate.to_owned(), key, facts })
    }

    /// What tells it from others.
    pub fn id(&self) -> &AuthorityId {
        &self.facts.id
    }

    /// What its certificate says.
    pub fn facts(&self) -> &Certificate {
        &self.facts
    }

    /// Its certificate, in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its key.
    pub fn key(&self) -> &SecretKey {
        &self.key
    }

    /// Makes a certificate with a key of its own. It serves as that of a server and of a client: members are both to each
    /// other, and etcd's gateway is a client of its own member.
    ///
    /// It is never valid for longer than the authority itself.
    ///
    /// # Errors
    /// When a name is none.
    pub fn issue(&self, request: &Request, now: Timestamp, life: Duration) -> Result<Issued, PkiError> {
        let pair = KeyPair::from_pem(self.key.reveal()).map_err(|_| PkiError::NoKey)?;
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, pair).map_err(unmade)?;
        let left = Duration::try_from(self.facts.until.duration_since(now)).unwrap_or_default();
        let mut params = params(&request.common_name, now, life.min(left));
        params.subject_alt_names =
            request.names.iter().map(|name| alternative(name)).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match request.names.is_empty() {
            true => vec![ExtendedKeyUsagePurpose::ClientAuth],
            false => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        };
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unmade)?;
        let certificate = params.signed_by(&key, &issuer).map_err(unmade)?.pem();
        Ok(Issued { certificate, key: SecretKey::new(key.serialize_pem()) })
    }
}

fn params(common_name: &str, now: Timestamp, life: Duration) -> CertificateParams {
    let epoch = date_time_ymd(1970, 1, 1);
    let now = Duration::from_secs(now.as_second().try_into().unwrap_or_default());
    let mut params = CertificateParams::default();
    params.not_before = epoch + now.saturating_sub(BACKDATED);
    params.not_after = epoch + now.saturating_add(life);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn alternative(name: &str) -> Result<SanType, PkiError> {
    match name.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => match name.try_into() {
            Ok(dns) => Ok(SanType::DnsName(dns)),
            Err(_) => Err(PkiError::Name(name.to_owned())),
        },
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is named where `map_err` hands over a value")]
fn unmade(error: rcgen::Error) -> PkiError {
    PkiError::Unmade(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn authority() -> Authority {
        Authority::generate("demo peers", now(), 10 * YEAR).unwrap()
    }

    #[test]
    fn a_certificate_says_what_it_was_asked_to() {
        let authority = authority();
        let names = ["demo-a.demo-peers.default.svc", "127.0.0.1", "::1"].map(str::to_owned);
        let request = Request { common_name: "demo-a".into(), names: names.to_vec() };
        let issued = authority.issue(&request, now(), YEAR).unwrap();
        let facts = Certificate::read(&issued.certificate).unwrap();
        assert_eq!(facts.common_name, "demo-a");
        assert_eq!(facts.names, names);
        assert_eq!(facts.until, now() + YEAR);
        assert_eq!(facts.since, now() - BACKDATED);
        assert!(!facts.is_authority);
        assert!(facts.is_signed_by(authority.facts()));
        assert!(facts.fits(&issued.key));
        assert!(!facts.fits(authority.key()));
    }

    #[test]
    fn two_authorities_of_one_name_are_told_apart() {
        let (one, two) = (authority(), authority());
        assert_ne!(one.id(), two.id());
        let request = Request { common_name: "demo-a".into(), names: Vec::new() };
        let facts = Certificate::read(&one.issue(&request, now(), YEAR).unwrap().certificate).unwrap();
        assert!(facts.is_signed_by(one.facts()));
        assert!(!facts.is_signed_by(two.facts()));
    }

    #[test]
    fn it_comes_back_from_its_pem() {
        let authority = authority();
        let again = Authority::load(authority.certificate(), authority.key().clone()).unwrap();
        assert_eq!(again.id(), authority.id());
        let request = Request { common_name: "client".into(), names: Vec::new() };
        let issued = again.issue(&request, now(), YEAR).unwrap();
        assert!(Certificate::read(&issued.certificate).unwrap().is_signed_by(authority.facts()));
    }

    #[test]
    fn nothing_outlives_its_authority() {
        let short = Authority::generate("demo", now(), YEAR / 2).unwrap();
        let request = Request { common_name: "client".into(), names: Vec::new() };
        let facts = Certificate::read(&short.issue(&request, now(), YEAR).unwrap().certificate).unwrap();
        assert_eq!(facts.until, short.facts().until);
    }

    #[test]
    fn what_is_no_authority_is_refused_and_told() {
        let one = authority();
        let request = Request { common_name: "client".into(), names: Vec::new() };
        let leaf = one.issue(&request, now(), YEAR).unwrap();
        let said = |certificate: &str, key: &SecretKey| {
            Authority::load(certificate, key.clone()).unwrap_err().to_string()
        };
        assert!(said(&leaf.certificate, &leaf.key).contains("basic constraints"));
        assert!(said(one.certificate(), &leaf.key).contains("does not belong"));
        assert!(said(one.certificate(), &SecretKey::new("nonsense")).contains("no private key"));
        assert!(said("nonsense", one.key()).contains("no certificate in PEM"));
    }

    #[test]
    fn no_key_is_printed() {
        let authority = authority();
        let request = Request { common_name: "client".into(), names: Vec::new() };
        let issued = authority.issue(&request, now(), YEAR).unwrap();
        for text in [format!("{authority:?}"), format!("{issued:?}")] {
            assert!(!text.contains("PRIVATE"), "{text}");
        }
    }
}
