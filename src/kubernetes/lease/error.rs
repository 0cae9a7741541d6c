//! What goes wrong between an elector and the API server.

use super::{CALL, DEADLINE};

/// Why this one leads no longer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Another is written into the Lease.
    #[error("the lease {lease} is held by {by:?}: another replica leads")]
    Taken {
        /// Namespace and name of the Lease.
        lease: String,
        /// Who is written there; empty when it was cleared by hand.
        by: String,
    },
    /// It could not be renewed in time.
    #[error(
        "the lease {lease} could not be renewed for {} s: {why}; look at the API server and the network to it",
        DEADLINE.as_secs()
    )]
    NotRenewed {
        /// Namespace and name of the Lease.
        lease: String,
        /// What the last attempt met.
        why: String,
    },
    /// It was never acquired.
    #[error("the lease {0} is not held")]
    NotHeld(String),
}

/// Why a Lease was not read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// It is not as it was read.
    #[error("the lease changed meanwhile")]
    Conflict,
    /// No answer in time; a write may be carried out all the same.
    #[error("no answer of the API server within {} s", CALL.as_secs())]
    Silent,
    /// The account may not.
    #[error(
        "{0}; grant get, create and patch of leases in coordination.k8s.io to the ServiceAccount of the operator"
    )]
    Forbidden(String),
    /// The Lease, or its namespace, is not there.
    #[error("{0}; create the namespace, or name another with --lease-namespace")]
    NotFound(String),
    /// Anything else.
    #[error("{0}")]
    Other(#[source] Box<kube::Error>),
}

pub(super) fn call_error(error: kube::Error) -> CallError {
    match error {
        kube::Error::Api(status) if status.code == 409 => CallError::Conflict,
        kube::Error::Api(status) if status.code == 404 => CallError::NotFound(status.message),
        kube::Error::Api(status) if status.code == 403 => CallError::Forbidden(status.message),
        other => CallError::Other(Box::new(other)),
    }
}
