//! A member that joins: added as a learner, promoted once it keeps up, given up if it does not.

use super::{
    SOON,
    step::{Decision, Operation, OperationKind, Step},
    view::{Seat, View},
    world::{Admission, ClusterState, Incarnation, Peer, Report, elapsed},
};

/// Finishes or gives up the learner there is. There is at most one: etcd allows no more.
pub(super) fn decide(view: &View<'_>) -> Option<Decision> {
    let seat = view.learners.first()?;
    let Some(one) = seat.incarnation else {
        return Some(give_up(
            seat,
            None,
            format!("{} is in the member list and nothing exists for it", seat.label()),
        ));
    };
    if let Some(fault) = one.data_fault() {
        return Some(give_up(seat, Some(one), format!("{} never became a voter: {fault}", one.name)));
    }
    if view.voters.len() >= view.world.desired.size.get() {
        return Some(give_up(seat, Some(one), format!("{} is not wanted any more", one.name)));
    }
    let limit = view.world.policy.learner;
    if elapsed(one.created, view.now) >= limit {
        let seconds = limit.as_secs();
        return Some(give_up(
            seat,
            Some(one),
            format!("{} did not catch up within {seconds} s; trying another", one.name),
        ));
    }
    if let Some(admission) = admission_due(view, seat, one) {
        let steps = vec![Step::Admit { name: one.name.clone(), admission }];
        return Some(act(one, steps, format!("etcd added {} as a learner", one.name)));
    }
    Some(promote(view, seat, one))
}

/// Whether it would start with a member list that is not true any more: etcd refuses that, and its place is wasted.
pub(super) fn untold(view: &View<'_>, seat: &Seat<'_>) -> bool {
    seat.listed.learner && seat.incarnation.is_some_and(|one| admission_due(view, seat, one).is_some())
}

/// What the learner has to be told: at first, and again when the membership changed before it ever started.
fn admission_due(view: &View<'_>, seat: &Seat<'_>, one: &Incarnation) -> Option<Admission> {
    let mut initial_cluster: Vec<Peer> = view.seats().filter_map(entry).collect();
    initial_cluster.sort();
    let told = one.admission.as_ref();
    if told.is_some_and(|told| one.data.started || told.initial_cluster == initial_cluster) {
        return None;
    }
    Some(Admission {
        state: ClusterState::Existing,
        initial_cluster,
        token: format!("{}-{}", view.world.cluster, view.world.uid),
        id: Some(seat.listed.id),
    })
}

/// A member may be reached under two URLs; etcd compares the one in its list.
fn entry(seat: &Seat<'_>) -> Option<Peer> {
    let name = seat.incarnation.map_or(&seat.listed.name, |one| &one.name.0);
    Some(Peer { name: name.clone(), url: seat.listed.peer_urls.first()?.clone() })
}

/// etcd alone would promote a learner that is stopped, so it is asked itself: did it answer just now, how far is it?
fn promote(view: &View<'_>, seat: &Seat<'_>, one: &Incarnation) -> Decision {
    // A voter whose folder was emptied still knows how far the log is, and may be the only one that answered in time.
    let serving = view.voters.iter().filter(|voter| voter.serving(view.world));
    let newest = serving.filter_map(|voter| voter.incarnation?.report.as_ref()).map(|r| r.raft_index).max();
    match (&one.report, newest) {
        (Some(Report { applied_index, id, .. }), Some(newest))
            if *id == seat.listed.id && one.data.present =>
        {
            let behind = newest.saturating_sub(*applied_index);
            if behind <= view.world.policy.catch_up {
                let steps = vec![Step::Promote { name: one.name.clone(), id: *id }];
                return act(one, steps, format!("{} has caught up", one.name));
            }
            wait(one, format!("waiting for {} to catch up: {behind} of {newest} entries behind", one.name))
        }
        (_, None) => wait(one, format!("{} cannot be promoted while no voter serves", one.name)),
        _ => wait(one, format!("waiting for {} to answer", one.name)),
    }
}

fn operation(one: &Incarnation) -> Operation {
    Operation { kind: OperationKind::ScaleOut, member: Some(one.name.clone()), since: Some(one.created) }
}

fn act(one: &Incarnation, steps: Vec<Step>, reason: String) -> Decision {
    Decision::Act { steps, operation: operation(one), reason }
}

fn wait(one: &Incarnation, reason: String) -> Decision {
    Decision::Wait { operation: Some(operation(one)), reason, again: SOON }
}

/// A learner has no vote, so removing it never needs the gate.
fn give_up(seat: &Seat<'_>, one: Option<&Incarnation>, reason: String) -> Decision {
    Decision::Act {
        steps: vec![Step::Remove { id: seat.listed.id, name: seat.listed.name.clone() }],
        operation: Operation {
            kind: OperationKind::ScaleIn,
            member: one.map(|one| one.name.clone()),
            since: one.map(|one| one.created),
        },
        reason,
    }
}
