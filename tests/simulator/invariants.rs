//! What must hold, whatever happens. Each has a name, and is judged by the truth, not by what a decision was shown.

use quorate::plan::{
    Admission, ClusterState, Data, Decision, Listed, Membership, Scheme, Side, Step, World,
    certificates::Source, quorum, transport::Listen,
};

use crate::{
    minors,
    model::{Model, Place, State, go_together, is_bad},
    trust,
};

#[derive(Debug)]
pub struct Violation {
    pub invariant: &'static str,
    pub detail: String,
}

impl Violation {
    pub fn new(invariant: &'static str, detail: impl Into<String>) -> Self {
        Self { invariant, detail: detail.into() }
    }
}

pub fn hold(holds: bool, invariant: &'static str, detail: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::new(invariant, detail())) }
}

/// One decision: how many steps of which kind it may hold, and on what.
pub fn decision(world: &World, decision: &Decision) -> Result<(), Violation> {
    let steps = decision.steps();
    let all = || format!("{steps:?}");
    // Before a cluster formed there is nothing to disrupt.
    let formed = world.record.cluster_id.is_some();
    let disrupts = |step: &&Step| match step {
        Step::Stop { .. } | Step::Remove { .. } | Step::MoveLeader { .. } => true,
        Step::Renew { .. } => formed,
        _ => false,
    };
    hold(steps.iter().filter(disrupts).count() <= 1, "one disruptive step", all)?;
    let changes = |step: &&Step| {
        matches!(
            step,
            Step::AddLearner { .. }
                | Step::Promote { .. }
                | Step::Remove { .. }
                | Step::MoveLeader { .. }
                | Step::UpdatePeerUrl { .. }
        )
    };
    let changes = steps.iter().filter(changes).count();
    hold(changes <= 1, "one membership change", all)?;
    hold(!world.desired.paused || steps.is_empty(), "paused", all)?;
    let confirmed = matches!(world.membership, Membership::Known(_));
    hold(confirmed || changes == 0, "unconfirmed list", all)?;
    if let Membership::Known(list) = &world.membership {
        let voters: Vec<_> = list.iter().filter(|one| !one.learner).collect();
        let lost = voters.iter().filter(|one| lost(world, one)).count();
        let takes = |step: &Step| match step {
            Step::Stop { .. } => true,
            Step::Renew { name, .. } => {
                world.incarnations.iter().any(|one| one.name == *name && one.running())
            }
            Step::Remove { id, .. } => voters.iter().any(|one| one.id == *id),
            _ => false,
        };
        hold(
            voters.len() - lost >= quorum(voters.len()) || !steps.iter().any(takes),
            "hands off when a majority's data is lost",
            all,
        )?;
    }
    Ok(())
}

fn lost(world: &World, listed: &Listed) -> bool {
    let place = world.incarnations.iter().find(|one| one.is_at(&listed.peer_urls));
    place.is_none_or(|one| one.data_fault().is_some())
}

/// One step, just before it is carried out. `from` is when the look at the world began.
pub fn step(model: &Model, world: &World, from: i64, step: &Step) -> Result<(), Violation> {
    let all = || format!("{step:?}");
    let formed = model.record.cluster_id.is_some();
    let list: &[Listed] = match &world.membership {
        Membership::Known(list) => list,
        Membership::Unknown { .. } => &[],
    };
    let open = list.iter().any(|one| one.learner);
    match step {
        Step::Reserve { name, .. } => hold(!model.names.contains(name), "names are never used again", all),
        Step::Admit { admission: Admission { state: ClusterState::New, .. }, .. } => {
            hold(!formed, "state new only before the cluster formed", all)
        }
        Step::Start { name, .. } => {
            let emptied = world
                .incarnations
                .iter()
                .any(|one| one.name == *name && one.data == Data { started: true, present: false });
            hold(!emptied, "no start on an emptied folder", all)
        }
        Step::AddLearner { .. } => {
            hold(!open, "one learner", all)?;
            let leaving = world
                .incarnations
                .iter()
                .any(|one| one.admission.is_some() && !list.iter().any(|l| one.is_at(&l.peer_urls)));
            hold(!leaving, "one membership change", all)
        }
        Step::Promote { name, .. } => ready_to_vote(world, name, all),
        Step::Remove { id, .. } => {
            let Some(listed) = list.iter().find(|one| one.id == *id) else { return Ok(()) };
            if listed.learner {
                return Ok(());
            }
            hold(!open, "one membership change", all)?;
            taken_down(model, from, &listed.peer_urls[0], all)
        }
        Step::Stop { name } | Step::Renew { name, .. } => {
            let Some(index) = model.index(name) else { return Ok(()) };
            if let Step::Renew { recipe, .. } = step {
                trust::secrets(model, index, &recipe.transport, all)?;
                minors::renewed(model, &model.places[index], recipe.version)?;
            }
            taken_down(model, from, &model.places[index].url(Scheme::Http), all)
        }
        Step::Discard { name } if formed => {
            let confirmed = matches!(world.membership, Membership::Known(_));
            let one = world.incarnations.iter().find(|one| one.name == *name);
            let listed = one.is_some_and(|one| list.iter().any(|l| one.is_at(&l.peer_urls)));
            hold(confirmed && !listed, "wiped only after the removal was read back", all)?;
            let truth = model.index(name).map(|index| &model.places[index]);
            let member = truth.is_some_and(|place| {
                place.started && model.etcd.as_ref().is_some_and(|etcd| etcd.entry(place.uid).is_some())
            });
            hold(!member, "wiped only after the removal was read back", all)
        }
        Step::UseAuthority { side, id } => trust::used(model, *side, id, all),
        Step::DropAuthority { side, id } => trust::dropped(model, *side, id, all),
        _ => Ok(()),
    }
}

/// The places of those that etcd lists.
pub fn members(model: &Model) -> impl Iterator<Item = &Place> {
    let listed = |place: &&Place| model.etcd.as_ref().is_some_and(|etcd| etcd.entry(place.uid).is_some());
    model.places.iter().filter(listed)
}

fn ready_to_vote(
    world: &World,
    name: &quorate::plan::MemberName,
    all: impl FnOnce() -> String,
) -> Result<(), Violation> {
    let newest = world
        .incarnations
        .iter()
        .filter_map(|one| one.report.as_ref())
        .filter(|report| report.ready)
        .map(|report| report.raft_index)
        .max();
    let learner = world.incarnations.iter().find(|one| one.name == *name).and_then(|one| one.report.as_ref());
    let near = learner.zip(newest).is_some_and(|(learner, newest)| {
        newest.saturating_sub(learner.applied_index) <= world.policy.catch_up
    });
    hold(near, "promoted only when caught up", all)
}

/// A voter is taken down, for a while or for good.
fn taken_down(model: &Model, from: i64, url: &str, all: impl Fn() -> String) -> Result<(), Violation> {
    let Some(etcd) = &model.etcd else { return Ok(()) };
    let Some(place) = model.places.iter().find(|place| place.is_at(url)) else { return Ok(()) };
    if !etcd.voter(place.uid) || !etcd.ready(place, &model.places) {
        return Ok(());
    }
    let leads = etcd.leader == Some(place.uid) && etcd.leader_since < from;
    hold(!leads, "leadership is handed over first", &all)?;
    let drain = model.policy.drain.as_millis() as i64;
    let told = place.draining.is_some_and(|since| model.now - since >= drain);
    hold(told, "clients are told first", &all)?;
    let settle = model.policy.settle.as_millis() as i64;
    let young = model.places.iter().any(|other| {
        other.uid != place.uid
            && etcd.voter(other.uid)
            && matches!(other.process, State::Running { since } if model.now - since < settle)
    });
    hold(!young, "a pause between two", &all)?;
    let rest = model
        .places
        .iter()
        .filter(|other| other.uid != place.uid && etcd.voter(other.uid) && other.healthy_at >= from)
        .count();
    let needed = quorum(etcd.voters());
    hold(rest >= needed, "the rest is a quorum", || {
        format!("{}: {rest} healthy voters are left of {}", all(), etcd.voters())
    })
}

/// What holds of the state itself, after every step and every fault.
pub fn state(model: &Model) -> Result<(), Violation> {
    let ends = |place: &Place| is_bad(&place.options) || (!place.joined && model.unfit(place).is_some());
    let bad = |uid: u32| model.place(uid).is_some_and(|place| !place.lost() && ends(place));
    let formed = model.record.cluster_id.is_some();
    let spoilt =
        model.etcd.iter().flat_map(|etcd| &etcd.entries).filter(|one| !one.learner && bad(one.uid)).count();
    hold(!formed || spoilt <= 1, "a bad spec reaches one member", || {
        format!("{spoilt} voters cannot start")
    })?;
    let options: Vec<_> = model.places.iter().map(|place| &place.options).collect();
    let apart =
        options.iter().find_map(|one| Some((one, options.iter().find(|other| !go_together(one, other))?)));
    hold(!formed || apart.is_none(), "times go together", || format!("{apart:?}"))?;
    let learners = model.etcd.as_ref().map_or(0, |etcd| etcd.learners());
    hold(learners <= 1, "one learner", || format!("{learners} learners"))?;
    minors::state(model)?;
    model.etcd.as_ref().map_or(Ok(()), |etcd| trust::understanding(model, etcd))
}

/// Everything is as wanted, in truth.
pub fn converged(model: &Model) -> Result<(), String> {
    let Some(etcd) = &model.etcd else { return Err("no cluster".into()) };
    let wanted = model.desired.size.get();
    if etcd.voters() != wanted || etcd.learners() != 0 || model.places.len() != wanted {
        return Err(format!(
            "{} voters, {} learners, {} places",
            etcd.voters(),
            etcd.learners(),
            model.places.len()
        ));
    }
    for place in &model.places {
        if !etcd.healthy(place, &model.places) || place.draining.is_some() || place.replace_requested {
            return Err(format!("{} is not healthy or about to leave", place.name));
        }
        if place.options != model.desired.options || place.version != model.desired.version {
            return Err(format!("{} is not made from what the spec says", place.name));
        }
        if place.storage != model.storage && model.desired.replaces_misplaced {
            return Err(format!("{} has another volume than the spec says", place.name));
        }
        for side in Side::ALL {
            let (channel, certificates) = (place.transport.get(side), model.certificates.get(side));
            let (wanted, trust) = match model.desired.tls.get(side) {
                Source::None => (Listen::Plain, Default::default()),
                _ => (Listen::Tls, certificates.trusted()),
            };
            if channel.listen != wanted || channel.trust != trust {
                return Err(format!("{}: {side} is {channel:?}, and {wanted:?} is wanted", place.name));
            }
            if wanted == Listen::Tls
                && place.leaf.get(side).as_ref().map(|leaf| &leaf.issuer) != certificates.issuer.as_ref()
            {
                return Err(format!("{}: its {side} certificate is not of the issuer", place.name));
            }
        }
    }
    for side in Side::ALL {
        let known = &model.certificates.get(side).authorities;
        if *model.desired.tls.get(side) == Source::Managed && known.len() != 1 {
            return Err(format!("{} authorities are left on the {side} side", known.len()));
        }
    }
    let scheme = if model.desired.tls.peer == Source::None { Scheme::Http } else { Scheme::Https };
    match etcd.entries.iter().find(|entry| Scheme::of(&entry.url) != scheme) {
        Some(entry) => Err(format!("{} is still in the list", entry.url)),
        None => Ok(()),
    }
}

/// Whether every voter that has its data runs.
pub fn intact_run(model: &Model) -> bool {
    let Some(etcd) = &model.etcd else { return true };
    let idle = |place: &crate::model::Place| !place.lost() && !place.running();
    !etcd.entries.iter().filter(|entry| !entry.learner).filter_map(|e| model.place(e.uid)).any(idle)
}

/// Whether the data of so many voters is lost that the rest is no quorum.
pub fn majority_lost(model: &Model) -> bool {
    let Some(etcd) = &model.etcd else { return false };
    let intact = |uid: u32| model.place(uid).is_some_and(|place| !place.lost());
    let intact = etcd.entries.iter().filter(|entry| !entry.learner && intact(entry.uid)).count();
    intact < quorum(etcd.voters())
}
