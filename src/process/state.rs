//! What the files of a cluster's folder hold.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    api::EtcdClusterSpec,
    plan::{Admission, EtcdOptions, EtcdVersion, MemberName, Record, Transport},
};

/// `record.yaml`: the facts that can't be observed again, and the spec that was accepted last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordFile {
    /// The cluster this folder belongs to; the folder never changes hands.
    pub name: String,
    /// Tells this cluster from another of the same name.
    pub uid: String,
    /// Counts the specs that were accepted, as Kubernetes counts generations.
    pub generation: i64,
    /// The spec that was accepted last. It stays in force while the manifest is invalid.
    pub spec: EtcdClusterSpec,
    /// Formed or not, and the names given out.
    #[serde(flatten)]
    pub record: Record,
}

/// `members/<name>/member.yaml`: what is recorded of one incarnation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberFile {
    /// Its name.
    pub name: MemberName,
    /// The version of etcd it is made for, until a roll changes it.
    pub version: EtcdVersion,
    /// When it was made.
    pub created: Timestamp,
    /// Its ports, chosen once and kept.
    pub ports: Ports,
    /// The options it is made with: those of each start, until a roll changes them.
    #[serde(default)]
    pub options: EtcdOptions,
    /// How it is reached, and whom it trusts: that of each start, until a roll changes it.
    #[serde(default, skip_serializing_if = "Transport::is_plain")]
    pub transport: Transport,
    /// How it enters the cluster; absent while it is only reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// Whether etcd was ever started on its data folder.
    #[serde(default)]
    pub started: bool,
    /// Since when clients are told to leave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<Timestamp>,
    /// When clients were told last that they may come back to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<Timestamp>,
}

/// The ports of one member on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// For clients.
    pub client: u16,
    /// For its peers.
    pub peer: u16,
    /// For health and metrics: it answers even when the client port does not open for want of a quorum.
    pub metrics: u16,
}

impl Ports {
    /// Where clients reach it.
    pub fn client_url(self) -> String {
        url(self.client)
    }

    /// Where its peers reach it.
    pub fn peer_url(self) -> String {
        url(self.peer)
    }

    /// Where its health is asked.
    pub fn metrics_url(self) -> String {
        url(self.metrics)
    }

    /// All of them.
    pub fn all(self) -> [u16; 3] {
        [self.client, self.peer, self.metrics]
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
