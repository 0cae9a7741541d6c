//! Rolling changes: from what the members were made from to what the spec says, one member at a time.
//!
//! Each member keeps its recipe until a roll gives it another one, so that a bad one never reaches more than the first
//! member: whatever restarts beside a roll comes back as it was. A member that does not come back stops the roll, and
//! whoever is not healthy is changed first, so that a spec that is put back mends it.

use std::{cmp::Ordering, time::Duration};

use jiff::Timestamp;

use super::{
    SOON,
    departure::{self, Purpose},
    evidence, moves, options, start,
    step::{Decision, Operation, OperationKind, Step},
    timing, upgrade,
    version::EtcdVersion,
    view::{Seat, View},
    world::{Incarnation, Process, Recipe, World, elapsed, waited},
};

/// How long a member that its platform starts by itself is left alone before it is made anew: an image may still be on
/// its way.
const SUPERVISED: Duration = Duration::from_secs(2);

/// How long a process has to run until it is none that ends at once.
const STEADY: Duration = Duration::from_secs(10);

/// How long a member that was changed may take to serve before the roll counts as stopped. A process that ended says so
/// at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a member differs from what the spec wants of it now: the first difference in words; `None` when there is none.
pub(super) fn difference(world: &World, one: &Incarnation) -> Option<String> {
    let version = version(world, one);
    if one.version != version {
        return Some(format!("version: {} → {version}", one.version));
    }
    one.behind
        .clone()
        .or_else(|| options::difference(&one.options, &world.desired.options))
        .or_else(|| moves::difference(&one.transport, &moves::next(world, one)))
}

/// The version that the spec gives to a member: its own, as long as that of the spec is refused.
fn version(world: &World, one: &Incarnation) -> EtcdVersion {
    upgrade::target(world).unwrap_or(one.version)
}

/// What a member is made from next; `None` when it has that, when it has to wait until the others have theirs, or when
/// etcd is known not to start with it.
fn recipe(world: &World, one: &Incarnation) -> Option<Recipe> {
    difference(world, one).filter(|_| world.desired.unfit.is_empty())?;
    // Also one that has only a place: it will run with the options that it was made with.
    let others = world.incarnations.iter().filter(|other| other.name != one.name);
    let options = timing::next(&one.options, others.map(|other| &other.options), &world.desired.options);
    let recipe = Recipe { version: version(world, one), options, transport: moves::next(world, one) };
    changes(&recipe, one).then_some(recipe)
}

fn changes(recipe: &Recipe, one: &Incarnation) -> bool {
    recipe.version != one.version
        || recipe.options != one.options
        || recipe.transport != one.transport
        || one.behind.is_some()
}

/// What mends a member that fails, while its minor version has to stay as it is; `None` when that is all that would change.
fn within_minor(recipe: Recipe, one: &Incarnation) -> Option<Recipe> {
    let recipe = Recipe { version: one.version, ..recipe };
    (fails(one) && changes(&recipe, one)).then_some(recipe)
}

/// The step that changes or restarts a member, once it may go.
pub(super) fn step(world: &World, one: &Incarnation) -> Step {
    match recipe(world, one) {
        Some(recipe) => renew(one, recipe),
        None => Step::Stop { name: one.name.clone() },
    }
}

fn renew(one: &Incarnation, recipe: Recipe) -> Step {
    Step::Renew { name: one.name.clone(), recipe: Box::new(recipe) }
}

/// What a person would call the change of a member.
pub(super) fn kind(world: &World, one: Option<&Incarnation>) -> OperationKind {
    let Some(one) = one.filter(|one| difference(world, one).is_some()) else { return OperationKind::Restart };
    match version(world, one).cmp(&one.version) {
        Ordering::Greater => OperationKind::Upgrade,
        Ordering::Less => OperationKind::Downgrade,
        Ordering::Equal => OperationKind::Roll,
    }
}

/// How far the roll is, such as `1 of 3 members changed`.
pub(super) fn progress(view: &View<'_>) -> String {
    let members: Vec<_> = view.seats().filter_map(|seat| seat.incarnation).collect();
    let changed = members.iter().filter(|one| difference(view.world, one).is_none()).count();
    format!("{changed} of {} members changed", members.len())
}

/// Makes a member that does not run anew, from what the spec says now: where the others can do without it, or where it
/// fails with what it has, so that nobody can count on it anyway.
pub(super) fn renew_stopped(view: &View<'_>) -> Option<Decision> {
    let (seat, one, recipe) = view.seats().find_map(|seat| {
        let one = seat.incarnation.filter(|one| stays_down(one, view.now))?;
        let fit = one.admission.is_some() && one.data_fault().is_none() && unhindered(view, seat);
        let free = seat.listed.learner || fails(one) && !loses_data(one) || view.may_lose(seat).is_ok();
        let recipe = recipe(view.world, one).filter(|_| fit && free)?;
        let held = upgrade::needs_preparation(view.world, one, recipe.version);
        let recipe = if held { within_minor(recipe, one)? } else { recipe };
        Some((seat, one, recipe))
    })?;
    let why = start::obstacle(one).unwrap_or_else(|| format!("{} did not start yet", one.name));
    let reason = format!("{why}; it is {}", words(view, one));
    Some(Decision::Act { steps: vec![renew(one, recipe)], operation: operation(view, seat), reason })
}

/// The same while nobody confirms the member list: one member, in case its old recipe is what keeps the quorum away, and
/// no other before that one runs. No minor version is changed then.
pub(super) fn renew_without_quorum(world: &World, now: Timestamp) -> Option<Decision> {
    let out = |one: &&Incarnation| {
        let down = match one.process {
            // Without a quorum nobody answers, so that only time tells that it did not end at once again.
            Process::Running { since } => elapsed(since, now) < STEADY,
            Process::NotStarted => false,
            Process::Exited { .. } | Process::Blocked { .. } => true,
        };
        down && one.admission.is_some() && one.data_fault().is_none() && !loses_data(one)
    };
    let changed = |one: &&Incarnation| one.draining.is_some() || difference(world, one).is_none();
    let first = world.incarnations.iter().filter(out).find(changed);
    let one = first.or_else(|| world.incarnations.iter().filter(out).find(|one| fails(one)))?;
    let recipe = recipe(world, one)?;
    let stays = recipe.version.minor() == one.version.minor();
    let recipe = if stays { recipe } else { within_minor(recipe, one)? };
    if !fails(one) || !stays_down(one, now) {
        return None;
    }
    Some(Decision::Act {
        steps: vec![renew(one, recipe)],
        operation: Operation { kind: kind(world, Some(one)), member: Some(one.name.clone()), since: None },
        reason: format!(
            "{}; it is made anew, since the spec changed: {}",
            start::obstacle(one).unwrap_or_default(),
            difference(world, one).unwrap_or_default()
        ),
    })
}

/// Members of a cluster that has not formed yet hold nothing, so those that do not start are all made anew at once.
pub(super) fn renew_unformed(world: &World, now: Timestamp) -> Vec<Step> {
    let renewed = |one: &Incarnation| Some(renew(one, recipe(world, one)?));
    world
        .incarnations
        .iter()
        .filter(|one| one.admission.is_some() && stays_down(one, now))
        .filter_map(renewed)
        .collect()
}

/// Whether a member has data that it would not have any more, made anew. Then the others have to be a quorum without it,
/// whatever it fails with: its data may be one of the last copies.
pub(super) fn loses_data(one: &Incarnation) -> bool {
    one.ephemeral && one.data.present
}

/// Whether a member was started with what it has, and that did not help.
fn fails(one: &Incarnation) -> bool {
    match one.process {
        Process::Exited { failures, .. } => failures >= 2,
        Process::Blocked { .. } => true,
        Process::Running { .. } | Process::NotStarted => false,
    }
}

/// Whether a member does not run, and its platform is not about to start it.
fn stays_down(one: &Incarnation, now: Timestamp) -> bool {
    match one.process {
        Process::Running { .. } => false,
        Process::NotStarted => !one.supervised,
        Process::Exited { at, .. } | Process::Blocked { at, .. } => {
            !one.supervised || waited(at, now) >= SUPERVISED
        }
    }
}

/// Changes a voter that runs and is not healthy, before any that is: that may be what it needs.
pub(super) fn mend(view: &View<'_>) -> Option<Decision> {
    let ill =
        |seat: &&Seat<'_>| seat.incarnation.is_some_and(Incarnation::running) && !seat.healthy(view.world);
    let seat = view.voters.iter().filter(ill).find(|seat| due(view, seat) && unhindered(view, seat))?;
    change(view, seat)
}

/// Waits for a voter that was changed and is not healthy yet, while others are still to be changed.
pub(super) fn wait(view: &View<'_>) -> Option<Decision> {
    let other =
        view.seats().filter_map(|seat| seat.incarnation).find(|one| difference(view.world, one).is_some())?;
    let seat = held_up_by(view)?;
    let one = seat.incarnation?;
    let reason = stopped(view).unwrap_or_else(|| {
        format!(
            "waiting for {} to be healthy: {}; {}",
            one.name,
            hindrance(one, "is not ready yet"),
            progress(view)
        )
    });
    let operation = Operation {
        kind: kind(view.world, Some(other)),
        member: Some(one.name.clone()),
        since: one.draining_since(),
    };
    Some(Decision::Wait { operation: Some(operation), reason, again: SOON })
}

/// Why the roll does not go on by itself, in words; `None` while it does.
pub(super) fn stopped(view: &View<'_>) -> Option<String> {
    let one = held_up_by(view)?.incarnation?;
    let gives_up = match &one.process {
        Process::Exited { failures, .. } => *failures > 0,
        Process::Blocked { at, .. } => !one.supervised || elapsed(*at, view.now) >= PATIENCE,
        Process::Running { since } => elapsed(*since, view.now) >= PATIENCE,
        Process::NotStarted => false,
    };
    let others = if differing(view) { ", the others are as they were" } else { "" };
    gives_up.then(|| {
        format!(
            "the roll stopped at {}: {}; {}{others}: correct the spec, or put it back",
            one.name,
            hindrance(one, "does not get ready"),
            progress(view)
        )
    })
}

/// What the member that stopped the roll said before its last words, if it ended.
pub(super) fn last_log(view: &View<'_>) -> Option<String> {
    let Process::Exited { last_words, .. } = &held_up_by(view)?.incarnation?.process else { return None };
    let lines: Vec<_> = evidence::lines_before(last_words).into_iter().map(evidence::shorten).collect();
    (!lines.is_empty()).then(|| format!("its log before that: {}", lines.join(" | ")))
}

/// What keeps a member that was changed from serving.
fn hindrance(one: &Incarnation, otherwise: &str) -> String {
    let closed = one.closed.as_ref().map(|why| format!("clients are not sent to {}: {why}", one.name));
    start::obstacle(one).or(closed).unwrap_or_else(|| format!("{} runs and {otherwise}", one.name))
}

/// Whether some member is not as the spec says yet.
fn differing(view: &View<'_>) -> bool {
    view.seats().any(|seat| seat.incarnation.is_some_and(|one| difference(view.world, one).is_some()))
}

/// The voter that was changed and does not serve: while others are still to be changed, and the last one of a roll, which
/// clients are told to leave until it is back.
fn held_up_by<'v, 'a>(view: &'v View<'a>) -> Option<&'v Seat<'a>> {
    let others = differing(view);
    view.voters.iter().find(|seat| {
        let Some(one) = seat.incarnation.filter(|one| difference(view.world, one).is_none()) else {
            return false;
        };
        match seat.healthy(view.world) {
            true => others && one.closed.is_some(),
            false => others || one.draining.is_some(),
        }
    })
}

/// Whether no other voter that was changed is still to come back. Clients are told to leave a member until then, so that
/// it is known for one whatever the spec has become meanwhile.
fn unhindered(view: &View<'_>, seat: &Seat<'_>) -> bool {
    let out = |other: &&Seat<'_>| {
        let changed = |one: &Incarnation| one.draining.is_some() || difference(view.world, one).is_none();
        !other.healthy(view.world) && other.data_fault().is_none() && other.incarnation.is_some_and(changed)
    };
    // One that was only told to drain, for another reason, comes after one that has what the spec says or fails.
    let order = |other: &&Seat<'_>| {
        let one = other.incarnation;
        (one.is_some_and(|one| difference(view.world, one).is_some()), !one.is_some_and(fails))
    };
    view.voters.iter().filter(out).min_by_key(order).is_none_or(|other| other.listed.id == seat.listed.id)
}

/// Changes or restarts the next of the healthy voters: the leader last.
pub(super) fn next(view: &View<'_>) -> Option<Decision> {
    let leader = view.leader();
    let seat = view.voters.iter().filter(|seat| due(view, seat)).min_by_key(|seat| {
        let one = seat.incarnation;
        let draining = one.is_some_and(|one| one.draining.is_some());
        let open = one.is_none_or(|one| one.closed.is_none());
        (!draining, open, leader == Some(seat.listed.id), one.map(|one| one.created))
    })?;
    if let Some(reason) = lagging(view) {
        let operation = Some(operation(view, seat));
        return Some(Decision::Wait { operation, reason, again: SOON });
    }
    change(view, seat)
}

/// Whether a voter has to be changed or restarted, and can be now.
fn due(view: &View<'_>, seat: &Seat<'_>) -> bool {
    seat.incarnation.is_some_and(|one| one.restart_due(view.now) || recipe(view.world, one).is_some())
}

fn change(view: &View<'_>, seat: &Seat<'_>) -> Option<Decision> {
    let one = seat.incarnation?;
    let wanted = recipe(view.world, one);
    let why = match &wanted {
        Some(_) => format!("{} is {}", one.name, words(view, one)),
        None => format!("{} is restarted on request", one.name),
    };
    let prepared = wanted.and_then(|recipe| upgrade::prepare(view, seat, recipe.version));
    Some(prepared.unwrap_or_else(|| departure::decide(view, seat, Purpose::Change, &why)))
}

/// A member that came back has the writes of the others before the next one goes.
pub(super) fn lagging(view: &View<'_>) -> Option<String> {
    let reports = || view.healthy().filter_map(|seat| Some((seat, seat.incarnation?.report.as_ref()?)));
    let newest = reports().map(|(_, report)| report.raft_index).max()?;
    let (seat, behind) = reports()
        .map(|(seat, report)| (seat, newest.saturating_sub(report.applied_index)))
        .max_by_key(|(_, behind)| *behind)?;
    (behind > view.world.policy.catch_up)
        .then(|| format!("waiting for {} to catch up: {behind} of {newest} entries behind", seat.label()))
}

fn words(view: &View<'_>, one: &Incarnation) -> String {
    let difference = difference(view.world, one).unwrap_or_default();
    format!("made anew, since the spec changed ({difference}; {})", progress(view))
}

fn operation(view: &View<'_>, seat: &Seat<'_>) -> Operation {
    Operation {
        kind: kind(view.world, seat.incarnation),
        member: seat.incarnation.map(|one| one.name.clone()),
        since: seat.incarnation.and_then(Incarnation::draining_since),
    }
}
