//! What must hold of schemes, authorities and certificates, judged by the truth.

use jiff::Timestamp;
use quorate::plan::{
    Policy, Scheme, Side, Transport,
    certificates::Source,
    elapsed, quorum,
    transport::{AuthorityId, Channel, Listen},
};

use crate::{
    certificates::talk_while,
    etcd::Etcd,
    invariants::{Violation, hold, members},
    model::{Model, Place, at},
};

/// Whatever is moved or rotated: nobody is left behind by it.
pub fn understanding(model: &Model, etcd: &Etcd) -> Result<(), Violation> {
    for entry in &etcd.entries {
        let deaf = members(model).find(|place| !place.transport.peer.listen.has(Scheme::of(&entry.url)));
        hold(deaf.is_none(), "every listed URL has a scheme that all members have", || {
            format!(
                "{} is listed, and {} has no such scheme",
                entry.url,
                deaf.map_or("", |place| &place.name.0)
            )
        })?;
    }
    let up: Vec<_> = members(model).filter(|place| place.joined).collect();
    let valid = |place: &Place| model.hindered.excuses(place, model.now);
    // Hardly ever: what is asked for in two ways is looked at once.
    if stranger(etcd, &up, valid).is_some() {
        let healthy: Vec<_> = up.iter().filter(|one| etcd.voter(one.uid) && !one.lost()).copied().collect();
        let (trusting, needed) = (trusting(etcd, &healthy, valid), quorum(etcd.voters()));
        let few = healthy.len() >= needed && trusting < needed;
        hold(!few, "mutually trusting healthy voters are a quorum", || {
            format!("{} of {} voters are up, and {trusting} trust each other", healthy.len(), etcd.voters())
        })?;
        let apart = stranger(etcd, &up, |_| true);
        hold(apart.is_none(), "members that are up talk to each other", || {
            format!("{:?} do not talk to each other", apart.map(|(one, other)| (&one.name.0, &other.name.0)))
        })?;
    }
    let reach = |scheme| up.iter().all(|place| place.started_with.client.listen.has(scheme));
    hold(reach(Scheme::Http) || reach(Scheme::Https), "clients reach all members under one scheme", || {
        "some listen in plain text only, some under TLS only".into()
    })
}

/// Two of these that do not talk to each other.
fn stranger<'p>(
    etcd: &Etcd,
    up: &[&'p Place],
    valid: impl Fn(&Place) -> bool,
) -> Option<(&'p Place, &'p Place)> {
    up.iter().enumerate().find_map(|(at, one)| {
        let other = up[at + 1..].iter().find(|other| !talk_while(etcd, one, other, &valid))?;
        Some((*one, *other))
    })
}

/// How many of these all trust each other at most.
fn trusting(etcd: &Etcd, up: &[&Place], valid: impl Fn(&Place) -> bool) -> usize {
    // For each, with whom it talks: one bit each.
    let ties = |one: &Place| {
        let talks = |other: &Place| u32::from(talk_while(etcd, one, other, &valid));
        up.iter().enumerate().fold(0, |ties, (at, other)| ties | talks(other) << at)
    };
    let ties: Vec<u32> = up.iter().map(|one| ties(one)).collect();
    let friends = |group: &u32| (0..up.len()).all(|at| group >> at & 1 == 0 || ties[at] & group == *group);
    (0..1 << up.len()).filter(friends).map(u32::count_ones).max().unwrap_or_default() as usize
}

/// An authority signs from now on.
pub fn used(model: &Model, side: Side, id: &AuthorityId, all: impl Fn() -> String) -> Result<(), Violation> {
    let stranger = members(model).find(|place| {
        let channel = |transport: &Transport| transport.get(side).clone();
        let trusts = |channel: Channel| channel.listen == Listen::Plain || channel.trust.contains(id);
        !trusts(channel(&place.transport)) || place.joined && !trusts(channel(&place.started_with))
    });
    hold(stranger.is_none(), "everybody trusts who signs", &all)?;
    let known = model.certificates.get(side).authorities.iter().find(|one| one.id == *id);
    hold(known.is_some_and(|one| spread(model, one.since)), "clients get the time to fetch", all)
}

/// An authority is trusted no more.
pub fn dropped(
    model: &Model,
    side: Side,
    id: &AuthorityId,
    all: impl Fn() -> String,
) -> Result<(), Violation> {
    let shown = model.shown_certificates();
    let leaves = &shown.get(side).leaves;
    let signs = shown.get(side).issuer.as_ref() == Some(id);
    let left = signs || leaves.iter().any(|leaf| leaf.issuer == *id);
    hold(!left, "nothing is left that it signed", &all)?;
    let all_spread = leaves.iter().all(|leaf| spread(model, leaf.since));
    hold(all_spread, "clients get the time to fetch", all)
}

/// Whether clients had the time that the policy gives them.
fn spread(model: &Model, since: Timestamp) -> bool {
    elapsed(since, at(model.now)) >= Policy::default().spread
}

/// A side whose certificates can't be used is left as it is.
pub fn secrets(
    model: &Model,
    index: usize,
    wanted: &Transport,
    all: impl Fn() -> String,
) -> Result<(), Violation> {
    let touched = Side::ALL.into_iter().any(|side| {
        model.certificates.get(side).problem.is_some()
            && *model.desired.tls.get(side) == Source::Managed
            && model.places[index].transport.get(side) != wanted.get(side)
    });
    hold(!touched, "hands off while certificates are missing", all)
}
