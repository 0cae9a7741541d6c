//! How a cluster comes into being: all members at once, or not at all.
//!
//! Every member of an attempt starts with the same `--initial-cluster`, the state `new` and a token of this attempt.
//! Nobody is let in before the cluster formed and that is recorded, so an attempt that does not form can be thrown
//! away whole: nothing can be lost with it.

use jiff::Timestamp;

use super::{
    authorities, comeback, moves,
    name::{ClusterId, MemberName},
    rollout, start,
    step::{Decision, Operation, OperationKind, Step},
    timing,
    transport::{Listen, Scheme, Side},
    world::{Admission, ClusterState, Incarnation, Peer, PeerDomain, Process, Recipe, World, elapsed},
};

/// The next act of a bootstrap. Only for a world whose cluster is not recorded as formed.
pub(super) fn decide(world: &World, now: Timestamp) -> Decision {
    // A serial is written down before its place is made.
    if let Some(one) = world.incarnations.first().filter(|_| world.record.serial == 0) {
        return wait(format!(
            "{} exists and no name was given out, so the record was lost and nothing is touched; restore it from a copy",
            one.name
        ));
    }
    let refused = !world.left.is_empty() && !world.desired.adopt;
    if let Some(decision) = authorities::first(world).filter(|_| !refused) {
        return decision;
    }
    if let Some(decision) = comeback::decide(world) {
        return decision;
    }
    let Some(admission) = world.incarnations.iter().find_map(|one| one.admission.as_ref()) else {
        return prepare(world);
    };
    if let Some(one) = world.incarnations.iter().find(|one| joined(one)) {
        return wait(format!(
            "{} joined a cluster that is not recorded here, so the record was lost and nothing is touched; restore it from a copy",
            one.name
        ));
    }
    if let Some(decision) = complete(world, admission) {
        return decision;
    }
    if let Some(why) = broken(world, admission) {
        return throw_away(
            world,
            format!("this attempt cannot form a cluster: {why}; starting over under new names"),
        );
    }
    if let Some(decision) = admit_rest(world, admission) {
        return decision;
    }
    if let Some(cluster_id) = formed(world) {
        let steps = vec![Step::RecordFormed { cluster_id }];
        return act(steps, format!("the cluster formed with ID {cluster_id}"));
    }
    let renewed = rollout::renew_unformed(world, now);
    if !renewed.is_empty() {
        return act(renewed, "members that do not start are made anew, since the spec changed".into());
    }
    match start::decide(world, &world.incarnations.iter().collect::<Vec<_>>(), now) {
        Some(Decision::Act { steps, reason, .. }) => act(steps, reason),
        _ => waiting(world, now),
    }
}

/// Nobody was told anything yet: make as many places as members are wanted, then tell all of them.
fn prepare(world: &World) -> Decision {
    let wanted = world.desired.size.get();
    let reserved = &world.incarnations;
    if reserved.iter().any(|one| one.version != world.desired.version) {
        return throw_away(world, format!("the version is now {}", world.desired.version));
    }
    if let Some(why) = reserved.iter().find_map(|one| moved(world, one)) {
        return throw_away(world, why);
    }
    if let Some(domain) = world.domain.as_ref().filter(|_| reserved.is_empty()) {
        return act(found(world, domain), format!("{wanted} members form the cluster together"));
    }
    if reserved.len() < wanted {
        let steps =
            (1..).map(|n| reserve(world, world.record.serial + n)).take(wanted - reserved.len()).collect();
        return act(steps, format!("a cluster of {wanted} members is wanted and none exists"));
    }
    if reserved.len() > wanted {
        let steps =
            reserved.iter().skip(wanted).map(|one| Step::Discard { name: one.name.clone() }).collect();
        return act(steps, format!("only {wanted} members are wanted now"));
    }
    let admission = Admission {
        state: ClusterState::New,
        initial_cluster: reserved.iter().map(peer).collect(),
        token: token(world, world.incarnations.first().map(|one| &one.name)),
        id: None,
    };
    let steps = reserved
        .iter()
        .map(|one| Step::Admit { name: one.name.clone(), admission: admission.clone() })
        .collect();
    act(steps, format!("{wanted} members form the cluster together"))
}

/// Where addresses are known beforehand, the first members are told everything when their places are made.
fn found(world: &World, domain: &PeerDomain) -> Vec<Step> {
    let serials = (1..).map(|n| world.record.serial + n).take(world.desired.size.get());
    let founders: Vec<_> =
        serials.map(|serial| (serial, MemberName::nth(&world.cluster, &world.uid, serial))).collect();
    let recipe = recipe(world);
    let scheme = match recipe.transport.peer.listen {
        Listen::Plain => Scheme::Http,
        Listen::Both | Listen::Tls => Scheme::Https,
    };
    let admission = Admission {
        state: ClusterState::New,
        initial_cluster: founders
            .iter()
            .map(|(_, name)| Peer { name: name.0.clone(), url: domain.peer_url(name, scheme) })
            .collect(),
        token: token(world, founders.first().map(|(_, name)| name)),
        id: None,
    };
    let reserve = |(serial, name)| Step::Reserve {
        name,
        serial,
        recipe: recipe.clone(),
        admission: Some(admission.clone()),
    };
    founders.into_iter().map(reserve).collect()
}

/// Members of the attempt that were never made, because the operator died or was refused between two of them. Their
/// serials were not given out, which tells them from those that were lost; and nothing has run yet that could miss them.
fn complete(world: &World, admission: &Admission) -> Option<Decision> {
    let usable = |one: &Incarnation| {
        let fits = one.version == world.desired.version && moved(world, one).is_none();
        !one.data.started && !one.data.present && fits
    };
    let missing = |name: &MemberName| {
        find(world, &name.0).is_none() && admission.initial_cluster.iter().any(|peer| peer.name == name.0)
    };
    let absent = admission.initial_cluster.iter().filter(|peer| find(world, &peer.name).is_none()).count();
    if absent == 0 || !world.incarnations.iter().all(usable) {
        return None;
    }
    let steps: Vec<_> = (1..)
        .map(|n| world.record.serial + n)
        .take(admission.initial_cluster.len())
        .map(|serial| (serial, MemberName::nth(&world.cluster, &world.uid, serial)))
        .filter(|(_, name)| missing(name))
        .map(|(serial, name)| Step::Reserve {
            name,
            serial,
            recipe: recipe(world),
            admission: Some(admission.clone()),
        })
        .collect();
    (steps.len() == absent).then(|| act(steps, "the rest of the first members is made".into()))
}

fn reserve(world: &World, serial: u64) -> Step {
    let name = MemberName::nth(&world.cluster, &world.uid, serial);
    Step::Reserve { name, serial, recipe: recipe(world), admission: None }
}

/// The first members are made from the spec as it is; those that are made later than others, with times that go with
/// theirs.
fn recipe(world: &World) -> Box<Recipe> {
    let others = world.incarnations.iter().map(|one| &one.options);
    let options = timing::joining(others, &world.desired.options);
    // Where certificates went away after the first place was made, the rest is made like that one.
    let transport = moves::founding(world)
        .or_else(|| world.incarnations.first().map(|one| one.transport.clone()))
        .unwrap_or_default();
    Box::new(Recipe { version: world.desired.version, options, transport })
}

/// How the way in which a member is reached is not the one that the spec wants now, in words. Nothing is moved before a
/// cluster formed: it is begun again.
fn moved(world: &World, one: &Incarnation) -> Option<String> {
    let founding = moves::founding(world)?;
    Side::ALL.into_iter().find_map(|side| {
        let (own, wanted) = (one.transport.get(side).listen, founding.get(side).listen);
        (own != wanted).then(|| {
            format!("{} was made for {side} TLS: {}, and {} is wanted", one.name, own.words(), wanted.words())
        })
    })
}

/// One entry of `--initial-cluster`.
fn peer(one: &Incarnation) -> Peer {
    Peer { name: one.name.0.clone(), url: one.peer_url.clone() }
}

/// A token no other attempt has: IDs are made from it, so a straggler of another attempt is never taken for a member.
fn token(world: &World, first: Option<&MemberName>) -> String {
    let attempt = first.map_or("", MemberName::suffix);
    format!("{}-{}-{attempt}", world.desired.token.as_ref().unwrap_or(&world.cluster), world.uid)
}

/// Why an attempt can't succeed any more.
fn broken(world: &World, admission: &Admission) -> Option<String> {
    if let Some(missing) = admission.initial_cluster.iter().find(|peer| find(world, &peer.name).is_none()) {
        return Some(format!("{} is gone", missing.name));
    }
    for one in &world.incarnations {
        if one.version != world.desired.version {
            return Some(format!(
                "{} was made for etcd {}, and {} is wanted",
                one.name, one.version, world.desired.version
            ));
        }
        if let Some(why) = moved(world, one) {
            return Some(why);
        }
        if let Some(why) = &one.misplaced {
            return Some(format!("{}: {why}", one.name));
        }
        if let Some(fault) = one.data_fault() {
            return Some(format!("{}: {fault}", one.name));
        }
    }
    None
}

fn find<'a>(world: &'a World, name: &str) -> Option<&'a Incarnation> {
    world.incarnations.iter().find(|one| one.name.0 == name)
}

/// Members of the attempt that were not told yet, and places that do not belong to it.
fn admit_rest(world: &World, admission: &Admission) -> Option<Decision> {
    let steps: Vec<_> = world
        .incarnations
        .iter()
        .filter(|one| one.admission.is_none())
        .map(|one| match admission.initial_cluster.iter().any(|peer| peer.name == one.name.0) {
            true => Step::Admit { name: one.name.clone(), admission: admission.clone() },
            false => Step::Discard { name: one.name.clone() },
        })
        .collect();
    (!steps.is_empty())
        .then(|| act(steps, "the rest of the first members is told how to form the cluster".into()))
}

/// A member of a bootstrap never has the state `existing`.
fn joined(one: &Incarnation) -> bool {
    one.admission.as_ref().is_some_and(|admission| admission.state == ClusterState::Existing)
}

/// The ID of the cluster, if every member serves and all name the same one.
fn formed(world: &World) -> Option<ClusterId> {
    // The data counts too: once a member is let in, an empty folder of it is lost data and nothing else.
    let id =
        |one: &Incarnation| one.report.as_ref().filter(|r| r.ready && one.data.present).map(|r| r.cluster_id);
    let mut ids = world.incarnations.iter().map(id);
    let first = ids.next()??;
    ids.all(|id| id == Some(first)).then_some(first)
}

fn waiting(world: &World, now: Timestamp) -> Decision {
    let starts: Option<Vec<Timestamp>> = world
        .incarnations
        .iter()
        .map(|one| match one.process {
            Process::Running { since } => Some(since),
            _ => None,
        })
        .collect();
    // Counted from the last start: a member that can't start for a reason of its surroundings is no failed attempt.
    if let Some(last) = starts.as_ref().and_then(|starts| starts.iter().max())
        && elapsed(*last, now) >= world.policy.bootstrap
    {
        let seconds = world.policy.bootstrap.as_secs();
        return throw_away(
            world,
            format!("the cluster did not form within {seconds} s; starting over under new names"),
        );
    }
    let ready = world.incarnations.iter().filter(|one| one.report.as_ref().is_some_and(|r| r.ready)).count();
    let blocked = world.incarnations.iter().find_map(start::obstacle);
    let detail = blocked.map(|why| format!("; {why}")).unwrap_or_default();
    wait(format!("the cluster is forming: {ready} of {} members are ready{detail}", world.incarnations.len()))
}

fn throw_away(world: &World, reason: String) -> Decision {
    act(world.incarnations.iter().map(|one| Step::Discard { name: one.name.clone() }).collect(), reason)
}

fn operation() -> Operation {
    Operation { kind: OperationKind::Bootstrap, member: None, since: None }
}

pub(super) fn act(steps: Vec<Step>, reason: String) -> Decision {
    Decision::Act { steps, operation: operation(), reason }
}

pub(super) fn wait(reason: String) -> Decision {
    Decision::Wait { operation: Some(operation()), reason, again: super::SOON }
}
