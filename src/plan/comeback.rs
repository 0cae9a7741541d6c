//! A cluster that comes back: the volumes that a deleted cluster of the same name left are taken up, if a person says so.
//!
//! Starting anew beside them in silence would look like a loss of all data, so without that word nothing is made.

use super::{
    bootstrap::{act, wait},
    moves,
    name::{ClusterId, MemberName},
    quorum::quorum,
    start,
    step::{Decision, Step},
    world::{Admission, Incarnation, World},
};

/// What to do about volumes that were left, and about members that were made from such; `None` when there are none.
pub(super) fn decide(world: &World) -> Option<Decision> {
    if !world.left.is_empty() {
        return Some(match (world.desired.adopt, world.incarnations.iter().all(taken_up)) {
            (true, true) => take_up(world),
            // New members were made before the volumes were seen; two clusters over one name help nobody.
            (_, false) => wait(refusal(world)),
            (false, _) => wait(refusal(world)),
        });
    }
    let back: Vec<_> = world.incarnations.iter().filter(|one| taken_up(one)).collect();
    if back.is_empty() {
        return None;
    }
    if let Some(cluster_id) = agreed(&back) {
        let steps = vec![Step::RecordFormed { cluster_id }];
        return Some(act(steps, format!("the cluster with ID {cluster_id} is back")));
    }
    let ready = back.iter().filter(|one| one.report.as_ref().is_some_and(|r| r.ready)).count();
    let blocked = back.iter().find_map(|one| start::obstacle(one));
    let detail = blocked.map(|why| format!("; {why}")).unwrap_or_default();
    Some(wait(format!(
        "{} members start on the volumes that were left: {ready} of them serve, and a quorum has to{detail}",
        back.len()
    )))
}

/// Why nothing is made, and what a person can do.
pub(super) fn refusal(world: &World) -> String {
    let names: Vec<_> = world.left.iter().map(|name| name.0.as_str()).collect();
    format!(
        "volumes of a former cluster of this name are there ({}), so no new one is made over them: set \
         spec.bootstrap.adopt to true to bring that cluster back with its data, or delete their claims to start anew",
        names.join(", ")
    )
}

/// One volume that is left of several is no quorum, so that member is told to go on alone.
fn take_up(world: &World) -> Decision {
    let alone = world.left.len() == 1 && world.incarnations.is_empty();
    let transport = moves::returning(world);
    let take_up =
        |name: &MemberName| Step::TakeUp { name: name.clone(), alone, transport: transport.clone() };
    let steps = world.left.iter().map(take_up).collect();
    act(steps, format!("{} volumes of the former cluster are taken up", world.left.len()))
}

/// Whether a member was made from a volume that was left: it knows its peers from its data, and nobody told it any.
pub(super) fn taken_up(one: &Incarnation) -> bool {
    one.admission.as_ref().is_some_and(Admission::is_over_data)
}

/// The ID of the cluster, if a quorum of the members serves and nobody names another one.
fn agreed(back: &[&Incarnation]) -> Option<ClusterId> {
    let reports: Vec<_> = back.iter().filter_map(|one| one.report.as_ref()).collect();
    let serving = reports.iter().filter(|report| report.ready).count();
    let first = reports.first()?.cluster_id;
    (serving >= quorum(back.len()) && reports.iter().all(|report| report.cluster_id == first))
        .then_some(first)
}
