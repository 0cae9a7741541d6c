//! Taking a voter down, for a while or for good: tell clients, hand leadership over, then act.

use std::time::Duration;

use super::{
    SOON, rollout,
    step::{Decision, Operation, OperationKind, Step},
    view::{Seat, View},
    world::{Incarnation, waited},
};

/// Why a voter is taken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Fewer members are wanted.
    ScaleIn,
    /// Another one takes its place.
    Replace,
    /// It comes back on its own data, from another recipe where the spec changed.
    Change,
}

/// The next act of taking `seat` down. Nothing goes around the gate.
pub(super) fn decide(view: &View<'_>, seat: &Seat<'_>, purpose: Purpose, why: &str) -> Decision {
    let wait_for = |time: Duration, reason: String| Decision::Wait {
        operation: Some(operation(view, seat, purpose)),
        reason,
        again: time.min(SOON),
    };
    let wait = |reason: String| wait_for(SOON, reason);
    let act = |steps: Vec<Step>, reason: String| Decision::Act {
        steps,
        operation: operation(view, seat, purpose),
        reason,
    };

    if let Err(refusal) = view.may_lose(seat) {
        return wait(format!("{why}, but it stays for now: {refusal}"));
    }
    if let Some(one) = seat.incarnation.filter(|one| one.running()) {
        // Who has no clients disturbs none, and may be what the others need to be open again.
        if let Some((left, reason)) = unsettled(view, one).filter(|_| one.closed.is_none()) {
            return wait_for(left, reason);
        }
        let Some(told) = one.draining else {
            return act(
                vec![Step::Drain { name: one.name.clone() }],
                format!("{why}: clients are told to leave it first"),
            );
        };
        let Some(spread) = told.spread else {
            return wait(format!("{why}: clients are still sent to it"));
        };
        let left = view.world.policy.drain.saturating_sub(waited(spread, view.now));
        if !left.is_zero() {
            return wait_for(left, format!("{why}: clients are leaving it"));
        }
        match view.leader() {
            Some(leader) if leader == seat.listed.id => return hand_over(view, seat, purpose, why),
            // It may be the leader itself, and taking a leader away costs a second of writes.
            None if seat.serving(view.world) => {
                return wait(format!("{why}: no member says who the leader is"));
            }
            _ => {}
        }
    }
    match (purpose, seat.incarnation) {
        (Purpose::Change, Some(one)) => act(vec![rollout::step(view.world, one)], why.to_owned()),
        _ => act(vec![Step::Remove { id: seat.listed.id, name: seat.label() }], why.to_owned()),
    }
}

/// Clients of a member that came back a moment ago may not have found it again: how long they still have, and in words.
fn unsettled(view: &View<'_>, leaving: &Incarnation) -> Option<(Duration, String)> {
    let (name, age) = view.youngest_return(&leaving.name)?;
    let left = view.world.policy.settle.saturating_sub(age);
    (!left.is_zero())
        .then(|| (left, format!("waiting for clients to come back to {name} before {} goes", leaving.name)))
}

/// Leadership goes to the healthy voter that has served longest, since it is the last to be taken down itself.
fn hand_over(view: &View<'_>, seat: &Seat<'_>, purpose: Purpose, why: &str) -> Decision {
    let candidate = view
        .healthy()
        .filter(|other| other.listed.id != seat.listed.id)
        .filter_map(|other| other.incarnation.map(|one| (other.listed.id, one)))
        .filter(|(_, one)| one.draining.is_none())
        .min_by_key(|(_, one)| one.created);
    match candidate {
        Some((to, one)) => Decision::Act {
            steps: vec![Step::MoveLeader { from: seat.listed.id, to, to_name: one.name.clone() }],
            operation: operation(view, seat, purpose),
            reason: format!("{why}: it leads, so leadership goes to {} first", one.name),
        },
        None => Decision::Wait {
            operation: Some(operation(view, seat, purpose)),
            reason: format!("{why}: it leads, and no other voter is fit to lead"),
            again: SOON,
        },
    }
}

fn operation(view: &View<'_>, seat: &Seat<'_>, purpose: Purpose) -> Operation {
    Operation {
        kind: match purpose {
            Purpose::ScaleIn => OperationKind::ScaleIn,
            Purpose::Replace => OperationKind::Replace,
            Purpose::Change => rollout::kind(view.world, seat.incarnation),
        },
        member: seat.incarnation.map(|one| one.name.clone()),
        since: seat.incarnation.and_then(Incarnation::draining_since),
    }
}
