//! Certificates: what is known of them, when they are renewed, and how an authority takes over from another one.

use jiff::Timestamp;

use super::transport::AuthorityId;

/// Who a side's certificates are from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Source {
    /// Nobody: plain text.
    #[default]
    None,
    /// An authority of the cluster's own, which the operator keeps.
    Managed,
    /// A person or another program: they are taken as they come.
    Given,
}

/// What is known of the certificates of one side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificates {
    /// The authorities that members and clients shall trust, the oldest first.
    pub authorities: Vec<Authority>,
    /// The one that signs; `None` while there is none of the cluster's own.
    pub issuer: Option<AuthorityId>,
    /// The certificates in use, of members and of clients.
    pub leaves: Vec<Leaf>,
    /// What is wrong with them, in words: a Secret that is missing or holds something else.
    pub problem: Option<String>,
}

/// A certificate authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// What tells it from others.
    pub id: AuthorityId,
    /// When it was made.
    pub since: Timestamp,
    /// Until when its certificate is valid.
    pub until: Timestamp,
}

/// The certificate of a member or of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The name of the member, or `client`.
    pub holder: String,
    /// Who signed it.
    pub issuer: AuthorityId,
    /// When it was made.
    pub since: Timestamp,
    /// Until when it is valid.
    pub until: Timestamp,
}
