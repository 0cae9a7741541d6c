//! Certificates of a cluster on one machine: its authorities, what they signed, and how `up` itself talks to members.
//!
//! ```text
//! <dir>/tls/ca.crt, client.crt, client.key              for people and their programs
//! <dir>/tls/authorities/<side>/<id>.crt, <id>.key       an authority; the oldest signs, unless `issuer` names another
//! <dir>/members/<name>/tls/<side>/tls.crt, tls.key      a member's certificate
//! <dir>/members/<name>/tls/<side>-ca.crt                whom its process was started to trust
//! ```

mod authorities;
mod leaves;
mod set;

pub(super) use authorities::Authorities;
pub(super) use leaves::{
    CertificateCache, certificate_files, client_leaf, keep_client_leaf, keep_leaf, leaf, write_trust,
};

use super::files::FileError;
use crate::{etcd::CredentialsError, pki::PkiError};

/// Why certificates on this machine can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// One could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// What was made can't be used.
    #[error("the certificates of this cluster can't be used: {0}")]
    Credentials(#[from] CredentialsError),
    /// An authority is not (or not as it should be) where it is kept.
    #[error("{0}")]
    Authority(String),
}
