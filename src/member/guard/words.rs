//! What the operator and the guard of a member say to each other. Both are the same program, but not always of the same
//! version: fields are added, never renamed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::plan::{
    Admission, EtcdOptions, EtcdVersion, MemberName, Side, Snapshot, Transport, version::Minor,
};

/// The environment variable of the container that holds the [`Assignment`] as JSON.
pub const ASSIGNMENT: &str = "QUORATE_MEMBER";
/// The port on which the guard answers.
pub const GUARD_PORT: u16 = 2382;
/// The port of etcd for clients.
pub const CLIENT_PORT: u16 = 2379;
/// The port of etcd for clients under TLS.
pub const CLIENT_TLS_PORT: u16 = 2384;
/// The port of etcd for its peers.
pub const PEER_PORT: u16 = 2380;
/// The port of etcd for its peers under TLS.
pub const PEER_TLS_PORT: u16 = 2383;
/// The port of etcd for health and metrics.
pub const METRICS_PORT: u16 = 2381;
/// Where the member's volume is mounted. The data folder is `data` in it.
pub const VOLUME: &str = "/var/lib/etcd";
/// The folder that lives as long as the Pod: the program, and the marks that outlive a restart of the container.
pub const POD_FOLDER: &str = "/quorate";
/// Where the member's certificates are mounted, under the names that [`certificate_file`], [`key_file`] and
/// [`authorities_file`] give.
pub const CERTIFICATES: &str = "/etc/quorate";

/// The file with a member's certificate of a side.
pub fn certificate_file(side: Side) -> &'static str {
    match side {
        Side::Peer => "peer.crt",
        Side::Client => "server.crt",
    }
}

/// The file with its key.
pub fn key_file(side: Side) -> &'static str {
    match side {
        Side::Peer => "peer.key",
        Side::Client => "server.key",
    }
}

/// The file with the certificates of the authorities that the member trusts.
pub fn authorities_file(side: Side) -> &'static str {
    match side {
        Side::Peer => "peer-ca.crt",
        Side::Client => "client-ca.crt",
    }
}

/// What a guard is told when its Pod is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// The member's name.
    pub name: MemberName,
    /// The UID of its EtcdMember: only who knows it may tell the guard to start, and the volume is marked with it.
    pub uid: String,
    /// The version of the etcd binary beside the guard.
    pub version: EtcdVersion,
    /// What the spec says about etcd.
    #[serde(default)]
    pub options: EtcdOptions,
    /// How it is reached, and whom it trusts.
    #[serde(default, skip_serializing_if = "Transport::is_default")]
    pub transport: Transport,
    /// Where its peers reach it; in plain text, while it listens under both schemes.
    pub peer_url: String,
    /// Where its peers reach it under TLS, while it listens under both schemes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_peer_url: Option<String>,
    /// Where clients reach it; several URLs are separated by commas.
    pub client_url: String,
    /// The DNS name that resolves to the addresses of all members, whether ready or not.
    pub peers: String,
    /// How it enters the cluster, if that was known when the Pod was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// Whether this member is known to have been started once: then an empty folder is lost data.
    #[serde(default)]
    pub started: bool,
    /// Whether no other volume of its cluster is left: at its first start on this volume it forgets the other members.
    #[serde(default)]
    pub alone: bool,
}

impl Assignment {
    /// Whether its peers reach it at a URL.
    pub fn is_at(&self, peer_url: &str) -> bool {
        self.peer_url == peer_url || self.second_peer_url.as_deref() == Some(peer_url)
    }
}

/// `POST /start`: the word on which a member starts for the first time.
///
/// It comes once the Pods of all members it has to find have addresses, so that nobody asks for a name too early: the
/// answer that a name does not exist stays in caches for seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    /// How it enters the cluster.
    pub admission: Admission,
}

/// `POST /snapshot`: take a snapshot of the data and keep it on the member's volume. What becomes of it is in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakeSnapshot {
    /// The minor version that the cluster is about to get.
    pub to: Minor,
}

/// `GET /state`: what the guard does and sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardState {
    /// What it does.
    pub phase: Phase,
    /// Why, if it is not running etcd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Why etcd could not be started even if it were told to, while it waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfit: Option<String>,
    /// Whether etcd was ever started on this member's volume, as far as the guard knows.
    pub started: bool,
    /// Whether both a write-ahead log and a database are in the data folder now.
    pub present: bool,
    /// Since when etcd runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How it enters the cluster, once it was given the word to start with that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Admission>,
    /// The snapshots of the data on this member's volume.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<Snapshot>,
}

/// What a guard does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It waits for the word to start for the first time.
    Waiting,
    /// It was told and looks for the names of its peers before etcd does.
    Resolving,
    /// It does not start etcd, for the reason it gives, and looks again.
    Refused,
    /// etcd runs.
    Running,
    /// etcd is being stopped.
    Stopping,
}
