//! The conditions of a cluster: what tools wait for and what alerts are made of.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{ClusterStatus, Condition, moment, trouble};
use crate::plan::{
    Decision, Incarnation, Membership, Process, Side, World,
    authorities::{self, Obstacle},
    certificates::{BACKDATED, Source},
    comeback,
    divergence::{self, Outcome},
    elapsed, moves,
    outage::{self, Outage},
    quorum::quorum,
    relocation, rollout, upgrade,
    version::EtcdVersion,
    view::View,
    world::CLOCKS_DIFFER,
};

/// For how long a member of a cluster that has not formed yet is no trouble while it does not run.
const NEW: Duration = Duration::from_secs(10);
/// The members hold different data.
const DIVERGED: &str = "DataDiverged";

/// A condition before it has a time.
pub(super) struct Fact {
    kind: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
}

impl Fact {
    fn new(kind: &'static str, holds: bool, reason: &'static str, message: impl Into<String>) -> Self {
        let status = if holds { "True" } else { "False" };
        Self { kind, status, reason, message: message.into() }
    }

    /// The time changes only with the status, so that one can read since when.
    pub(super) fn into_condition(
        self,
        generation: Option<i64>,
        previous: Option<&ClusterStatus>,
        now: Timestamp,
    ) -> Condition {
        let before =
            previous.and_then(|status| status.condition(self.kind)).filter(|old| old.status == self.status);
        Condition {
            kind: self.kind.to_owned(),
            status: self.status.to_owned(),
            reason: self.reason.to_owned(),
            message: self.message,
            last_transition_time: before.map_or_else(|| moment(now), |old| old.last_transition_time.clone()),
            observed_generation: generation,
        }
    }
}

pub(super) fn all(
    view: &View<'_>,
    confirmed: bool,
    decision: &Decision,
    status: &ClusterStatus,
    now: Timestamp,
) -> Vec<Fact> {
    let lost = quorum_lost(view, confirmed);
    let applied = spec_applied(view);
    let degraded = degraded(view, &lost, now);
    let available = available(view, confirmed, &lost);
    vec![
        ready(view, status, decision, [&available, &applied, &degraded]),
        available,
        progressing(view, decision),
        degraded,
        applied,
        certificates(view),
        lost,
        paused(view),
    ]
}

/// What can be said when the cluster could not be looked at. Whether it serves is unknown: its members run on.
pub(super) fn blind(why: &str) -> Vec<Fact> {
    let fact = |kind, status| Fact {
        kind,
        status,
        reason: "NotObserved",
        message: format!("nothing is touched: {why}"),
    };
    vec![
        fact("Ready", "False"),
        fact("Available", "Unknown"),
        fact("Progressing", "False"),
        fact("Degraded", "True"),
        fact("QuorumLost", "Unknown"),
    ]
}

fn ready(
    view: &View<'_>,
    status: &ClusterStatus,
    decision: &Decision,
    [available, applied, degraded]: [&Fact; 3],
) -> Fact {
    let wanted = view.world.desired.size.get();
    let members = format!("{} of {wanted} members are ready", status.ready_members);
    let complete = status.ready_members == i64::try_from(wanted).unwrap_or_default()
        && status.size == status.ready_members;
    if available.status == "False" {
        return Fact::new("Ready", false, available.reason, available.message.clone());
    }
    if applied.status == "False" {
        return Fact::new("Ready", false, applied.reason, applied.message.clone());
    }
    if degraded.reason == DIVERGED {
        return Fact::new("Ready", false, DIVERGED, degraded.message.clone());
    }
    match decision.operation() {
        Some(operation) => Fact::new("Ready", false, operation.kind.name(), decision.reason()),
        None if complete => Fact::new("Ready", true, "AllMembersReady", members),
        None => Fact::new("Ready", false, "MembersNotReady", members),
    }
}

fn available(view: &View<'_>, confirmed: bool, lost: &Fact) -> Fact {
    if view.world.record.cluster_id.is_none() {
        return Fact::new("Available", false, "Forming", "the cluster has not formed yet");
    }
    let healthy = view.voters.iter().filter(|seat| seat.serving(view.world)).count();
    if confirmed && healthy >= quorum(view.voters.len()) {
        let message = format!("{healthy} of {} voters serve linearizable reads", view.voters.len());
        return Fact::new("Available", true, "QuorumServes", message);
    }
    match lost.status {
        "True" => Fact::new("Available", false, lost.reason, lost.message.clone()),
        _ => Fact::new("Available", false, "NoLeader", lost.message.clone()),
    }
}

fn progressing(view: &View<'_>, decision: &Decision) -> Fact {
    if let Some(why) = rollout::stopped(view) {
        let log = rollout::last_log(view).map(|log| format!("; {log}")).unwrap_or_default();
        return Fact::new("Progressing", false, "RolloutStopped", why + &log);
    }
    match decision.operation() {
        Some(operation) => Fact::new("Progressing", true, operation.kind.name(), decision.reason()),
        None => match decision {
            Decision::Settled => Fact::new("Progressing", false, "Settled", decision.reason()),
            _ => Fact::new("Progressing", false, "Waiting", decision.reason()),
        },
    }
}

fn degraded(view: &View<'_>, lost: &Fact, now: Timestamp) -> Fact {
    if let Some(Outcome::Differ(hashes)) = view.world.divergence.as_ref().map(|last| &last.outcome) {
        return Fact::new("Degraded", true, DIVERGED, divergence::describe(hashes));
    }
    if lost.status == "True" {
        return Fact::new("Degraded", true, lost.reason, lost.message.clone());
    }
    let alarms: Vec<_> = view
        .seats()
        .filter_map(|seat| seat.incarnation)
        .flat_map(|one| {
            one.report.iter().flat_map(move |r| r.alarms.iter().map(move |a| format!("{a} at {}", one.name)))
        })
        .collect();
    if !alarms.is_empty() {
        return Fact::new(
            "Degraded",
            true,
            "AlarmActive",
            format!("alarms are raised: {}", alarms.join(", ")),
        );
    }
    let formed = view.world.record.cluster_id.is_some();
    // Beside a member list, whoever is not on it is about to come or to go, and no member in trouble.
    let nobody_listed = view.seats().next().is_none();
    let troubles: Vec<_> = view
        .seats()
        .filter(|seat| formed && !seat.listed.learner && !seat.healthy(view.world))
        .map(|seat| match seat.incarnation {
            Some(one) => trouble(one).unwrap_or_else(|| format!("{} does not serve", one.name)),
            None => format!("{}: nothing of it exists any more", seat.label()),
        })
        .chain(view.seats().filter_map(|seat| {
            let one = seat.incarnation.filter(|_| seat.healthy(view.world))?;
            Some(format!("clients are not sent to {}: {}", one.name, one.closed.as_ref()?))
        }))
        .chain(
            view.unlisted()
                .filter(|one| formed && nobody_listed || !formed && !is_new(one, now))
                .filter_map(trouble),
        )
        .collect();
    match troubles.is_empty() {
        true => Fact::new("Degraded", false, "AsExpected", "no member is in trouble"),
        false => Fact::new("Degraded", true, "MembersUnhealthy", troubles.join("; ")),
    }
}

/// Whether a member that forms a cluster is only taking its time: its Pod is being made, or it looks for its peers.
fn is_new(one: &Incarnation, now: Timestamp) -> bool {
    !matches!(one.process, Process::Exited { .. }) && elapsed(one.created, now) < NEW
}

fn spec_applied(view: &View<'_>) -> Fact {
    let world = view.world;
    if !world.left.is_empty() && !world.desired.adopt && world.record.cluster_id.is_none() {
        return Fact::new("SpecApplied", false, "VolumesLeft", comeback::refusal(world));
    }
    let places = relocation::pending(world);
    let left = places.clone().filter(|_| !world.desired.replaces_misplaced);
    let not_applied: Vec<_> = upgrade::refusal(world)
        .into_iter()
        .chain(world.incarnations.iter().filter_map(other_program))
        .chain(left)
        .chain(world.desired.not_applied.iter().cloned())
        .collect();
    if !not_applied.is_empty() {
        return Fact::new("SpecApplied", false, "NotApplied", not_applied.join("; "));
    }
    let hindered = obstacles(world).find(|obstacle| !obstacle.passes);
    if let Some(obstacle) = hindered {
        return Fact::new("SpecApplied", false, "CertificatesNotReady", obstacle.message);
    }
    if let Some(why) = rollout::stopped(view) {
        return Fact::new("SpecApplied", false, "RolloutStopped", why);
    }
    let differing = |one: &Incarnation| Some(format!("{} ({})", one.name, rollout::difference(world, one)?));
    let differing: Vec<_> = world.incarnations.iter().filter_map(differing).collect();
    if !differing.is_empty() {
        let message = format!("{}; still to be changed: {}", rollout::progress(view), differing.join(", "));
        return Fact::new("SpecApplied", false, "RollingOut", message);
    }
    if let Some(message) = moves::unfinished(world) {
        return Fact::new("SpecApplied", false, "RollingOut", message);
    }
    if let Some(message) = places {
        return Fact::new("SpecApplied", false, "Replacing", message);
    }
    Fact::new("SpecApplied", true, "Applied", "the whole spec is applied")
}

/// A member whose image has another etcd than it is made for: flags, and what an upgrade has to do before, follow the
/// version of the spec.
fn other_program(one: &Incarnation) -> Option<String> {
    let runs: EtcdVersion = one.report.as_ref()?.version.parse().ok()?;
    (runs.minor() != one.version.minor()).then(|| {
        format!(
            "{} runs etcd {runs} and was made for {}: let spec.version and spec.image name one version",
            one.name, one.version
        )
    })
}

fn obstacles(world: &World) -> impl Iterator<Item = Obstacle> {
    Side::ALL.into_iter().filter_map(|side| authorities::obstacle(world, side))
}

/// Whether everybody has certificates that everybody takes. What a rotation is at is told as its reason; it is no fault.
fn certificates(view: &View<'_>) -> Fact {
    let world = view.world;
    let fact = |status, reason, message| Fact { kind: "CertificatesReady", status, reason, message };
    let wanted = || Side::ALL.into_iter().filter(|side| *world.desired.tls.get(*side) != Source::None);
    if wanted().next().is_none() {
        return fact("True", "Disabled", "neither peers nor clients are wanted under TLS".into());
    }
    let (passing, standing): (Vec<_>, Vec<_>) = obstacles(world).partition(|obstacle| obstacle.passes);
    // The first gives the reason; what is wrong is told of both sides.
    for (status, obstacles) in [("False", standing), ("Unknown", passing)] {
        if let Some(first) = obstacles.first() {
            let messages: Vec<_> = obstacles.iter().map(|obstacle| obstacle.message.as_str()).collect();
            return fact(status, first.reason, messages.join("; "));
        }
    }
    let leaves =
        || wanted().flat_map(|side| world.certificates.get(side).leaves.iter().map(move |leaf| (side, leaf)));
    if let Some((side, leaf)) = leaves().find(|(_, leaf)| leaf.until <= view.now) {
        let message = format!("the {side} certificate of {} expired at {}", leaf.holder, moment(leaf.until));
        return fact("False", "Expired", message);
    }
    let authorities = || {
        wanted().flat_map(|side| world.certificates.get(side).authorities.iter().map(move |one| (side, one)))
    };
    let early = leaves().find_map(|(side, leaf)| {
        Some((format!("the {side} certificate of {}", leaf.holder), leaf.awaited(view.now)?))
    });
    let early = early.or_else(|| {
        authorities().find_map(|(side, one)| {
            Some((format!("the {side} authority {}", one.id), one.awaited(view.now)?))
        })
    });
    if let Some((what, valid)) = early {
        let message = format!("{what} is not valid before {}; check the clocks", moment(valid));
        return fact("False", "NotYetValid", message);
    }
    if let Some((one, ahead)) = view.world.incarnations.iter().find_map(|one| Some((one, wrong_clock(one)?)))
    {
        let message = format!(
            "the clock of {}{} is {} min {} that of the operator: certificates begin {} h before they are made, and a clock \
             that is further off takes none of them; set it right",
            one.name,
            if one.node.is_empty() { String::new() } else { format!(" (node {})", one.node) },
            ahead.abs().as_mins(),
            if ahead.is_positive() { "ahead of" } else { "behind" },
            BACKDATED.as_secs() / 3600,
        );
        return fact("False", "ClocksDiffer", message);
    }
    let rotations: Vec<_> = wanted().filter_map(|side| authorities::rotation(view, side)).collect();
    if !rotations.is_empty() {
        let words: Vec<_> =
            rotations.into_iter().map(|rotation| format!("{}: {}", rotation.step, rotation.words)).collect();
        return fact("True", "Rotating", words.join("; "));
    }
    let until =
        |side: Side| Some(format!("{side} until {}", moment(world.certificates.get(side).expires()?)));
    let words: Vec<_> = wanted().filter_map(until).collect();
    let message = if words.is_empty() { "no certificate is in use yet".into() } else { words.join(", ") };
    fact("True", "AsExpected", message)
}

/// How far a member's clock is ahead, if that is more than clocks differ by.
fn wrong_clock(one: &Incarnation) -> Option<SignedDuration> {
    one.ahead.filter(|ahead| ahead.abs() > CLOCKS_DIFFER)
}

fn quorum_lost(view: &View<'_>, confirmed: bool) -> Fact {
    let world = view.world;
    if world.record.cluster_id.is_none() {
        return Fact::new("QuorumLost", false, "Forming", "the cluster has not formed yet");
    }
    if confirmed {
        return match outage::majority_data_lost(view) {
            Some(message) => Fact::new("QuorumLost", true, "MajorityDataLost", message),
            None => Fact::new("QuorumLost", false, "QuorumServes", "a quorum confirms the member list"),
        };
    }
    let Membership::Unknown { why, hearsay } = &world.membership else {
        return Fact::new("QuorumLost", false, "QuorumServes", "a quorum confirms the member list");
    };
    let message = outage::explain(world, why, hearsay);
    match outage::kind(&outage::voters(world, hearsay)) {
        Outage::DataLost => Fact::new("QuorumLost", true, "MajorityDataLost", message),
        Outage::Down => Fact::new("QuorumLost", true, "MajorityDown", message),
        Outage::NoLeader => Fact { kind: "QuorumLost", status: "Unknown", reason: "NoLeader", message },
    }
}

fn paused(view: &View<'_>) -> Fact {
    match view.world.desired.paused {
        true => Fact::new("Paused", true, "SpecPaused", "spec.paused is true: nothing is touched"),
        false => Fact::new("Paused", false, "NotPaused", "the cluster is looked after"),
    }
}
