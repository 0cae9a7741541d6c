//! The calls that are made to a member, and how long each may take.

use std::{fmt, time::Duration};

/// A call to one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// Maintenance.Status.
    Status,
    /// `GET /readyz` at the metrics or client URL.
    Ready,
    /// Maintenance.Alarm with the action GET.
    Alarms,
    /// Cluster.MemberList, linearizable.
    Members,
    /// `GET /members` at the peer URL.
    Hearsay,
    /// Maintenance.HashKV.
    HashKv,
    /// Cluster.MemberAdd as a learner.
    AddLearner,
    /// Cluster.MemberPromote.
    Promote,
    /// Cluster.MemberRemove.
    Remove,
    /// Cluster.MemberUpdate.
    UpdatePeerUrl,
    /// Maintenance.MoveLeader.
    MoveLeader,
}

impl Call {
    /// All calls, reads first.
    pub const ALL: [Call; 11] = [
        Call::Status,
        Call::Ready,
        Call::Alarms,
        Call::Members,
        Call::Hearsay,
        Call::HashKv,
        Call::AddLearner,
        Call::Promote,
        Call::Remove,
        Call::UpdatePeerUrl,
        Call::MoveLeader,
    ];

    /// A stable name, for metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Call::Status => "status",
            Call::Ready => "ready",
            Call::Alarms => "alarms",
            Call::Members => "members",
            Call::Hearsay => "hearsay",
            Call::HashKv => "hash_kv",
            Call::AddLearner => "add_learner",
            Call::Promote => "promote",
            Call::Remove => "remove",
            Call::UpdatePeerUrl => "update_peer_url",
            Call::MoveLeader => "move_leader",
        }
    }

    /// Whether the call changes something, so that a lost answer leaves open whether it did.
    pub fn changes(self) -> bool {
        match self {
            Call::Status | Call::Ready | Call::Alarms | Call::Members | Call::Hearsay | Call::HashKv => false,
            Call::AddLearner | Call::Promote | Call::Remove | Call::UpdatePeerUrl | Call::MoveLeader => true,
        }
    }

    /// After how long without an answer the call counts as failed.
    ///
    /// Several calls never answer without a quorum, and MoveLeader to a stopped voter never does, so there is no call
    /// without one.
    pub fn deadline(self) -> Duration {
        Duration::from_millis(match self {
            Call::Status | Call::Ready | Call::Alarms | Call::Hearsay => 1_500,
            // A transfer of leadership that works takes a tenth of a second; one that doesn't costs writes meanwhile.
            Call::Members | Call::MoveLeader => 2_000,
            Call::AddLearner | Call::Promote | Call::Remove | Call::UpdatePeerUrl => 5_000,
            // Hashing reads the whole database.
            Call::HashKv => 30_000,
        })
    }

    /// What the call does, to stand after "cannot".
    fn action(self) -> &'static str {
        match self {
            Call::Status => "read the status",
            Call::Ready => "read the readiness",
            Call::Alarms => "read the alarms",
            Call::Members => "read the member list",
            Call::Hearsay => "read the peers' member list",
            Call::HashKv => "hash the keys",
            Call::AddLearner => "add a learner",
            Call::Promote => "promote a learner",
            Call::Remove => "remove a member",
            Call::UpdatePeerUrl => "change a peer URL",
            Call::MoveLeader => "move the leadership",
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.action())
    }
}
