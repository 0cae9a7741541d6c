//! From the members there are to the members that are wanted, one at a time.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{
    SOON,
    departure::{self, Purpose},
    moves,
    name::MemberName,
    relocation,
    step::{Decision, Operation, OperationKind, Step},
    timing,
    view::{Seat, View},
    world::{Incarnation, Process, Recipe, World, elapsed},
};

/// Takes one voter out when there are too many. Clients are told of all that go at once: they leave once instead of
/// moving from one to the next, and have left the second by the time the first is gone.
pub(super) fn shrink(view: &View<'_>) -> Option<Decision> {
    let surplus = surplus(view);
    let victim = surplus.first()?;
    let wanted = view.world.desired.size.get();
    let why =
        format!("{} goes: {} voters are there and {wanted} are wanted", victim.label(), view.voters.len());
    let mut decision = departure::decide(view, victim, Purpose::ScaleIn, &why);
    if let Decision::Act { steps, .. } = &mut decision
        && matches!(steps.as_slice(), [Step::Drain { .. }])
    {
        let others = surplus.iter().skip(1).filter_map(|seat| seat.incarnation);
        let told = others.filter(|one| one.running() && one.draining.is_none());
        steps.extend(told.map(|one| Step::Drain { name: one.name.clone() }));
    }
    Some(decision)
}

/// The voters that are too many, in the order in which they go.
pub(super) fn surplus<'v, 'a>(view: &'v View<'a>) -> Vec<&'v Seat<'a>> {
    let mut staying: Vec<_> = view.voters.iter().collect();
    let mut going = Vec::new();
    while staying.len() > view.world.desired.size.get() {
        let Some(next) = victim(view, &staying) else { break };
        staying.retain(|seat| seat.listed.id != next.listed.id);
        going.push(next);
    }
    going
}

/// Who goes next: unhealthy first, then one that clients were already told to leave, then one that would be replaced
/// anyway, then from the most crowded node, then the youngest.
fn victim<'v, 'a>(view: &View<'_>, voters: &[&'v Seat<'a>]) -> Option<&'v Seat<'a>> {
    let mut crowd: BTreeMap<&str, usize> = BTreeMap::new();
    for one in voters.iter().filter_map(|seat| seat.incarnation) {
        *crowd.entry(&one.node).or_default() += 1;
    }
    let next = voters.iter().min_by_key(|seat| {
        let one = seat.incarnation;
        let draining = one.is_some_and(|one| one.draining.is_some());
        let neighbours = one.and_then(|one| crowd.get(one.node.as_str())).copied().unwrap_or_default();
        (
            seat.healthy(view.world),
            Reverse(draining),
            Reverse(one.is_some_and(|one| relocation::due(view.world, one).is_some())),
            Reverse(neighbours),
            Reverse(one.map(|one| one.created)),
        )
    })?;
    Some(next)
}

/// Adds one learner when there are too few voters: a place first, so that its name and address are known to the end.
pub(super) fn grow(view: &View<'_>) -> Option<Decision> {
    let world = view.world;
    let wanted = world.desired.size.get();
    let reason = format!("{} voters are there and {wanted} are wanted", view.voters.len());
    if view.voters.len() >= wanted {
        return None;
    }
    let place = place(view);
    if let Some((one, why)) = place.and_then(|one| Some((one, being_made(one)?))) {
        return Some(Decision::Wait {
            operation: Some(Operation {
                kind: OperationKind::ScaleOut,
                member: Some(one.name.clone()),
                since: Some(one.created),
            }),
            reason: format!("{reason}; waiting for the place of {}: {why}", one.name),
            again: SOON,
        });
    }
    let step = match place {
        Some(one) => {
            let peer_url = moves::joining_url(world, one).to_owned();
            Step::AddLearner { name: one.name.clone(), peer_url }
        }
        None => {
            let serial = world.record.serial + 1;
            let name = MemberName::nth(&world.cluster, &world.uid, serial);
            Step::Reserve { name, serial, recipe: Box::new(recipe(world)), admission: None }
        }
    };
    let since = place.map(|one| one.created);
    let member = Some(MemberName(step.member().to_owned()));
    Some(Decision::Act {
        steps: vec![step],
        operation: Operation { kind: OperationKind::ScaleOut, member, since },
        reason,
    })
}

/// The place made for the next member: one that was made to be reached in another way than is wanted of it by now would
/// meet members that it can't talk to. A learner's time counts from when its place was made, so a place that waited
/// long for etcd to accept the add is not used any more: it would be given up as soon as it is added.
fn place<'a>(view: &View<'a>) -> Option<&'a Incarnation> {
    let usable = |one: &&Incarnation| one.admission.is_none() && relocation::due(view.world, one).is_none();
    let one = view.unlisted().find(usable)?;
    let fresh = being_made(one).is_some() || elapsed(one.created, view.now) < view.world.policy.learner / 2;
    (fresh && one.transport == moves::joining(view.world)).then_some(one)
}

/// Why a place is not ready yet. etcd hears of the member after that: its slot for a learner is not held for a Pod that
/// can't be scheduled, and nobody asks for a name that does not exist yet.
fn being_made(one: &Incarnation) -> Option<&str> {
    match &one.process {
        Process::Blocked { why, .. } if one.supervised => Some(why),
        _ => None,
    }
}

/// What a new member is made from. It gets the version that the others run: a version is changed by a rolling upgrade,
/// not by the way. Options that are for another version, or that etcd does not start with, come by the roll too; until
/// then it has those of a member that runs. Its times go with those of all others, however far a roll of them is.
fn recipe(world: &World) -> Recipe {
    let oldest = world.incarnations.iter().min_by_key(|one| (one.version, one.created));
    let version = oldest.map_or(world.desired.version, |one| one.version);
    let fit = version == world.desired.version && world.desired.unfit.is_empty();
    let options = oldest.filter(|_| !fit).map_or(&world.desired.options, |one| &one.options);
    let others = world.incarnations.iter().map(|one| &one.options);
    Recipe { version, options: timing::joining(others, options), transport: moves::joining(world) }
}

/// Deletes what is no member (any more): its removal was confirmed by this very list, or it was never added.
pub(super) fn clear_away(view: &View<'_>) -> Option<Decision> {
    let grows = view.voters.len() < view.world.desired.size.get() && view.learners.is_empty();
    let next = place(view).map(|one| &one.name);
    let gone: Vec<&Incarnation> =
        view.unlisted().filter(|one| one.admission.is_some() || !grows || next != Some(&one.name)).collect();
    let first = gone.first()?;
    let reason = match first.admission {
        Some(_) => {
            format!("etcd confirmed that {} is not a member any more: its process and data go", first.name)
        }
        None => format!("the place made for {} is not needed", first.name),
    };
    Some(Decision::Act {
        steps: gone.iter().map(|one| Step::Discard { name: one.name.clone() }).collect(),
        operation: Operation {
            kind: OperationKind::ScaleIn,
            member: Some(first.name.clone()),
            since: first.draining_since(),
        },
        reason,
    })
}
