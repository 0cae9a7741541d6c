//! etcd's member list and the members that exist, joined: what every rule looks at.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    name::{MemberId, MemberName},
    quorum::quorum,
    world::{Incarnation, Listed, Process, World, waited},
};

/// A confirmed member list beside the incarnations that stand behind its entries.
pub(super) struct View<'a> {
    pub(super) world: &'a World,
    pub(super) now: Timestamp,
    pub(super) voters: Vec<Seat<'a>>,
    pub(super) learners: Vec<Seat<'a>>,
}

/// One entry of the member list, and who sits there.
#[derive(Clone, Copy)]
pub(super) struct Seat<'a> {
    pub(super) listed: &'a Listed,
    /// `None` when nothing exists any more (or yet) for this entry.
    pub(super) incarnation: Option<&'a Incarnation>,
}

impl<'a> View<'a> {
    pub(super) fn new(world: &'a World, list: &'a [Listed], now: Timestamp) -> Self {
        let seats = list.iter().map(|listed| Seat { listed, incarnation: sitting(world, listed) });
        let (learners, voters) = seats.partition(|seat| seat.listed.learner);
        Self { world, now, voters, learners }
    }

    /// Incarnations that stand behind no entry of the list.
    pub(super) fn unlisted(&self) -> impl Iterator<Item = &'a Incarnation> {
        self.world.incarnations.iter().filter(|one| !self.seats().any(|seat| seat.is(&one.name)))
    }

    pub(super) fn seats(&self) -> impl Iterator<Item = &Seat<'a>> {
        self.voters.iter().chain(&self.learners)
    }

    /// The voters that serve now and whose data is there.
    pub(super) fn healthy(&self) -> impl Iterator<Item = &Seat<'a>> {
        self.voters.iter().filter(|seat| seat.healthy(self.world))
    }

    /// The one disruption gate: would the voters that are up now still be a quorum, of the old and of the new
    /// membership, if this member went away? The refusal says who is missing.
    pub(super) fn may_lose(&self, leaving: &Seat<'_>) -> Result<(), String> {
        let left = self.healthy().filter(|seat| seat.listed.id != leaving.listed.id).count();
        // The quorum of the smaller membership is never larger, so the old one decides.
        let needed = quorum(self.voters.len());
        if left >= needed {
            return Ok(());
        }
        Err(format!(
            "{left} healthy voters would be left of {}, and a quorum is {needed}{}",
            self.voters.len(),
            self.unhealthy_names(leaving.listed.id)
        ))
    }

    fn unhealthy_names(&self, except: MemberId) -> String {
        let names: Vec<_> = self
            .voters
            .iter()
            .filter(|seat| seat.listed.id != except && !seat.healthy(self.world))
            .map(|seat| seat.label())
            .collect();
        if names.is_empty() { String::new() } else { format!("; not healthy: {}", names.join(", ")) }
    }

    /// The leader, as the newest answer that knows one has it: a voter that is cut off knows none, in the same term.
    pub(super) fn leader(&self) -> Option<MemberId> {
        self.voters
            .iter()
            .filter_map(|seat| seat.incarnation?.report.as_ref())
            .filter_map(|report| report.leader.map(|leader| (report.term, leader)))
            .max_by_key(|(term, _)| *term)
            .map(|(_, leader)| leader)
    }

    /// How long ago the last of the voters other than `except` came back to its clients.
    pub(super) fn youngest_return(&self, except: &MemberName) -> Option<(&'a MemberName, Duration)> {
        self.voters
            .iter()
            .filter_map(|seat| seat.incarnation)
            .filter(|one| one.name != *except)
            .filter_map(|one| match one.process {
                Process::Running { since } => {
                    Some((&one.name, waited(one.returned.map_or(since, |back| back.max(since)), self.now)))
                }
                _ => None,
            })
            .min_by_key(|(_, age)| *age)
    }
}

impl Seat<'_> {
    /// Whether this is the seat of the incarnation of that name.
    pub(super) fn is(&self, name: &MemberName) -> bool {
        self.incarnation.is_some_and(|one| one.name == *name)
    }

    /// How people call it: by its name, or by its ID when it has none yet.
    pub(super) fn label(&self) -> String {
        match self.incarnation {
            Some(one) => one.name.0.clone(),
            None if !self.listed.name.is_empty() => self.listed.name.clone(),
            None => format!("member {}", self.listed.id),
        }
    }

    /// Whether it answers as the member it is, as a voter, with linearizable reads.
    pub(super) fn serving(&self, world: &World) -> bool {
        self.incarnation.is_some_and(|one| {
            one.running()
                && one.report.as_ref().is_some_and(|report| {
                    report.ready
                        && report.id == self.listed.id
                        && world.record.cluster_id == Some(report.cluster_id)
                })
        })
    }

    /// Whether it serves and its data is where it should be.
    pub(super) fn healthy(&self, world: &World) -> bool {
        self.serving(world) && self.data_fault().is_none()
    }

    /// Why its data counts as lost; `None` while there is no evidence.
    pub(super) fn data_fault(&self) -> Option<String> {
        match self.incarnation {
            Some(one) => one.data_fault(),
            None => Some("nothing of it exists any more".into()),
        }
    }
}

/// The incarnation behind an entry: by ID where it is recorded, by name once it started, by peer URL before.
pub(super) fn sitting<'a>(world: &'a World, listed: &Listed) -> Option<&'a Incarnation> {
    let recorded =
        |one: &&Incarnation| one.admission.as_ref().and_then(|a| a.id).is_some_and(|id| id == listed.id);
    let named = |one: &&Incarnation| !listed.name.is_empty() && one.name.0 == listed.name;
    let addressed = |one: &&Incarnation| listed.name.is_empty() && one.is_at(&listed.peer_urls);
    let all = &world.incarnations;
    all.iter().find(recorded).or_else(|| all.iter().find(named)).or_else(|| all.iter().find(addressed))
}
