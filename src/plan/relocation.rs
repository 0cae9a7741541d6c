//! Members whose place is not the one that the spec asks for, such as one with too small a volume: where only another place
//! mends that and the spec wants it, they are replaced one by one.

use super::{
    SOON,
    departure::{self, Purpose},
    repair, rollout,
    step::{Decision, Operation, OperationKind},
    view::{Seat, View},
    world::{Incarnation, Process, World},
};

/// Why a member is replaced for its place; `None` when its place is right, or when the spec leaves it there.
pub(super) fn due<'a>(world: &World, one: &'a Incarnation) -> Option<&'a str> {
    one.misplaced.as_deref().filter(|_| world.desired.replaces_misplaced)
}

/// Replaces a voter that ends again and again where its place is not right, as on a volume that is full: another place may
/// be what it needs, and none that serves has to go for it. While the members' data differ, it may hold the right ones.
pub(super) fn next_failing(view: &View<'_>) -> Option<Decision> {
    if repair::hold_while_diverged(view).is_some() {
        return None;
    }
    let fails = |one: &Incarnation| matches!(one.process, Process::Exited { failures, .. } if failures >= 2);
    let seat = view
        .voters
        .iter()
        .find(|seat| seat.incarnation.is_some_and(|one| fails(one) && due(view.world, one).is_some()))?;
    replace(view, seat)
}

/// Replaces the next of the voters whose place is not right: the leader last. All voters are healthy by then.
pub(super) fn next(view: &View<'_>) -> Option<Decision> {
    let leader = view.leader();
    let wrong = |seat: &&Seat<'_>| seat.incarnation.is_some_and(|one| due(view.world, one).is_some());
    let seat = view.voters.iter().filter(wrong).min_by_key(|seat| {
        let one = seat.incarnation;
        let draining = one.is_some_and(|one| one.draining.is_some());
        (!draining, leader == Some(seat.listed.id), one.map(|one| one.created))
    })?;
    if let Some(reason) = rollout::lagging(view) {
        let member = seat.incarnation.map(|one| one.name.clone());
        let operation = Operation { kind: OperationKind::Replace, member, since: None };
        return Some(Decision::Wait { operation: Some(operation), reason, again: SOON });
    }
    replace(view, seat)
}

fn replace(view: &View<'_>, seat: &Seat<'_>) -> Option<Decision> {
    let why = due(view.world, seat.incarnation?)?;
    let why = format!("{} is replaced, since {why} ({})", seat.label(), progress(view.world));
    Some(departure::decide(view, seat, Purpose::Replace, &why))
}

/// What is said of the places of members in `SpecApplied`; `None` when all are right.
pub(super) fn pending(world: &World) -> Option<String> {
    world.record.cluster_id?;
    let wrong: Vec<_> = world
        .incarnations
        .iter()
        .filter_map(|one| Some(format!("{}: {}", one.name, one.misplaced.as_ref()?)))
        .collect();
    if wrong.is_empty() {
        return None;
    }
    let wrong = wrong.join("; ");
    Some(match world.desired.replaces_misplaced {
        true => format!("{}; still to be replaced: {wrong}", progress(world)),
        false => format!(
            "spec.storage is not applied to members that exist ({wrong}); they keep their volumes: with \
             storage.resizePolicy: Replace, members with new volumes take their place one after the other"
        ),
    })
}

fn progress(world: &World) -> String {
    let right = world.incarnations.iter().filter(|one| one.misplaced.is_none()).count();
    format!("{right} of {} members have the storage of the spec", world.incarnations.len())
}
