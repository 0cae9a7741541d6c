//! The member list as a member tells it to its peers, at `/members` of its peer URL: without a quorum and without
//! authentication, and maybe old.

use serde::Deserialize;

use crate::plan::{Listed, MemberId};

/// A member as a peer URL lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerMember {
    /// Its ID.
    pub id: u64,
    /// Its name. A founder has it from the beginning, a member that was added once it has started.
    #[serde(default)]
    pub name: String,
    /// Where its peers reach it.
    #[serde(default, rename = "peerURLs")]
    pub peer_urls: Vec<String>,
    /// Where clients reach it, as it said itself once it had started; before that there are none.
    #[serde(default, rename = "clientURLs")]
    pub client_urls: Vec<String>,
    /// Whether it has no vote.
    #[serde(default)]
    pub is_learner: bool,
}

impl PeerMember {
    /// Reads a whole list.
    ///
    /// # Errors
    /// When it is none.
    pub fn list(body: &[u8]) -> serde_json::Result<Vec<Self>> {
        serde_json::from_slice(body)
    }
}

impl From<PeerMember> for Listed {
    fn from(one: PeerMember) -> Self {
        Self { id: MemberId(one.id), name: one.name, peer_urls: one.peer_urls, learner: one.is_learner }
    }
}
