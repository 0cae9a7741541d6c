//! What people read: the same status on every platform, computed from a look at the cluster and the decision on it.
//!
//! No decision ever depends on it.

mod conditions;
pub mod notable;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Decision, Incarnation, Listed, MemberName, Membership, Process, Side, World, authorities,
    certificates::Source,
    rollout,
    view::{Seat, View},
};

/// The status of an EtcdCluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// etcd's ID of the cluster, in hex like etcdctl prints it; absent until the cluster formed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// The lowest version of etcd among the members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many members exist.
    pub size: i64,
    /// How many of them serve, of how many that are wanted, such as `3/3`.
    pub ready: String,
    /// How many of them serve.
    pub ready_members: i64,
    /// How many of them run with what the spec says now.
    pub updated_members: i64,
    /// The name of the leader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// The raft term.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<i64>,
    /// The size of the largest database among the members, such as `1.2Gi`; empty while none is known.
    pub db: String,
    /// The members, by name.
    pub members: Vec<MemberStatus>,
    /// The certificates; absent while no side is under TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificates: Option<CertificatesStatus>,
    /// The work in progress; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationStatus>,
    /// Ready, Available, Progressing, Degraded, SpecApplied, CertificatesReady, QuorumLost and Paused.
    pub conditions: Vec<Condition>,
    /// Selects what belongs to the cluster, for the scale subresource.
    pub selector: String,
}

/// One member in the status.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MemberStatus {
    /// Its name; never used again after it.
    pub name: String,
    /// Its ID in hex; absent until etcd knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `leader`, `voter`, `learner` or `unstarted`.
    pub role: String,
    /// Whether clients should use it: it serves and is not about to leave.
    pub ready: bool,
    /// The version of its binary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where its peers reach it.
    #[serde(rename = "peerURL")]
    pub peer_url: String,
    /// Where clients reach it.
    #[serde(rename = "clientURL")]
    pub client_url: String,
    /// The size of its database, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_size: Option<i64>,
    /// The part of it in use, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_size_in_use: Option<i64>,
    /// The last raft entry it applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raft_index: Option<i64>,
    /// The alarms raised for it.
    pub alarms: Vec<String>,
    /// Where it runs; absent on one machine.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The certificates of both sides.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CertificatesStatus {
    /// Among members; absent while they talk in plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<SideStatus>,
    /// Between clients and members; absent while they talk in plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<SideStatus>,
}

/// The certificates of one side.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SideStatus {
    /// `Managed`: an authority of the cluster's own signs them. `Given`: they are taken as they come.
    pub source: String,
    /// What tells the authority that signs from others: the beginning of the SHA-256 of its certificate, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// When its certificate ends; where others sign, the first of those that are trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority_expires: Option<String>,
    /// When the first of the certificates in use ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// While another authority takes over: `Trust`, members come to trust both; `Reissue`, the new one signs all
    /// certificates anew; `Drop`, members trust the new one alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// How far that step is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The work in progress.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct OperationStatus {
    /// `Bootstrap`, `ScaleOut`, `ScaleIn`, `Replace`, `Restart`, `Roll`, `Upgrade`, `Downgrade` or `Recover`.
    pub kind: String,
    /// The member it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// What is done now, or what it waits for.
    pub reason: String,
}

/// A condition, in the shape Kubernetes gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word that programs may rely on.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// When `status` changed last.
    pub last_transition_time: String,
    /// The generation of the spec it speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

impl ClusterStatus {
    /// The condition of that name.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Whether the condition of that name is `True`.
    pub fn is(&self, kind: &str) -> bool {
        self.condition(kind).is_some_and(|condition| condition.status == "True")
    }
}

/// Writes the status of one look. `previous` only keeps the times at which conditions changed.
pub fn describe(
    world: &World,
    decision: &Decision,
    generation: Option<i64>,
    previous: Option<&ClusterStatus>,
    now: Timestamp,
) -> ClusterStatus {
    let (list, confirmed): (&[Listed], bool) = match &world.membership {
        Membership::Known(list) => (list, true),
        Membership::Unknown { hearsay, .. } => (hearsay, false),
    };
    let view = View::new(world, list, now);
    let leader = if confirmed { view.leader() } else { None };
    let mut members: Vec<_> = view
        .seats()
        .map(|seat| listed(world, seat, confirmed, leader == Some(seat.listed.id)))
        .chain(view.unlisted().map(existing))
        .collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    let newest =
        world.incarnations.iter().filter_map(|one| one.report.as_ref()).max_by_key(|report| report.term);
    let ready = members.iter().filter(|one| one.ready).count();
    let mut status = ClusterStatus {
        observed_generation: generation,
        cluster_id: world.record.cluster_id.map(|id| id.to_string()),
        version: members
            .iter()
            .filter_map(|one| one.version.clone())
            .min_by_key(|v| v.parse::<semver::Version>().ok()),
        size: count(members.len()),
        ready: format!("{ready}/{}", world.desired.size),
        ready_members: count(ready),
        updated_members: count(world.incarnations.iter().filter(|one| updated(world, one)).count()),
        leader: members.iter().find(|one| one.role == "leader").map(|one| one.name.clone()),
        term: newest.map(|report| report.term.cast_signed()),
        db: members.iter().filter_map(|one| one.db_size).max().map(amount).unwrap_or_default(),
        members,
        certificates: certificates(&view),
        operation: decision.operation().map(|operation| OperationStatus {
            kind: operation.kind.name().to_owned(),
            member: operation.member.as_ref().map(|name| name.0.clone()),
            since: operation.since.map(moment),
            reason: decision.reason().to_owned(),
        }),
        conditions: Vec::new(),
        selector: format!("quorate.dev/cluster={}", world.cluster),
    };
    status.conditions = conditions::all(&view, confirmed, decision, &status, now)
        .into_iter()
        .map(|fact| fact.into_condition(generation, previous, now))
        .collect();
    status
}

fn certificates(view: &View<'_>) -> Option<CertificatesStatus> {
    let side = |side: Side| {
        let source = *view.world.desired.tls.get(side);
        let known = view.world.certificates.get(side);
        let rotation = authorities::rotation(view, side);
        (source != Source::None).then(|| SideStatus {
            source: source.name().to_owned(),
            authority: known.issuer.as_ref().map(|id| id.0.clone()),
            authority_expires: known.authority_expires().map(moment),
            expires: known.expires().map(moment),
            step: rotation.as_ref().map(|rotation| rotation.step.to_owned()),
            message: rotation.map(|rotation| rotation.words),
        })
    };
    let (peer, client) = (side(Side::Peer), side(Side::Client));
    (peer.is_some() || client.is_some()).then_some(CertificatesStatus { peer, client })
}

/// Whether a member is made from the spec as it is now, its place included.
fn updated(world: &World, one: &Incarnation) -> bool {
    rollout::difference(world, one).is_none() && one.misplaced.is_none()
}

/// The members that clients may be sent to, as far as the membership goes: the voters of a cluster that formed, except
/// those that clients are told to leave; `None` while nobody confirms the membership, and then nothing changes. Whether such a member serves at this moment, its own readiness check says.
pub fn in_service(world: &World) -> Option<Vec<MemberName>> {
    let Membership::Known(list) = &world.membership else { return None };
    let view = View::new(world, list, Timestamp::UNIX_EPOCH);
    let voters = view
        .voters
        .iter()
        .filter_map(|seat| seat.incarnation)
        .filter(|one| one.draining.is_none())
        .map(|one| one.name.clone())
        .collect();
    Some(voters)
}

/// The status when the cluster could not be looked at: what was known last, and why nothing newer is.
pub fn blind(previous: Option<&ClusterStatus>, why: &str, now: Timestamp) -> ClusterStatus {
    let mut status = previous.cloned().unwrap_or_default();
    status.operation = None;
    let generation = status.observed_generation;
    for fact in conditions::blind(why) {
        let condition = fact.into_condition(generation, previous, now);
        match status.conditions.iter_mut().find(|known| known.kind == condition.kind) {
            Some(known) => *known = condition,
            None => status.conditions.push(condition),
        }
    }
    status
}

/// Seconds are enough for people, and Kubernetes' own times have no more.
pub(super) fn moment(time: Timestamp) -> String {
    format!("{time:.0}")
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of bytes as Kubernetes writes it, short enough for a column.
fn amount(bytes: i64) -> String {
    let (mut tenths, mut unit) = (bytes.saturating_mul(10), "");
    for larger in ["Ki", "Mi", "Gi", "Ti"] {
        if tenths < 10 * 1024 {
            break;
        }
        (tenths, unit) = (tenths / 1024, larger);
    }
    let (whole, tenth) = (tenths / 10, tenths % 10);
    if whole < 10 && tenth > 0 { format!("{whole}.{tenth}{unit}") } else { format!("{whole}{unit}") }
}

fn listed(world: &World, seat: &Seat<'_>, confirmed: bool, leads: bool) -> MemberStatus {
    let base = match seat.incarnation {
        Some(one) => existing(one),
        None => MemberStatus {
            name: seat.label(),
            peer_url: seat.listed.peer_urls.join(","),
            message: Some("etcd lists it, and nothing exists for it".into()),
            ..MemberStatus::default()
        },
    };
    let unstarted = seat.listed.name.is_empty();
    let role = match (leads, seat.listed.learner, unstarted) {
        (true, ..) => "leader",
        (_, _, true) => "unstarted",
        (_, true, _) => "learner",
        _ => "voter",
    };
    let draining = seat.incarnation.is_some_and(|one| one.draining.is_some());
    let closed = seat.incarnation.and_then(|one| one.closed.clone());
    let ready = confirmed && !seat.listed.learner && seat.serving(world) && !draining && closed.is_none();
    let message = if ready {
        None
    } else {
        base.message
            .or_else(|| draining.then(|| "clients are told to leave it".into()))
            .or(closed.map(|why| format!("clients are not sent to it: {why}")))
    };
    MemberStatus { id: Some(seat.listed.id.to_string()), role: role.to_owned(), ready, message, ..base }
}

fn existing(one: &Incarnation) -> MemberStatus {
    let report = one.report.as_ref();
    MemberStatus {
        name: one.name.0.clone(),
        id: report.map(|report| report.id.to_string()),
        role: "unstarted".into(),
        ready: false,
        version: Some(report.map_or_else(|| one.version.to_string(), |report| report.version.clone())),
        peer_url: one.peer_url.clone(),
        client_url: one.client_url.clone(),
        db_size: report.map(|report| report.db_size),
        db_size_in_use: report.map(|report| report.db_size_in_use),
        raft_index: report.map(|report| report.applied_index.cast_signed()),
        alarms: report.map(|report| report.alarms.clone()).unwrap_or_default(),
        node: one.node.clone(),
        message: trouble(one),
    }
}

/// What keeps a member from serving, as far as it can be told.
pub(super) fn trouble(one: &Incarnation) -> Option<String> {
    if let Some(fault) = one.data_fault() {
        return Some(format!("{}: {fault}", one.name));
    }
    match &one.process {
        Process::Running { .. } if one.report.is_none() => {
            Some(format!("{} runs and does not answer yet", one.name))
        }
        _ => super::start::obstacle(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_fit_a_column() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023"),
            (20480, "20Ki"),
            (1536, "1.5Ki"),
            (1_288_490_189, "1.2Gi"),
            (8 << 30, "8Gi"),
            (8 << 40, "8Ti"),
        ] {
            assert_eq!(amount(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn a_look_that_failed_keeps_what_was_known_and_says_why() {
        let healthy = Condition {
            kind: "Degraded".into(),
            status: "False".into(),
            reason: "AsExpected".into(),
            message: String::new(),
            last_transition_time: moment(Timestamp::UNIX_EPOCH),
            observed_generation: Some(3),
        };
        let last = ClusterStatus {
            observed_generation: Some(3),
            leader: Some("demo-x".into()),
            conditions: vec![healthy],
            ..ClusterStatus::default()
        };
        let now = blind(Some(&last), "record.yaml is damaged", Timestamp::from_second(9).unwrap());
        assert_eq!(now.leader, last.leader);
        let degraded = now.condition("Degraded").unwrap();
        assert_eq!((&*degraded.status, &*degraded.reason), ("True", "NotObserved"));
        assert_eq!(degraded.message, "nothing is touched: record.yaml is damaged");
        assert_eq!(degraded.last_transition_time, "1970-01-01T00:00:09Z");
        assert!(!now.is("Ready"));
    }
}
