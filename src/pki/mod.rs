//! Making and reading certificates: ECDSA P-256, PKCS#8, PEM. It touches nothing but randomness; who keeps what is made
//! here is the platform's business.

mod authorities;
mod authority;
mod given;
mod kept;
mod read;
mod secret;

pub use authorities::{Authorities, Entries};
pub use authority::{Authority, Issued, Request};
pub use given::Given;
pub use kept::kept;
pub use read::{Certificate, blocks, bundle};
pub use secret::SecretKey;

/// Why a certificate can't be made or used. No message holds anything of a key.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// There is no certificate, or not in PEM.
    #[error("there is no certificate in PEM: {0}")]
    NoCertificate(String),
    /// It is no certificate of an authority.
    #[error("the certificate is not one of an authority: its basic constraints do not say CA")]
    NoAuthority,
    /// There is no private key, or none of a kind that is known.
    #[error("there is no private key in PEM that could be used: it has to be in PKCS#8 to sign")]
    NoKey,
    /// The two do not belong to each other.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
    /// A name that no certificate can have.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    Name(String),
    /// The library refused.
    #[error("a certificate could not be made: {0}")]
    Unmade(String),
}
