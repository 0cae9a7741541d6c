//! Authorities of a cluster's own: when one is made, how it takes over from another one, and what stands in the way.
//!
//! A rotation has three steps, and which one it is in follows from the authorities that there are: two, and the older one
//! signs (`Trust`: members come to trust both); two, and the newer one signs (`Reissue`: certificates are made anew); one,
//! and some members still trust another (`Drop`). Members are changed by the roll, as for any other change.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use super::{
    SOON,
    certificates::{Authority, Certificates, Source, renewal},
    step::{Decision, Operation, OperationKind, Step},
    transport::{AuthorityId, Listen, Side},
    view::View,
    world::{Incarnation, World, waited},
};

/// Why members can't be changed to the certificates of a side.
pub(super) struct Obstacle {
    /// The reason of a condition.
    pub(super) reason: &'static str,
    /// What is the matter and what to do.
    pub(super) message: String,
    /// Whether it passes by itself.
    pub(super) passes: bool,
}

/// What stands in the way of a side's certificates; `None` where all is well or none are wanted.
///
/// As long as there is something, no member is changed on that side: a restart reads the authorities anew, and what is
/// wrong now would only take the member away from the others.
pub(super) fn obstacle(world: &World, side: Side) -> Option<Obstacle> {
    let source = *world.desired.tls.get(side);
    let certificates = world.certificates.get(side);
    let stands = |reason, message| Some(Obstacle { reason, message, passes: false });
    if source == Source::None {
        return None;
    }
    if let Some(problem) = &certificates.problem {
        return stands("NotUsable", format!("{side} certificates: {problem}"));
    }
    if certificates.authorities.is_empty() {
        let known = trust(world, side);
        return match source {
            Source::Managed if known.is_empty() => Some(Obstacle {
                reason: "Waiting",
                message: format!("the authority of the {side} certificates is about to be made"),
                passes: true,
            }),
            Source::Managed => stands(
                "AuthorityLost",
                format!(
                    "the authority of the {side} certificates is gone, and members trust {}: put it back from a copy, or \
                     set spec.tls.{side}.mode to Disabled until no member listens under TLS, and then to Managed for a new one",
                    names(&known)
                ),
            ),
            _ => stands("NotUsable", format!("{side} certificates: no authority is given to be trusted")),
        };
    }
    untrusted(world, side).and_then(|message| stands("Untrusted", message))
}

/// Certificates in use that not everybody takes. Peers keep the connections they have, but a member that is restarted then
/// finds no way back to the others.
fn untrusted(world: &World, side: Side) -> Option<String> {
    let certificates = world.certificates.get(side);
    let trusted = certificates.trusted();
    let issuers = || certificates.leaves.iter().map(|leaf| (&leaf.issuer, leaf));
    if let Some((issuer, leaf)) = issuers().find(|(issuer, _)| !trusted.contains(issuer)) {
        return Some(format!(
            "the {side} certificate of {} is signed by {issuer}, which is none of the authorities to be trusted ({}): add \
             its certificate to those, or have the certificate signed by one of them",
            leaf.holder,
            names(&trusted)
        ));
    }
    // Whether clients take a member's certificate is the clients' matter.
    let members = listeners(world, Side::Peer).filter(|_| side == Side::Peer);
    let strangers = |one: &Incarnation| {
        issuers().map(|(issuer, _)| issuer).find(|id| !one.transport.peer.trust.contains(id))
    };
    let (one, issuer) = members.filter_map(|one| Some((one, strangers(one)?))).next()?;
    Some(format!(
        "peer certificates signed by {issuer} are in use, and {} was started without trust in it: put those back that the \
         former authority signed until every member trusts both",
        one.name
    ))
}

/// The authorities that are needed before the first member is made; and the word that certificates are waited for.
pub(super) fn first(world: &World) -> Option<Decision> {
    let missing: Vec<_> = Side::ALL.into_iter().filter(|side| makes_first(world, *side)).collect();
    let operation = || Operation { kind: OperationKind::Bootstrap, member: None, since: None };
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|side| side.name()).collect();
        return Some(Decision::Act {
            steps: missing.into_iter().map(|side| Step::AddAuthority { side }).collect(),
            operation: operation(),
            reason: format!("{} certificates need an authority first", names.join(" and ")),
        });
    }
    let obstacle = Side::ALL.into_iter().find_map(|side| obstacle(world, side));
    obstacle.filter(|_| world.incarnations.is_empty()).map(|obstacle| Decision::Wait {
        operation: Some(operation()),
        reason: format!("no member is made yet: {}", obstacle.message),
        again: SOON,
    })
}

/// The next act on the authorities. It disrupts nobody.
pub(super) fn act(view: &View<'_>) -> Option<Decision> {
    decide(view).find(|decision| matches!(decision, Decision::Act { .. }))
}

/// What a rotation waits for, when nothing else is left to do.
pub(super) fn wait(view: &View<'_>) -> Option<Decision> {
    decide(view).find(|decision| matches!(decision, Decision::Wait { .. }))
}

fn decide(view: &View<'_>) -> impl Iterator<Item = Decision> {
    Side::ALL.into_iter().filter_map(|side| of_side(view, side))
}

fn of_side(view: &View<'_>, side: Side) -> Option<Decision> {
    let World { certificates, desired, policy, .. } = view.world;
    let certificates = certificates.get(side);
    if makes_first(view.world, side) {
        let reason = format!("{side} certificates need an authority first");
        return Some(step(Step::AddAuthority { side }, reason));
    }
    if *desired.tls.get(side) != Source::Managed || obstacle(view.world, side).is_some() {
        return None;
    }
    let newest = certificates.authorities.last()?;
    if certificates.issuer.as_ref() != Some(&newest.id) {
        if let Some(one) = listening(view, side).find(|one| !trusts(one, side, &newest.id)) {
            let words = format!("waiting for {} to trust the new {side} authority {}", one.name, newest.id);
            return Some(waiting(words, SOON));
        }
        let words = format!("clients fetch the new {side} authority {}", newest.id);
        return Some(after(newest.since, policy.spread, view.now, words).unwrap_or_else(|| {
            let reason =
                format!("every member trusts the new {side} authority {}: it signs from now on", newest.id);
            step(Step::UseAuthority { side, id: newest.id.clone() }, reason)
        }));
    }
    if let Some(old) = certificates.authorities.iter().find(|one| one.id != newest.id) {
        if let Some(holder) = left(view, certificates, side) {
            let words = format!("waiting for a {side} certificate of {holder} that {} signed", newest.id);
            return Some(waiting(words, SOON));
        }
        let last = certificates.leaves.iter().map(|leaf| leaf.since).max().unwrap_or(newest.since);
        let words = format!("members and clients fetch their new {side} certificates");
        return Some(after(last, policy.spread, view.now, words).unwrap_or_else(|| {
            let reason = format!("no {side} certificate is left that the former authority {} signed", old.id);
            step(Step::DropAuthority { side, id: old.id.clone() }, reason)
        }));
    }
    let why = due(view.world, newest, view.now)?;
    Some(step(Step::AddAuthority { side }, format!("the {side} authority is replaced: {why}")))
}

/// Why an authority that signs is to be replaced.
fn due(world: &World, newest: &Authority, now: Timestamp) -> Option<String> {
    if let Some(valid) = newest.awaited(now) {
        return Some(format!("it is not valid before {valid:.0}, as one that a clock made which was ahead"));
    }
    // Certificates tell whole seconds: one that was made in the second of the wish fulfils it. A wish of the future would
    // never be fulfilled, and an authority from there proves nothing about a wish.
    let since_then = |asked: Timestamp| newest.since.as_second() < asked.as_second() || newest.since > now;
    if world.desired.rotate.is_some_and(|asked| since_then(asked) && asked <= now) {
        return Some("a new one was asked for".into());
    }
    (now >= renewal(newest.since, newest.until))
        .then(|| format!("two thirds of its life are over, it is valid until {:.0}", newest.until))
}

/// Whether the first authority of a side can be made. Where members trust one that is gone, another one would be trusted by
/// nobody that runs.
fn makes_first(world: &World, side: Side) -> bool {
    let certificates = world.certificates.get(side);
    *world.desired.tls.get(side) == Source::Managed
        && certificates.problem.is_none()
        && certificates.authorities.is_empty()
        && trust(world, side).is_empty()
}

/// Whose certificate is not signed by the newest authority, or is not there.
fn left(view: &View<'_>, certificates: &Certificates, side: Side) -> Option<String> {
    let newest = &certificates.authorities.last()?.id;
    if let Some(leaf) = certificates.leaves.iter().find(|leaf| leaf.issuer != *newest) {
        return Some(leaf.holder.clone());
    }
    let has = |one: &Incarnation| certificates.leaves.iter().any(|leaf| leaf.holder == one.name.0);
    listening(view, side).find(|one| !has(one)).map(|one| one.name.0.clone())
}

/// The members of the list that listen under TLS.
fn listening<'v>(view: &'v View<'_>, side: Side) -> impl Iterator<Item = &'v Incarnation> {
    view.seats()
        .filter_map(|seat| seat.incarnation)
        .filter(move |one| one.transport.get(side).listen != Listen::Plain)
}

/// The members that were told how to enter the cluster, and listen under TLS.
fn listeners(world: &World, side: Side) -> impl Iterator<Item = &Incarnation> {
    world
        .incarnations
        .iter()
        .filter(move |one| one.admission.is_some() && one.transport.get(side).listen != Listen::Plain)
}

/// Whether a member was started with trust in an authority.
fn trusts(one: &Incarnation, side: Side, id: &AuthorityId) -> bool {
    one.behind.is_none() && one.transport.get(side).trust.contains(id)
}

/// All authorities that some member trusts.
fn trust(world: &World, side: Side) -> BTreeSet<AuthorityId> {
    listeners(world, side).flat_map(|one| one.transport.get(side).trust.clone()).collect()
}

fn names(ids: &BTreeSet<AuthorityId>) -> String {
    ids.iter().map(|id| id.0.as_str()).collect::<Vec<_>>().join(", ")
}

/// How far the rotation of a side is.
pub(super) struct Rotation {
    /// `Trust`, `Reissue` or `Drop`.
    pub(super) step: &'static str,
    /// How far that is, in words.
    pub(super) words: String,
}

/// The step that the rotation of a side is in; `None` while there is none.
pub(super) fn rotation(view: &View<'_>, side: Side) -> Option<Rotation> {
    let certificates = view.world.certificates.get(side);
    if *view.world.desired.tls.get(side) != Source::Managed {
        return None;
    }
    let newest = &certificates.authorities.last()?.id;
    let members = listening(view, side).count();
    let only = |one: &&Incarnation| one.transport.get(side).trust.len() <= 1;
    if certificates.issuer.as_ref() != Some(newest) {
        let ready = listening(view, side).filter(|one| trusts(one, side, newest)).count();
        let words = format!("{ready} of {members} members trust the new {side} authority {newest}");
        return Some(Rotation { step: "Trust", words });
    }
    if certificates.authorities.len() > 1 {
        let all = certificates.leaves.len();
        let made = certificates.leaves.iter().filter(|leaf| leaf.issuer == *newest).count();
        let words = format!("{made} of {all} {side} certificates are signed by the new authority {newest}");
        return Some(Rotation { step: "Reissue", words });
    }
    let done = listening(view, side).filter(only).count();
    (done < members).then(|| Rotation {
        step: "Drop",
        words: format!("{done} of {members} members trust the {side} authority {newest} alone"),
    })
}

fn after(since: Timestamp, time: Duration, now: Timestamp, words: String) -> Option<Decision> {
    let left = time.saturating_sub(waited(since, now));
    (!left.is_zero()).then(|| waiting(words, left.min(SOON)))
}

fn operation() -> Operation {
    Operation { kind: OperationKind::Roll, member: None, since: None }
}

fn step(step: Step, reason: String) -> Decision {
    Decision::Act { steps: vec![step], operation: operation(), reason }
}

fn waiting(reason: String, again: Duration) -> Decision {
    Decision::Wait { operation: Some(operation()), reason, again }
}
