//! How a cluster's members are talked to under TLS: whom to trust, and as whom.

use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use crate::{pki::SecretKey, plan::Sides};

/// What is needed to talk to the members of one cluster. The default is plain text.
#[derive(Clone, Default)]
pub struct Credentials {
    /// For client URLs.
    pub client: Option<Arc<ClientConfig>>,
    /// For peer URLs.
    pub peer: Option<Arc<ClientConfig>>,
    /// The name that every member's certificate has, where members are called by addresses that no certificate has.
    pub names: Sides<Option<ServerName<'static>>>,
}

/// Why a text can't be used for TLS. No message holds anything of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// There is nobody to trust.
    #[error("there are no certificates of authorities in it: {0}")]
    Authorities(String),
    /// The certificate is none.
    #[error("there is no certificate in it: {0}")]
    Certificate(String),
    /// The key is none.
    #[error("there is no private key in PEM in it")]
    Key,
    /// They can't be used together.
    #[error("certificate and key can't be used together: {0}")]
    Unusable(String),
}

/// Two are the same when they are clones of each other.
impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        let same = |one: &Option<Arc<_>>, other: &Option<Arc<_>>| match (one, other) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        same(&self.client, &other.client) && same(&self.peer, &other.peer) && self.names == other.names
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |config: &Option<_>| if config.is_some() { "TLS" } else { "plain text" };
        f.debug_struct("Credentials")
            .field("client", &with(&self.client))
            .field("peer", &with(&self.peer))
            .finish()
    }
}

/// What to connect with: trusts the authorities in the PEM `authorities` and nobody else, and shows itself as `own`, a
/// certificate and its key.
///
/// # Errors
/// When one of them is not what it should be.
pub fn config(authorities: &str, own: Option<(&str, &SecretKey)>) -> Result<ClientConfig, CredentialsError> {
    let mut roots = RootCertStore::empty();
    let found = certificates(authorities).map_err(CredentialsError::Authorities)?;
    if roots.add_parsable_certificates(found).0 == 0 {
        return Err(CredentialsError::Authorities("it is empty".into()));
    }
    let builder = builder()?.with_root_certificates(roots);
    let Some((certificate, key)) = own else { return Ok(builder.with_no_client_auth()) };
    let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes()).map_err(|_| CredentialsError::Key)?;
    let certificate = certificates(certificate).map_err(CredentialsError::Certificate)?;
    builder
        .with_client_auth_cert(certificate, key)
        .map_err(|error| CredentialsError::Unusable(error.to_string()))
}

/// Of TLS 1.2 and 1.3, with the one provider of this program.
fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, CredentialsError> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| CredentialsError::Unusable(error.to_string()))
}

/// The same for a connection that speaks HTTP/2, as gRPC does: servers are told so when the connection is made.
pub(crate) fn speaking_h2(config: &ClientConfig) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::pki::{Authority, Request};

    #[test]
    fn what_cannot_be_used_is_told_without_the_key() {
        let year = Duration::from_secs(365 * 24 * 3600);
        let authority = Authority::generate("demo", Timestamp::now(), year).unwrap();
        let request = Request { common_name: "client".into(), names: Vec::new() };
        let own = authority.issue(&request, Timestamp::now(), year).unwrap();
        let good = authority.certificate();
        assert!(config(good, Some((&own.certificate, &own.key))).is_ok());
        let said = |error: Result<ClientConfig, _>| format!("{:?}", error.unwrap_err());
        assert!(said(config("", None)).starts_with("Authorities"));
        assert_eq!(said(config(good, Some((&own.certificate, &SecretKey::new("garbage"))))), "Key");
        let other = said(config(good, Some((&own.certificate, authority.key()))));
        assert!(other.starts_with("Unusable") && !other.contains("BEGIN"), "{other}");
    }
}
