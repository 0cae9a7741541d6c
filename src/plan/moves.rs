//! How members change the way they talk, one at a time, while all of them keep talking: between plain text and TLS in
//! rounds, and from one set of trusted authorities to another.
//!
//! Plain text to TLS: each member listens in both ways; etcd is told the `https` URL of each; each listens under TLS only.
//! The way back is the same, backwards. Two rules hold at every moment, whatever the spec becomes in between:
//!
//! * while some URL in etcd's list is `https`, no listed member listens in plain text only;
//! * while some URL is `http`, none listens under TLS only.
//!
//! The next stage of a member follows from what is seen alone, so that a spec that is put back turns round where it is.

use super::{
    authorities,
    certificates::Source,
    step::{Decision, Operation, OperationKind, Step},
    transport::{Channel, Listen, Scheme, Side, Transport},
    view::{View, sitting},
    world::{Incarnation, Membership, World},
};

/// Where a side of every member shall end; `None` while nothing of that side may be changed.
fn goal(world: &World, side: Side) -> Option<Channel> {
    let listen = match (world.desired.tls.get(side), side) {
        (Source::None, _) => return Some(Channel::default()),
        (_, Side::Client) if world.desired.client_plaintext => Listen::Both,
        _ => Listen::Tls,
    };
    let trust = world.certificates.get(side).trusted();
    authorities::obstacle(world, side).is_none().then_some(Channel { listen, trust })
}

/// What the members that form a new cluster are made with: at once what the spec says, since nobody is there who could be
/// reached otherwise. `None` while its certificates are not there.
pub(super) fn founding(world: &World) -> Option<Transport> {
    Some(Transport { peer: goal(world, Side::Peer)?, client: goal(world, Side::Client)? })
}

/// What members are made with over volumes of a former cluster: its list may name URLs of either scheme.
pub(super) fn returning(world: &World) -> Transport {
    let mut transport = founding(world)
        .or_else(|| world.incarnations.first().map(|one| one.transport.clone()))
        .unwrap_or_default();
    if transport.peer.listen == Listen::Tls {
        transport.peer.listen = Listen::Both;
    }
    transport
}

/// What a member is made from next on its way to what the spec says; what it has, where it has to wait.
pub(super) fn next(world: &World, one: &Incarnation) -> Transport {
    if world.record.cluster_id.is_none() {
        return founding(world).unwrap_or_else(|| one.transport.clone());
    }
    let around = Around::of(world);
    let own = &one.transport;
    let peer_goal = goal(world, Side::Peer);
    let peer = match &peer_goal {
        Some(goal) => stage(&own.peer, goal, around.urls_are(scheme(goal.listen))),
        None => own.peer.clone(),
    };
    // Both sides change in the same round.
    let arrived = peer_goal.is_none_or(|goal| goal.listen == peer.listen);
    let client = match goal(world, Side::Client) {
        Some(goal) => stage(&own.client, &goal, arrived && around.clients_have(scheme(goal.listen))),
        None => own.client.clone(),
    };
    Transport { peer, client }
}

/// The next stage of one side. `free` says whether nobody counts on the other scheme any more.
fn stage(own: &Channel, goal: &Channel, free: bool) -> Channel {
    let listen = match (own.listen, goal.listen) {
        (_, Listen::Both) => Listen::Both,
        (from, to) if from == to => to,
        (Listen::Both, to) if free => to,
        _ => Listen::Both,
    };
    let trust = match (listen, goal.listen) {
        (Listen::Plain, _) => Default::default(),
        // On the way to plain text nobody's trust changes any more.
        (_, Listen::Plain) => own.trust.clone(),
        _ => goal.trust.clone(),
    };
    Channel { listen, trust }
}

/// What a member that joins is made with: what all others have, if that is what is wanted, and else both ways. It trusts
/// whom the spec says, or whom the others trust.
pub(super) fn joining(world: &World) -> Transport {
    let around = Around::of(world);
    let side = |side: Side| {
        let goal = goal(world, side);
        let mut others = around.members.iter().map(|one| one.transport.get(side));
        let wanted = goal.as_ref().map(|goal| goal.listen);
        let first = others.next().map(|one| one.listen).or(wanted).unwrap_or_default();
        let alike = others.all(|one| one.listen == first) && wanted.is_none_or(|wanted| wanted == first);
        let listen = if alike { first } else { Listen::Both };
        let trust = match goal {
            _ if listen == Listen::Plain => Default::default(),
            Some(goal) if goal.listen != Listen::Plain => goal.trust,
            _ => around.members.iter().flat_map(|one| one.transport.get(side).trust.clone()).collect(),
        };
        Channel { listen, trust }
    };
    Transport { peer: side(Side::Peer), client: side(Side::Client) }
}

/// Under which URL etcd is told of a member that joins: one that every listed member can dial.
pub(super) fn joining_url<'a>(world: &World, one: &'a Incarnation) -> &'a str {
    let around = Around::of(world);
    let wanted = match goal(world, Side::Peer) {
        Some(goal) => scheme(goal.listen),
        None => around.urls.first().copied().unwrap_or(Scheme::Http),
    };
    let chosen = if around.peers_have(wanted) { wanted } else { wanted.other() };
    one.peer_url_under(chosen).unwrap_or(&one.peer_url)
}

/// Tells etcd the next URL, once every member listens there; one at a time, and each is read back.
pub(super) fn update_peer_url(view: &View<'_>) -> Option<Decision> {
    let scheme = scheme(goal(view.world, Side::Peer)?.listen);
    let listens = |one: &Incarnation| one.transport.peer.listen.has(scheme) && one.behind.is_none();
    let all = view.seats().all(|seat| seat.incarnation.is_some_and(listens));
    if !all || view.healthy().count() < view.voters.len() {
        return None;
    }
    let left: Vec<_> = view.seats().filter(|seat| !under(&seat.listed.peer_urls, scheme)).collect();
    let seat = left.first()?;
    let one = seat.incarnation?;
    let peer_url = one.peer_url_under(scheme)?.to_owned();
    let reason = format!(
        "every member listens under {}: its peers shall reach {} there ({} of {} are still to be moved)",
        scheme.name(),
        one.name,
        left.len(),
        view.seats().count()
    );
    Some(Decision::Act {
        steps: vec![Step::UpdatePeerUrl { name: one.name.clone(), id: seat.listed.id, peer_url }],
        operation: Operation { kind: OperationKind::Roll, member: None, since: None },
        reason,
    })
}

/// What is left of a move between two rounds, in words; `None` when etcd's list is as the spec says.
pub(super) fn unfinished(world: &World) -> Option<String> {
    let scheme = scheme(goal(world, Side::Peer)?.listen);
    let Membership::Known(list) = &world.membership else { return None };
    let left = list.iter().filter(|one| !under(&one.peer_urls, scheme)).count();
    (left > 0).then(|| {
        format!("{left} of {} peer URLs in etcd's list are still to become {}", list.len(), scheme.name())
    })
}

/// The first difference between how a member is reached and how it shall be, in words; `None` when there is none.
pub(super) fn difference(running: &Transport, wanted: &Transport) -> Option<String> {
    Side::ALL.into_iter().find_map(|side| {
        let (own, next) = (running.get(side), wanted.get(side));
        if own.listen != next.listen {
            return Some(format!("{side} TLS: {} → {}", own.listen.words(), next.listen.words()));
        }
        let names = |channel: &Channel| {
            let names: Vec<_> = channel.trust.iter().map(|id| id.0.as_str()).collect();
            if names.is_empty() { "nobody".to_owned() } else { names.join(" + ") }
        };
        (own.trust != next.trust).then(|| format!("trust of {side}s: {} → {}", names(own), names(next)))
    })
}

/// What peers dial in the end, by how all listen in the end.
fn scheme(listen: Listen) -> Scheme {
    if listen == Listen::Plain { Scheme::Http } else { Scheme::Https }
}

fn under(urls: &[String], scheme: Scheme) -> bool {
    urls.iter().all(|url| Scheme::of(url) == scheme)
}

/// Those that etcd lists: who they are, and under which URLs. Empty while nobody confirms the list.
struct Around<'a> {
    members: Vec<&'a Incarnation>,
    urls: Vec<Scheme>,
}

impl<'a> Around<'a> {
    fn of(world: &'a World) -> Self {
        let list = match &world.membership {
            Membership::Known(list) => list.as_slice(),
            Membership::Unknown { .. } => &[],
        };
        Self {
            members: list.iter().filter_map(|listed| sitting(world, listed)).collect(),
            urls: list.iter().flat_map(|one| &one.peer_urls).map(|url| Scheme::of(url)).collect(),
        }
    }

    /// Whether etcd's list has URLs of this scheme alone.
    fn urls_are(&self, scheme: Scheme) -> bool {
        !self.urls.is_empty() && self.urls.iter().all(|one| *one == scheme)
    }

    fn peers_have(&self, scheme: Scheme) -> bool {
        self.members.iter().all(|one| one.transport.peer.listen.has(scheme))
    }

    /// Whether clients reach every member under this scheme.
    fn clients_have(&self, scheme: Scheme) -> bool {
        !self.urls.is_empty() && self.members.iter().all(|one| one.transport.client.listen.has(scheme))
    }
}
