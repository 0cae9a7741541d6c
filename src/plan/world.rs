//! Everything a decision looks at, as plain values: what is wanted, what exists, what etcd says.
//!
//! A platform and the etcd clients fill a [`World`] anew for every pass; nothing in it is remembered from the last one
//! except the [`Record`], which holds the facts that can't be observed again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    certificates::{Certificates, Source},
    divergence::Divergence,
    name::{ClusterId, MemberId, MemberName},
    options::EtcdOptions,
    policy::Policy,
    quorum::ClusterSize,
    transport::{Listen, Scheme, Sides, Transport},
    version::{EtcdVersion, Minor},
};

/// One look at a cluster.
#[derive(Debug, Clone)]
pub struct World {
    /// The name of the cluster.
    pub cluster: String,
    /// What tells this cluster from another of the same name; part of its token.
    pub uid: String,
    /// What a person asked for.
    pub desired: Desired,
    /// The facts that can't be observed again.
    pub record: Record,
    /// The members that exist on the platform, whether etcd knows them or not.
    pub incarnations: Vec<Incarnation>,
    /// The members of a former cluster of this name whose volumes are still there.
    pub left: Vec<MemberName>,
    /// The member list of etcd.
    pub membership: Membership,
    /// The snapshots of the data that are kept for changes of the minor version.
    pub snapshots: Vec<Snapshot>,
    /// What is known of the certificates.
    pub certificates: Sides<Certificates>,
    /// The last comparison of the members' data, if there was one.
    pub divergence: Option<Divergence>,
    /// By which members get addresses that are known before their places are; `None` where each place gets its own.
    pub domain: Option<PeerDomain>,
    /// How long to wait for what.
    pub policy: Policy,
}

/// The domain in which every member has its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerDomain(pub String);

impl PeerDomain {
    /// The peer URL of a member under a scheme. Each scheme has a port of its own.
    pub fn peer_url(&self, name: &MemberName, scheme: Scheme) -> String {
        let port = match scheme {
            Scheme::Http => 2380,
            Scheme::Https => 2383,
        };
        format!("{}://{name}.{}:{port}", scheme.name(), self.0)
    }

    /// The peer URLs of a member that listens so: [`Incarnation::peer_url`] and [`Incarnation::second_peer_url`].
    pub fn peer_urls(&self, name: &MemberName, listen: Listen) -> (String, Option<String>) {
        let url = |scheme| self.peer_url(name, scheme);
        match listen {
            Listen::Plain => (url(Scheme::Http), None),
            Listen::Both => (url(Scheme::Http), Some(url(Scheme::Https))),
            Listen::Tls => (url(Scheme::Https), None),
        }
    }
}

/// What an etcd process is made from: a member keeps it until a roll gives it another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The version of etcd.
    pub version: EtcdVersion,
    /// Its options.
    pub options: EtcdOptions,
    /// How it is reached, and whom it trusts.
    pub transport: Transport,
}

/// A snapshot of the data that is kept in case a change of the minor version goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The minor version that the cluster was about to get.
    pub to: Minor,
    /// What became of it.
    pub state: SnapshotState,
}

/// What became of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SnapshotState {
    /// It is being taken.
    Running,
    /// It is there, whole.
    Taken {
        /// Since when.
        at: Timestamp,
    },
    /// It could not be taken.
    Failed {
        /// When.
        at: Timestamp,
        /// Why, and what to do about it.
        why: String,
    },
}

/// The spec, checked and in the words of this module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// How many members.
    pub size: ClusterSize,
    /// Which version of etcd.
    pub version: EtcdVersion,
    /// Which options of etcd.
    pub options: EtcdOptions,
    /// Who the certificates of each side are from.
    pub tls: Sides<Source>,
    /// Keep a listener in plain text for clients beside that under TLS.
    pub client_plaintext: bool,
    /// When a person asked for new authorities, last.
    pub rotate: Option<Timestamp>,
    /// The text before the UID in `--initial-cluster-token`; the cluster's name when absent.
    pub token: Option<String>,
    /// Take up the volumes that a former cluster of this name left.
    pub adopt: bool,
    /// Look and report, touch nothing.
    pub paused: bool,
    /// Replace members whose place differs from one that would be made now, where only another place mends that.
    pub replaces_misplaced: bool,
    /// What the spec says that can't be applied: one sentence each. It ends up in the condition `SpecApplied`.
    pub not_applied: Vec<String>,
    /// What is known to keep etcd from starting with it: one sentence each. Nothing is rolled out while there is any.
    pub unfit: Vec<String>,
}

/// The facts that can't be observed again. They are written down before anything relies on them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The ID of the cluster, once it formed. From then on no member starts with the state `new` again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<ClusterId>,
    /// How many names were given out; the next member gets the name after this one.
    pub serial: u64,
}

/// One life of a member on the platform: a name, a place for data, a process or Pod.
#[derive(Debug, Clone)]
pub struct Incarnation {
    /// Its name, never used again.
    pub name: MemberName,
    /// Where its peers reach it; in plain text, while it listens under both schemes.
    pub peer_url: String,
    /// Where its peers reach it under TLS, while it listens under both schemes.
    pub second_peer_url: Option<String>,
    /// Where clients are told to reach it: under TLS as soon as the spec wants that for clients and the member listens so,
    /// in plain text as soon as it does not and the member does; else the only way there is.
    pub client_url: String,
    /// When it was made.
    pub created: Timestamp,
    /// The version of etcd it is made for.
    pub version: EtcdVersion,
    /// The options it is made with: those of each start until a roll changes them.
    pub options: EtcdOptions,
    /// How it is reached, and whom it trusts: that of each start until a roll changes it. A process that was started with
    /// another one than is recorded here shows in `behind`.
    pub transport: Transport,
    /// How it enters the cluster; `None` while it is only reserved, which means it must not start yet.
    pub admission: Option<Admission>,
    /// What its process does.
    pub process: Process,
    /// What its data folder holds.
    pub data: Data,
    /// Whether the platform starts it again by itself whenever it ends. A start is then only asked for at first, and to
    /// make it anew from a spec that changed.
    pub supervised: bool,
    /// What its platform would make otherwise now, in words; version and options are compared apart from it.
    pub behind: Option<String>,
    /// Whether its data goes with its process's place, so that it loses them when it is made anew.
    pub ephemeral: bool,
    /// Why clients are not sent to it although it may serve them, in words: something beside etcd keeps its place from being
    /// ready.
    pub closed: Option<String>,
    /// How far the clock of its machine is ahead of the one that decides, where that is another machine and it said so.
    pub ahead: Option<SignedDuration>,
    /// How its place differs from one that would be made now, in words, where only another place mends that.
    pub misplaced: Option<String>,
    /// Since when its data is seen to be lost, where that can be told.
    pub lost_since: Option<Timestamp>,
    /// Whether clients are told to leave it.
    pub draining: Option<Draining>,
    /// When clients were told last that they may come back to it.
    pub returned: Option<Timestamp>,
    /// When a person asked for a restart, last.
    pub restart_requested: Option<Timestamp>,
    /// Whether a person asked to have it replaced.
    pub replace_requested: bool,
    /// Where it runs, for people to read; empty on one machine.
    pub node: String,
    /// What it says of itself, if it answered in this pass.
    pub report: Option<Report>,
}

/// What an etcd process is told about the cluster at its first start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Admission {
    /// `--initial-cluster-state`.
    pub state: ClusterState,
    /// `--initial-cluster`: names and peer URLs. etcd starts only if the entry of the member itself is what it advertises
    /// (`--initial-advertise-peer-urls`).
    pub initial_cluster: Vec<Peer>,
    /// `--initial-cluster-token`.
    pub token: String,
    /// The ID etcd gave it when it was added; a member of a bootstrap gets its ID only by forming the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<MemberId>,
}

impl Admission {
    /// That of a member made over a volume that was there: it knows its peers from its data, and nobody tells it any.
    pub fn over_data() -> Self {
        Self { state: ClusterState::Existing, initial_cluster: Vec::new(), token: String::new(), id: None }
    }

    /// Whether it is that of a member made over a volume that was there.
    pub fn is_over_data(&self) -> bool {
        self.state == ClusterState::Existing && self.initial_cluster.is_empty()
    }
}

/// One entry of `--initial-cluster`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Peer {
    /// The member's name.
    pub name: String,
    /// Its peer URL.
    pub url: String,
}

/// `--initial-cluster-state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterState {
    /// The member is one of those that form the cluster.
    New,
    /// The member joins a cluster that exists.
    Existing,
}

/// What a member's process does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Process {
    /// It was never started.
    NotStarted,
    /// It runs.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// It ended.
    Exited {
        /// When.
        at: Timestamp,
        /// How often it ended in a row without having run for a while; 0 after a planned stop.
        failures: u32,
        /// The last lines of its log.
        last_words: String,
    },
    /// It can't be started, for a reason outside of it: a taken port, a missing binary.
    Blocked {
        /// What is in the way, and what to do about it.
        why: String,
        /// When it was tried last.
        at: Timestamp,
    },
}

/// What a member's data folder holds, compared with what is recorded of this incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data {
    /// Whether etcd was ever started on it: written down before the first start, and in doubt only while the process
    /// of that first start runs and was not seen to write anything yet.
    pub started: bool,
    /// Whether both a write-ahead log and a database are there now.
    pub present: bool,
}

/// What a member says of itself: the answer to Status, with its health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its own ID.
    pub id: MemberId,
    /// The cluster it belongs to.
    pub cluster_id: ClusterId,
    /// The leader it knows.
    pub leader: Option<MemberId>,
    /// Its raft term.
    pub term: u64,
    /// Whether it calls itself a learner.
    pub learner: bool,
    /// The last raft entry it has.
    pub raft_index: u64,
    /// The last raft entry it applied.
    pub applied_index: u64,
    /// The size of its database file, in bytes.
    pub db_size: i64,
    /// The part of it in use, in bytes.
    pub db_size_in_use: i64,
    /// The version of its binary.
    pub version: String,
    /// The minor version that its data has the form of: it follows the cluster version. etcd 3.5 does not tell it.
    pub storage: Option<Minor>,
    /// The minor version to which the cluster may go down, while such a downgrade is enabled.
    pub downgrade: Option<Minor>,
    /// The cluster version; asked only while the minor version is about to change.
    pub cluster_version: Option<Minor>,
    /// How many raft snapshots its process took; asked only before an upgrade that needs them.
    pub raft_snapshots: Option<u64>,
    /// The revision of its key space.
    pub revision: i64,
    /// The alarms raised for it, such as `NOSPACE`.
    pub alarms: Vec<String>,
    /// Whether it serves linearizable reads as a voter: its own `/readyz`.
    pub ready: bool,
}

/// The member list of etcd.
#[derive(Debug, Clone)]
pub enum Membership {
    /// Read linearizably, from the cluster that is recorded.
    Known(Vec<Listed>),
    /// Nobody could confirm it.
    Unknown {
        /// Why, in words.
        why: String,
        /// What some member said without a quorum. For people to read; no membership is changed upon it.
        hearsay: Vec<Listed>,
    },
}

/// One entry of etcd's member list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its ID.
    pub id: MemberId,
    /// Its name; empty until it started for the first time.
    pub name: String,
    /// Its peer URLs.
    pub peer_urls: Vec<String>,
    /// Whether it is a learner.
    pub learner: bool,
}

/// Clients are told to leave a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draining {
    /// Since when.
    pub since: Timestamp,
    /// Since when nobody sends them there any more; `None` as long as somebody does. Where others carry the word to clients,
    /// that takes as long as they do.
    pub spread: Option<Timestamp>,
}

impl Draining {
    /// Whoever is told sees it at once.
    pub fn seen(since: Timestamp) -> Self {
        Self { since, spread: Some(since) }
    }
}

impl Incarnation {
    /// Since when clients are told to leave it, if they are.
    pub fn draining_since(&self) -> Option<Timestamp> {
        self.draining.map(|told| told.since)
    }

    /// Why its data counts as lost or bad; `None` while there is no evidence.
    pub fn data_fault(&self) -> Option<String> {
        let Data { started, present } = self.data;
        // A process that does not answer yet may simply not have made its files yet.
        let settled = !matches!(self.process, Process::Running { .. }) || self.report.is_some();
        if started && !present && settled {
            return Some("its data folder is empty although it was started before".into());
        }
        match &self.process {
            Process::Exited { failures, last_words, .. } if *failures >= 2 => {
                super::evidence::of_corruption(last_words)
            }
            _ => None,
        }
    }

    /// Whether its peers reach it under one of these URLs.
    pub fn is_at(&self, peer_urls: &[String]) -> bool {
        peer_urls.iter().any(|url| *url == self.peer_url || Some(url) == self.second_peer_url.as_ref())
    }

    /// Where its peers reach it under a scheme, if it listens so.
    pub fn peer_url_under(&self, scheme: Scheme) -> Option<&str> {
        let urls = [Some(self.peer_url.as_str()), self.second_peer_url.as_deref()];
        urls.into_iter().flatten().find(|url| Scheme::of(url) == scheme)
    }

    /// Whether its process runs.
    pub fn running(&self) -> bool {
        matches!(self.process, Process::Running { .. })
    }

    /// Whether a person asked for a restart that has not happened yet. A request of the future would never be done.
    pub fn restart_due(&self, now: Timestamp) -> bool {
        match (self.restart_requested, &self.process) {
            (Some(asked), Process::Running { since }) => asked > *since && asked <= now,
            _ => false,
        }
    }
}

/// By how much clocks of several machines may differ before that counts as a clock that is wrong.
pub const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// The time between two moments; zero when they are in the wrong order, as those of two clocks may be: nobody is given up
/// for a clock that is wrong.
pub fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// How long something was waited for. A moment that lies far in the future is one of a clock that was set back since, and
/// nothing is held up until that moment comes.
pub(super) fn waited(since: Timestamp, now: Timestamp) -> Duration {
    match now.duration_since(since) < -CLOCKS_DIFFER {
        true => Duration::MAX,
        false => elapsed(since, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_of_a_clock_that_was_ahead_is_not_waited_for() {
        let now = Timestamp::from_second(10_000).unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        let since = |second| waited(at(second), now);
        assert_eq!(elapsed(at(13_600), now), Duration::ZERO, "nobody is given up for it");
        assert_eq!(since(9_990), Duration::from_secs(10));
        assert_eq!(since(10_030), Duration::ZERO, "clocks of several machines differ a little");
        assert_eq!(since(13_600), Duration::MAX, "an hour, which was mended");
    }
}
