//! Voters that are not what they should be: replaced on evidence or on request, waited for otherwise.

use std::cmp::Reverse;

use super::{
    SOON,
    departure::{self, Purpose},
    divergence::Outcome,
    start,
    step::{Decision, Operation, OperationKind},
    view::{Seat, View},
    world::waited,
};

/// Replaces a voter whose data is lost or bad: removed first and added after, under a new name. Dead ones go first.
pub(super) fn replace_lost(view: &View<'_>) -> Option<Decision> {
    let (seat, fault) = view
        .voters
        .iter()
        .filter_map(|seat| seat.data_fault().map(|fault| (seat, fault)))
        .min_by_key(|(seat, _)| (seat.serving(view.world), is_draining(seat)))?;
    let why = format!("{} is replaced: {fault}", seat.label());
    let since = seat.incarnation.and_then(|one| one.lost_since);
    if since.is_some_and(|since| waited(since, view.now) < view.world.policy.certain) {
        return Some(Decision::Wait {
            operation: Some(Operation {
                kind: OperationKind::Replace,
                member: seat.incarnation.map(|one| one.name.clone()),
                since,
            }),
            reason: format!("{why}, in a moment: the data of others may turn out to be lost too"),
            again: SOON,
        });
    }
    Some(departure::decide(view, seat, Purpose::Replace, &why))
}

/// Replaces an unhealthy voter because a person asked for it.
pub(super) fn replace_requested_unhealthy(view: &View<'_>) -> Option<Decision> {
    replace_requested(view, |seat| !seat.healthy(view.world))
}

/// Replaces a healthy voter because a person asked for it.
pub(super) fn replace_requested_healthy(view: &View<'_>) -> Option<Decision> {
    replace_requested(view, |seat| seat.healthy(view.world))
}

fn replace_requested(view: &View<'_>, which: impl Fn(&Seat<'_>) -> bool) -> Option<Decision> {
    let asked = |seat: &&Seat<'_>| seat.incarnation.is_some_and(|one| one.replace_requested) && which(seat);
    let seat = view.voters.iter().filter(asked).min_by_key(|seat| is_draining(seat))?;
    let why = format!("{} is replaced on request", seat.label());
    Some(departure::decide(view, seat, Purpose::Replace, &why))
}

/// The one that clients were already told to leave goes on, before another is begun.
fn is_draining(seat: &Seat<'_>) -> Reverse<bool> {
    Reverse(seat.incarnation.is_some_and(|one| one.draining.is_some()))
}

/// Waits while a voter is not healthy for a reason that passes, or that only a person can mend. Shrinking does not
/// wait, if the unhealthy one is the one that goes.
pub(super) fn wait_for_unhealthy(view: &View<'_>) -> Option<Decision> {
    let seat = view.voters.iter().find(|seat| !seat.healthy(view.world))?;
    let detail = match seat.incarnation {
        Some(one) => {
            start::obstacle(one).unwrap_or_else(|| format!("{} runs and is not ready yet", one.name))
        }
        None => return None,
    };
    Some(Decision::Wait {
        operation: Some(Operation {
            kind: OperationKind::Recover,
            member: seat.incarnation.map(|one| one.name.clone()),
            since: None,
        }),
        reason: format!("waiting for {} to be healthy: {detail}", seat.label()),
        again: SOON,
    })
}

/// While members hold different data, nobody knows whose is right: only a person's request removes one of them.
pub(super) fn hold_while_diverged(view: &View<'_>) -> Option<Decision> {
    let Some(Outcome::Differ(_)) = view.world.divergence.as_ref().map(|d| &d.outcome) else {
        return None;
    };
    Some(Decision::Wait {
        operation: None,
        reason: "the members hold different data, so the membership is left alone; compare them, then `quorate replace` \
                 the one whose data is wrong"
            .into(),
        again: SOON,
    })
}
