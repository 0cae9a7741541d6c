//! A member on Kubernetes in the words of the plan: what its objects and its guard say, put together. Pure.

mod clients;
mod data;
mod process;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

pub use self::data::started;
use self::{
    clients::{closed, draining, returned},
    data::{data, ephemeral},
    process::process,
};
use super::{
    render,
    views::{ClaimView, MemberView, PodView},
};
use crate::{
    member::guard::words::GuardState,
    plan::{Incarnation, MemberName, PeerDomain, Scheme},
};

/// All that is known of one member.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Its EtcdMember.
    pub member: &'a MemberView,
    /// Its Pod, if there is one.
    pub pod: Option<&'a PodView>,
    /// Its claim, if there is one.
    pub claim: Option<&'a ClaimView>,
    /// What its guard says, if it answered just now.
    pub guard: Option<&'a GuardState>,
    /// How far the clock of its node is ahead of the operator's, by its guard's answer.
    pub ahead: Option<SignedDuration>,
    /// Whether its cluster formed.
    pub formed: bool,
    /// Whether the Pods of all members that it has to find at its first start have addresses.
    pub peers_placed: bool,
    /// Why its volume can never be reached again, if that is certain.
    pub volume_gone: Option<&'a str>,
    /// What kept its objects from being made, last.
    pub setback: Option<&'a str>,
    /// When a person asked for a restart of all members, last.
    pub restart_all: Option<Timestamp>,
    /// How it differs from what would be made now.
    pub behind: Option<String>,
    /// How its volume differs from one that would be made now.
    pub misplaced: Option<String>,
    /// Under which scheme clients are to reach it, if it listens so.
    pub clients: Scheme,
    /// The domain of the cluster's members.
    pub domain: &'a PeerDomain,
    /// Now.
    pub now: Timestamp,
}

/// The member as the plan sees it.
pub fn incarnation(facts: &Facts<'_>) -> Incarnation {
    let Facts { member, pod, .. } = facts;
    let spec = &member.object.spec;
    let name = MemberName(member.identity.name.clone());
    let made = member.object.metadata.creation_timestamp.as_ref().map(|time| time.0);
    // A learner's time counts from when etcd was told of it: what its Pod took before that is no fault of its.
    let told = spec.admitted.as_deref().and_then(|text| text.parse().ok());
    let annotations = member.object.metadata.annotations.as_ref();
    let annotation = |name: &str| annotations.and_then(|all| all.get(name));
    let (peer_url, second_peer_url) = facts.domain.peer_urls(&name, spec.transport.peer.listen);
    Incarnation {
        client_url: client_url(facts, &name),
        peer_url,
        second_peer_url,
        created: told.or(made).unwrap_or(facts.now),
        version: spec.version,
        options: spec.options.clone(),
        transport: spec.transport.clone(),
        admission: spec.admission.clone(),
        process: process(facts),
        data: data(facts),
        supervised: true,
        behind: facts.behind.clone(),
        ephemeral: ephemeral(facts),
        closed: closed(facts),
        ahead: facts.ahead,
        misplaced: facts.misplaced.clone(),
        lost_since: None,
        draining: draining(facts),
        returned: returned(facts),
        restart_requested: annotation(super::labels::RESTART)
            .and_then(|text| text.parse().ok())
            .max(facts.restart_all),
        replace_requested: annotation(super::labels::REPLACE).is_some(),
        node: pod.and_then(|pod| pod.node.clone()).unwrap_or_default(),
        report: None,
        name,
    }
}

/// Where clients are told to reach it: as the spec wants, where it listens so.
fn client_url(facts: &Facts<'_>, name: &MemberName) -> String {
    let listen = facts.member.object.spec.transport.client.listen;
    let mut urls = render::client_urls(&name.0, &facts.domain.0, listen);
    let wanted = urls.iter().position(|url| Scheme::of(url) == facts.clients).unwrap_or_default();
    if wanted < urls.len() { urls.swap_remove(wanted) } else { String::new() }
}
