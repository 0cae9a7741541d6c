//! Why something failed on Kubernetes, in words for a person.

use super::{
    guards::GuardError,
    hands::CallError,
    render::RenderError,
    tls::{LeafError, TalkError},
};
use crate::plan::MemberName;

/// Why a verb failed on Kubernetes.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// The API server refused a call, or did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// An object can't be made from the spec.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A guard was not told.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The cluster's object is gone, or another one bears its name.
    #[error("EtcdCluster {0} is gone")]
    Gone(String),
    /// The object can't be read.
    #[error("{kind} {name} can't be read: {why}; correct it with kubectl edit")]
    Malformed {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What does not fit.
        why: String,
    },
    /// The spec breaks a rule that the API server did not apply.
    #[error("the spec of EtcdCluster {name} is refused: {why}")]
    Refused {
        /// Its name.
        name: String,
        /// The rules, and what to do.
        why: String,
    },
    /// What a destructive step relied on is not so any more.
    #[error("{member} is not as it was seen a moment ago; nothing is removed before the next look")]
    Stale {
        /// The member.
        member: String,
    },
    /// A certificate can't be made.
    #[error(transparent)]
    Leaf(#[from] LeafError),
    /// The operator has no certificates of its own to talk to members with.
    #[error("members can't be talked to under TLS: {0}")]
    Talk(#[from] TalkError),
    /// A Secret is gone.
    #[error("Secret {0} is gone; restore it from a copy")]
    NoSecret(String),
    /// A member's object is not there.
    #[error("member {0} does not exist")]
    NoSuchMember(MemberName),
    /// An object of another one's is where the operator's own should be.
    #[error("{kind} {name} is there and is not the operator's; rename the cluster, or delete that object")]
    Foreign {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}
