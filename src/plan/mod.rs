//! Deciding, and nothing else: a [`World`] goes in, a [`Decision`] comes out.
//!
//! This module may touch nothing: no I/O, no clock, no randomness, no type of Kubernetes, Docker or gRPC. Time comes in
//! as a value. So every rule here can be put into a table, model-checked and explained to a person.

mod authorities;
mod bootstrap;
pub mod certificates;
mod comeback;
mod departure;
pub mod divergence;
pub mod evidence;
mod learner;
mod moves;
mod name;
pub mod options;
mod outage;
mod policy;
mod quorum;
mod relocation;
mod repair;
mod resize;
mod rollout;
mod start;
pub mod status;
mod step;
mod timing;
pub mod transport;
pub mod upgrade;
pub mod version;
mod view;
mod world;

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;

pub use name::{CLUSTER_NAME_LIMIT, ClusterId, MemberId, MemberName};
pub use options::EtcdOptions;
pub use policy::Policy;
pub use quorum::{ClusterSize, SizeError, quorum};
pub use step::{Decision, Operation, OperationKind, Step};
pub use timing::joining;
pub use transport::{Scheme, Side, Sides, Transport};
pub use version::EtcdVersion;
use view::View;
pub use world::{
    Admission, ClusterState, Data, Desired, Draining, Incarnation, Listed, Membership, Peer, PeerDomain,
    Process, Recipe, Record, Report, Snapshot, SnapshotState, World, elapsed,
};

/// How soon to look again at something that is about to change by itself.
const SOON: Duration = Duration::from_secs(1);

/// What to do now. At most one step of the answer takes a voter away from a cluster, and only through the gate.
///
/// The order of the rules is the order of their urgency: what runs, what is open, what is broken, what is wanted.
pub fn decide(world: &World, now: Timestamp) -> Decision {
    if world.desired.paused {
        return wait("the cluster is paused: spec.paused is true, so nothing is touched");
    }
    if world.record.cluster_id.is_none() {
        return bootstrap::decide(world, now);
    }
    let list = match &world.membership {
        Membership::Known(list) => list,
        Membership::Unknown { why, hearsay } => return without_quorum(world, why, hearsay, now),
    };
    let view = View::new(world, list, now);
    if let Some(reason) = outage::majority_data_lost(&view) {
        // One more member on intact data is one more copy of it, whatever a person decides then.
        return rollout::renew_stopped(&view)
            .or_else(|| start_members(&view))
            .unwrap_or_else(|| wait(&reason));
    }
    let decision = rollout::renew_stopped(&view)
        .or_else(|| start_members(&view))
        .or_else(|| resize::clear_away(&view))
        .or_else(|| learner::decide(&view))
        .or_else(|| repair::replace_lost(&view))
        .or_else(|| repair::replace_requested_unhealthy(&view))
        .or_else(|| relocation::next_failing(&view))
        .or_else(|| shrink_by_unhealthy(&view))
        .or_else(|| rollout::mend(&view))
        .or_else(|| rollout::wait(&view))
        .or_else(|| repair::wait_for_unhealthy(&view))
        .or_else(|| fill_up(&view))
        .or_else(|| repair::replace_requested_healthy(&view))
        .or_else(|| repair::hold_while_diverged(&view))
        .or_else(|| authorities::act(&view))
        .or_else(|| resize::shrink(&view))
        .or_else(|| moves::update_peer_url(&view))
        .or_else(|| rollout::next(&view))
        .or_else(|| upgrade::finish(&view))
        .or_else(|| authorities::wait(&view))
        .or_else(|| relocation::next(&view))
        .unwrap_or(Decision::Settled);
    undrain(&view, &decision).unwrap_or(decision)
}

/// Every member that etcd knows may run, on the data it has.
fn start_members(view: &View<'_>) -> Option<Decision> {
    let untold = |seat: &&view::Seat<'_>| learner::untold(view, seat);
    let listed: Vec<_> =
        view.seats().filter(|seat| !untold(seat)).filter_map(|seat| seat.incarnation).collect();
    start::decide(view.world, &listed, view.now)
}

/// Without a confirmed member list, members whose data is there are started and nothing else is touched.
fn without_quorum(world: &World, why: &str, hearsay: &[Listed], now: Timestamp) -> Decision {
    let all: Vec<_> = world.incarnations.iter().collect();
    rollout::renew_without_quorum(world, now)
        .or_else(|| start::decide(world, &all, now))
        .unwrap_or_else(|| wait(&outage::explain(world, why, hearsay)))
}

/// When too many voters are there and one of them is not healthy, that one goes, rather than being waited for.
fn shrink_by_unhealthy(view: &View<'_>) -> Option<Decision> {
    let all_healthy = view.voters.iter().all(|seat| seat.healthy(view.world));
    if all_healthy { None } else { resize::shrink(view) }
}

/// A missing voter comes before a healthy one goes: with two of three left, the gate would hold the second of two
/// requests for ever, and the first one's successor would never be added. With fewer than the smallest size, that holds
/// even while the members' data differ: without a third voter, no request could be followed any more.
fn fill_up(view: &View<'_>) -> Option<Decision> {
    let few = view.voters.len() < ClusterSize::MIN as usize;
    if repair::hold_while_diverged(view).is_some() && !few { None } else { resize::grow(view) }
}

/// Clients come back to a member that was told to drain and is not going anywhere, or is back: told once it serves, so
/// that the pause before the next one goes counts from then.
fn undrain(view: &View<'_>, decision: &Decision) -> Option<Decision> {
    let operation = decision.operation();
    let mut leaving: Vec<&MemberName> = match operation {
        Some(Operation {
            kind:
                OperationKind::ScaleIn
                | OperationKind::Replace
                | OperationKind::Restart
                | OperationKind::Roll
                | OperationKind::Upgrade
                | OperationKind::Downgrade,
            member,
            ..
        }) => member.iter().collect(),
        _ => Vec::new(),
    };
    if operation.is_some_and(|operation| operation.kind == OperationKind::ScaleIn) {
        leaving.extend(resize::surplus(view).iter().filter_map(|seat| Some(&seat.incarnation?.name)));
    }
    let back = view
        .healthy()
        .filter_map(|seat| seat.incarnation)
        .find(|one| one.draining.is_some() && !leaving.contains(&&one.name))?;
    Some(Decision::Act {
        steps: vec![Step::Undrain { name: back.name.clone() }],
        operation: Operation {
            kind: OperationKind::Recover,
            member: Some(back.name.clone()),
            since: back.draining_since(),
        },
        reason: format!("{} stays: clients may use it again", back.name),
    })
}

fn wait(reason: &str) -> Decision {
    Decision::Wait { operation: None, reason: reason.to_owned(), again: SOON }
}
