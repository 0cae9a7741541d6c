//! Why there is no quorum, and what a person can do: words for the status, never a step.

use super::{
    quorum::quorum,
    rollout, start,
    view::View,
    world::{Incarnation, Listed, Process, World},
};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outage {
    /// The data of so many voters is gone that the rest is no quorum. Only a person can say what to do.
    DataLost,
    /// Too few voters run. They are started again by themselves.
    Down,
    /// Enough voters run; they elect a leader or cannot reach each other.
    NoLeader,
}

/// What is known about the voters without a quorum's word.
pub(super) struct Voters<'a> {
    /// How many there are, by what a member says, or by the members that exist.
    pub(super) count: usize,
    /// Those whose data is gone, with the reason.
    pub(super) lost: Vec<(&'a Incarnation, String)>,
    /// How many run on intact data.
    pub(super) running: usize,
    intact: Vec<&'a Incarnation>,
}

pub(super) fn voters<'a>(world: &'a World, hearsay: &[Listed]) -> Voters<'a> {
    // A member that was removed and still exists is no voter: counting it would hide that the rest is no quorum.
    let voting = |one: &&Incarnation| {
        let heard = hearsay.iter().find(|listed| listed.name == one.name.0 || one.is_at(&listed.peer_urls));
        // A place that is only reserved is none either; one with data is a member, even if its admission can't be read.
        (one.admission.is_some() || one.data.present)
            && heard.map_or(hearsay.is_empty(), |listed| !listed.learner)
    };
    let here: Vec<_> = world.incarnations.iter().filter(voting).collect();
    let heard = hearsay.iter().filter(|listed| !listed.learner).count();
    let lost: Vec<_> = here.iter().filter_map(|one| one.data_fault().map(|fault| (*one, fault))).collect();
    let intact: Vec<_> = here.iter().filter(|one| one.data_fault().is_none()).copied().collect();
    Voters {
        count: if heard > 0 { heard } else { here.len() },
        lost,
        running: intact.iter().filter(|one| one.running()).count(),
        intact,
    }
}

pub(super) fn kind(voters: &Voters<'_>) -> Outage {
    let needed = quorum(voters.count);
    if voters.intact.len() < needed {
        Outage::DataLost
    } else if voters.running < needed {
        Outage::Down
    } else {
        Outage::NoLeader
    }
}

/// What happened and what to do, for a status or a terminal.
pub(super) fn explain(world: &World, why: &str, hearsay: &[Listed]) -> String {
    let voters = voters(world, hearsay);
    let needed = quorum(voters.count);
    match kind(&voters) {
        Outage::DataLost => data_lost(&voters, needed),
        Outage::Down => {
            let down: Vec<_> = voters
                .intact
                .iter()
                .filter(|one| !matches!(one.process, Process::Running { .. }))
                .filter_map(|one| start::obstacle(one))
                .collect();
            let held = voters.intact.iter().filter(|one| {
                !one.running() && rollout::loses_data(one) && rollout::difference(world, one).is_some()
            });
            let held: Vec<_> = held.map(|one| one.name.0.as_str()).collect();
            let held = match held.is_empty() {
                true => String::new(),
                false => format!(
                    "; {} would lose the data with the Pod, so the change of the spec does not reach it before a quorum \
                     serves: mend what keeps the Pod that is there from running",
                    held.join(", ")
                ),
            };
            format!(
                "{} of {} voters run, and a quorum is {needed}; the others are started again on their data: {}{held}",
                voters.running,
                voters.count,
                down.join("; ")
            )
        }
        Outage::NoLeader => format!(
            "{} of {} voters run, but none confirms the member list yet: {why}",
            voters.running, voters.count
        ),
    }
}

/// The message for the one case that Quorate leaves to a person.
pub(super) fn data_lost(voters: &Voters<'_>, needed: usize) -> String {
    let lost: Vec<_> = voters.lost.iter().map(|(one, fault)| format!("{} ({fault})", one.name)).collect();
    let kept: Vec<_> = voters.intact.iter().map(|one| one.name.0.as_str()).collect();
    let kept = if kept.is_empty() { "no member".to_owned() } else { kept.join(", ") };
    format!(
        "the data of {} of {} voters is gone: {}; a quorum is {needed}, so nothing is removed or wiped. If the \
         very folders that were lost turn up, put them back and the members start by themselves (an older copy would lose \
         acknowledged writes); or save what {kept} still has (copy its \
         member/snap/db, or `etcdctl snapshot save` if it answers) and restore that into a new cluster",
        voters.lost.len(),
        voters.count,
        lost.join(", ")
    )
}

/// The same message while the processes of the lost members still run and the cluster serves: it would end with them.
pub(super) fn majority_data_lost(view: &View<'_>) -> Option<String> {
    let needed = quorum(view.voters.len());
    let lost: Vec<_> =
        view.voters.iter().filter_map(|seat| Some((seat.label(), seat.data_fault()?))).collect();
    if view.voters.len() - lost.len() >= needed {
        return None;
    }
    let lost: Vec<_> = lost.iter().map(|(name, fault)| format!("{name} ({fault})")).collect();
    Some(format!(
        "the data of {} of {} voters is gone: {}; a quorum is {needed}, so nothing is removed or wiped. The cluster serves \
         only as long as their processes run: take a copy now with `etcdctl snapshot save`, and do not stop them before",
        lost.len(),
        view.voters.len(),
        lost.join(", ")
    ))
}
