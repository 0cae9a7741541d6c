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
    /// `GET /version` at the peer URL.
    Version,
    /// `GET /metrics`, for the number of raft snapshots.
    RaftSnapshots,
    /// Maintenance.Snapshot.
    Snapshot,
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
    /// Maintenance.Downgrade.
    Downgrade,
}

impl Call {
    /// All calls, reads first.
    pub const ALL: [Call; 15] = [
        Call::Status,
        Call::Ready,
        Call::Alarms,
        Call::Members,
        Call::Hearsay,
        Call::HashKv,
        Call::Version,
        Call::RaftSnapshots,
        Call::Snapshot,
        Call::AddLearner,
        Call::Promote,
        Call::Remove,
        Call::UpdatePeerUrl,
        Call::MoveLeader,
        Call::Downgrade,
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
            Call::Version => "version",
            Call::RaftSnapshots => "raft_snapshots",
            Call::Snapshot => "snapshot",
            Call::AddLearner => "add_learner",
            Call::Promote => "promote",
            Call::Remove => "remove",
            Call::UpdatePeerUrl => "update_peer_url",
            Call::MoveLeader => "move_leader",
            Call::Downgrade => "downgrade",
        }
    }

    /// Whether the call changes something, so that a lost answer leaves open whether it did.
    pub fn changes(self) -> bool {
        match self {
            Call::Status
            | Call::Ready
            | Call::Alarms
            | Call::Members
            | Call::Hearsay
            | Call::HashKv
            | Call::Version
            | Call::RaftSnapshots
            | Call::Snapshot => false,
            Call::AddLearner
            | Call::Promote
            | Call::Remove
            | Call::UpdatePeerUrl
            | Call::MoveLeader
            | Call::Downgrade => true,
        }
    }

    /// After how long without an answer the call counts as failed.
    ///
    /// Several calls never answer without a quorum, and MoveLeader to a stopped voter never does, so there is no call
    /// without one.
    pub fn deadline(self) -> Duration {
        Duration::from_millis(match self {
            Call::Status
            | Call::Ready
            | Call::Alarms
            | Call::Hearsay
            | Call::Version
            | Call::RaftSnapshots => 1_500,
            // A transfer of leadership that works takes a tenth of a second; one that doesn't costs writes meanwhile.
            Call::Members | Call::MoveLeader => 2_000,
            Call::AddLearner | Call::Promote | Call::Remove | Call::UpdatePeerUrl | Call::Downgrade => 5_000,
            // Hashing reads the whole database. Of a snapshot, this is how long it may come to a halt.
            Call::HashKv | Call::Snapshot => 30_000,
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
            Call::Version => "read the cluster version",
            Call::RaftSnapshots => "read the number of raft snapshots",
            Call::Snapshot => "take a snapshot",
            Call::AddLearner => "add a learner",
            Call::Promote => "promote a learner",
            Call::Remove => "remove a member",
            Call::UpdatePeerUrl => "change a peer URL",
            Call::MoveLeader => "move the leadership",
            Call::Downgrade => "change the downgrade",
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.action())
    }
}
