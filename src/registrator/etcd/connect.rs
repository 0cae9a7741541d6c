//! A connection to one endpoint, with TLS and a login where they are asked for.

use std::{fs, io};

use etcd_client::{Channel, Client, ConnectOptions};
use rustls::ClientConfig;
use tower::util::BoxCloneSyncService;

use crate::{
    etcd::{CredentialsError, connector, secured, speaking_h2, tls_config},
    pki::SecretKey,
    registrator::cli::Access,
};

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
        true => endpoint.connect_with_connector_lazy(secured(speaking_h2(&tls(access)?), None)),
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
    // Without a file of its own, the certificates that the system trusts.
    let ca = access.ca_file.as_deref().unwrap_or("/etc/ssl/certs/ca-certificates.crt");
    let authorities = text("CA file", ca)?;
    let own = match (&access.cert_file, &access.key_file) {
        (Some(certificate), Some(key)) => {
            Some((text("certificate file", certificate)?, SecretKey::new(text("key file", key)?)))
        }
        _ => None,
    };
    let own = own.as_ref().map(|(certificate, key)| (certificate.as_str(), key));
    tls_config(&authorities, own).map_err(|error| {
        let (what, path) = match error {
            CredentialsError::Authorities(_) => ("CA file", Some(ca)),
            CredentialsError::Key => ("key file", access.key_file.as_deref()),
            CredentialsError::Certificate(_) | CredentialsError::Unusable(_) => {
                ("certificate file", access.cert_file.as_deref())
            }
        };
        ConnectError::Content { what, path: path.unwrap_or(ca).to_owned(), why: error.to_string() }
    })
}
