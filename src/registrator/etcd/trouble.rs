//! Why etcd did not do what it was asked, and what to do about it.
//!
//! etcd's own errors are told apart by their text, because the same error has another gRPC code in another version.

use std::time::Duration;

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {what} at {endpoint}: {message}{}", self.kind.advice())]
pub struct Trouble {
    /// What was asked, to stand after "cannot".
    pub what: &'static str,
    /// The endpoint that was asked.
    pub endpoint: String,
    /// What etcd or the connection said.
    pub message: String,
    /// What it means.
    pub kind: Kind,
}

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The endpoint does not answer, or has no leader: another one may.
    Away,
    /// The token is not valid any more, or the password is wrong: a new login tells which.
    Login,
    /// The lease is gone, with all keys on it.
    LeaseGone,
    /// The lease is there already.
    LeaseExists,
    /// The database is full.
    NoSpace,
    /// The user may not do this.
    Denied,
    /// Anything else that etcd refuses.
    Refused,
}

impl Kind {
    /// A stable name, for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Away => "away",
            Kind::Login => "login",
            Kind::LeaseGone => "lease_gone",
            Kind::LeaseExists => "lease_exists",
            Kind::NoSpace => "no_space",
            Kind::Denied => "denied",
            Kind::Refused => "refused",
        }
    }

    /// Whether a new connection may help.
    pub(super) fn needs_connection(self) -> bool {
        matches!(self, Kind::Away | Kind::Login)
    }

    fn advice(self) -> &'static str {
        match self {
            Kind::NoSpace => {
                "; keys are still removed, new ones wait: compact and defragment etcd, and disarm its alarm"
            }
            Kind::Denied => "; the user needs readwrite on the prefixes of all outputs",
            Kind::Login => "; if it goes on, the user or the password is wrong",
            _ => "",
        }
    }

    /// What a text of etcd means.
    fn of(code: tonic::Code, message: &str) -> Self {
        let says = |words: &str| message.contains(words);
        if says("requested lease not found") {
            Kind::LeaseGone
        } else if says("lease already exists") {
            Kind::LeaseExists
        } else if says("database space exceeded") {
            Kind::NoSpace
        } else if says("invalid auth token")
            || says("revision of auth store is old")
            || says("user name is empty")
            || says("invalid user ID or password")
            || code == tonic::Code::Unauthenticated
        {
            Kind::Login
        } else if says("permission denied") || code == tonic::Code::PermissionDenied {
            Kind::Denied
        } else {
            match code {
                tonic::Code::Unavailable
                | tonic::Code::Unknown
                | tonic::Code::DeadlineExceeded
                | tonic::Code::Cancelled
                | tonic::Code::Internal
                | tonic::Code::Aborted => Kind::Away,
                _ => Kind::Refused,
            }
        }
    }
}

impl Trouble {
    pub(super) fn of(what: &'static str, endpoint: &str, error: &etcd_client::Error) -> Self {
        let endpoint = endpoint.to_owned();
        match error {
            etcd_client::Error::GRpcStatus(status) => {
                let message = status.message();
                let bare = message.strip_prefix("etcdserver: ").unwrap_or(message);
                let kind = Kind::of(status.code(), bare);
                let source = std::error::Error::source(status).map(deepest);
                let message = source.filter(|_| kind == Kind::Away).unwrap_or_else(|| bare.to_owned());
                Self { what, endpoint, message, kind }
            }
            error => Self { what, endpoint, message: error.to_string(), kind: Kind::Away },
        }
    }

    pub(super) fn late(what: &'static str, endpoint: &str, deadline: Duration) -> Self {
        let message = format!("no answer within {} s", deadline.as_secs_f64());
        Self { what, endpoint: endpoint.to_owned(), message, kind: Kind::Away }
    }

    pub(super) fn odd(what: &'static str, endpoint: &str, message: impl Into<String>) -> Self {
        Self { what, endpoint: endpoint.to_owned(), message: message.into(), kind: Kind::Refused }
    }
}

/// The first cause: `Connection refused` rather than `transport error`.
fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}
