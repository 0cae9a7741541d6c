//! What the files of a cluster's folder hold.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    api::EtcdClusterSpec,
    plan::{
        Admission, EtcdOptions, EtcdVersion, MemberName, Record, Scheme, Side, Sides, Transport,
        transport::Listen,
    },
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
    #[serde(default, skip_serializing_if = "Transport::is_default")]
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

/// How far behind the first port of a side the second one is.
const SECOND: u16 = 3;

/// The ports of one member on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// For clients.
    pub client: u16,
    /// For its peers.
    pub peer: u16,
    /// For health and metrics: it answers even when the client port does not open for want of a quorum.
    pub metrics: u16,
    /// Which ports are for TLS: those above, or the two after them. Never both schemes on one port.
    #[serde(default, skip_serializing_if = "Sides::is_default")]
    pub secured: Sides<bool>,
}

impl Ports {
    /// The port of one side for a scheme.
    pub fn port(self, side: Side, scheme: Scheme) -> u16 {
        let (first, second) = match side {
            Side::Client => (self.client, self.client.saturating_add(SECOND)),
            Side::Peer => (self.peer, self.peer.saturating_add(SECOND)),
        };
        if *self.secured.get(side) == (scheme == Scheme::Https) { first } else { second }
    }

    /// The URL of one side under a scheme.
    pub fn url(self, side: Side, scheme: Scheme) -> String {
        format!("{}://127.0.0.1:{}", scheme.name(), self.port(side, scheme))
    }

    /// The URLs at which a member listens on one side, the plain one first.
    pub fn urls(self, side: Side, listen: Listen) -> Vec<String> {
        let schemes = [Scheme::Http, Scheme::Https].into_iter().filter(|scheme| listen.has(*scheme));
        schemes.map(|scheme| self.url(side, scheme)).collect()
    }

    /// Where its health is asked: in plain text always.
    pub fn metrics_url(self) -> String {
        format!("http://127.0.0.1:{}", self.metrics)
    }

    /// All of them, whether they are in use or not.
    pub fn all(self) -> [u16; 5] {
        let second = |port: u16| port.saturating_add(SECOND);
        [self.client, self.peer, self.metrics, second(self.client), second(self.peer)]
    }

    /// Those at which a member listens.
    pub fn in_use(self, transport: &Transport) -> Vec<u16> {
        let sides = Side::ALL.into_iter().flat_map(|side| {
            let listen = transport.get(side).listen;
            let schemes = [Scheme::Http, Scheme::Https].into_iter().filter(move |scheme| listen.has(*scheme));
            schemes.map(move |scheme| self.port(side, scheme))
        });
        sides.chain([self.metrics]).collect()
    }
}
