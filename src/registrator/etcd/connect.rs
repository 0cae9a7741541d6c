//! A connection to one endpoint, with TLS and a login where they are asked for.

use std::{fs, io, sync::Arc};

use etcd_client::{Channel, Client, ConnectOptions};
use hyper_rustls::HttpsConnector;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tower::util::BoxCloneSyncService;

use crate::{etcd::connector, registrator::cli::Access};

/// Why no connection can be prepared.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// A file can't be read.
    #[error("cannot read the {what} {path}: {source}")]
    File {
        /// What it should hold.
        what: &'static str,
        /// Where it is.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("the {what} {path} can't be used: {why}")]
    Content {
        /// What it should hold.
        what: &'static str,
        /// Where it is.
        path: String,
        /// Why not.
        why: String,
    },
    /// The URL is none, or the login failed.
    #[error(transparent)]
    Client(#[from] etcd_client::Error),
}

/// Connects, and logs in if there is a user. Files are read every time, so that new certificates and passwords are
/// taken up.
pub(super) async fn connect(access: &Access, url: &str) -> Result<Client, ConnectError> {
    let endpoint =
        tonic::transport::Endpoint::from_shared(url.to_owned()).map_err(etcd_client::Error::from)?;
    // Not etcd-client's own balanced channel: that one hides which endpoint is down.
    let channel = match url.starts_with("https://") {
        false => endpoint.connect_with_connector_lazy(connector()),
        true => {
            let mut tcp = connector();
            tcp.enforce_http(false);
            let secure = HttpsConnector::from((tcp, Arc::new(tls(access)?)));
            endpoint.connect_with_connector_lazy(secure)
        }
    };
    let channel = tower::ServiceExt::map_err(channel, tower::BoxError::from);
    let mut options = ConnectOptions::new().with_require_leader(true);
    if let Some((user, password)) = &access.credentials {
        let password = match &access.password_file {
            Some(path) => text("password file", path)?.trim_end_matches(['\r', '\n']).to_owned(),
            None => password.clone(),
        };
        options = options.with_user(user, password).with_auto_token_refresh(true);
    }
    let channel = Channel::Custom(BoxCloneSyncService::new(channel));
    Ok(Client::from_channel(channel, Some(options)).await?)
}

fn text(what: &'static str, path: &str) -> Result<String, ConnectError> {
    fs::read_to_string(path).map_err(|source| ConnectError::File { what, path: path.to_owned(), source })
}

fn tls(access: &Access) -> Result<ClientConfig, ConnectError> {
    let content = |what, path: &str, why: &dyn std::fmt::Display| ConnectError::Content {
        what,
        path: path.to_owned(),
        why: why.to_string(),
    };
    let certificates = |what: &'static str, path: &str| {
        let pem = text(what, path)?;
        CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| content(what, path, &error))
    };
    // Without a file of its own, the certificates that the system trusts.
    let ca = access.ca_file.as_deref().unwrap_or("/etc/ssl/certs/ca-certificates.crt");
    let mut roots = RootCertStore::empty();
    let (good, _) = roots.add_parsable_certificates(certificates("CA file", ca)?);
    if good == 0 {
        return Err(content("CA file", ca, &"there is no certificate in it"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| content("CA file", ca, &error))?
        .with_root_certificates(roots);
    let mut config = match (&access.cert_file, &access.key_file) {
        (Some(cert), Some(key)) => {
            let pem = text("key file", key)?;
            let private = PrivateKeyDer::from_pem_slice(pem.as_bytes())
                .map_err(|error| content("key file", key, &error))?;
            builder
                .with_client_auth_cert(certificates("certificate file", cert)?, private)
                .map_err(|error| content("certificate file", cert, &error))?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
