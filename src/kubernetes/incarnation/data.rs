//! What is certain of a member's data, which nobody can look into from outside.

use std::time::Duration;

use super::Facts;
use crate::{
    kubernetes::views::MemberView,
    member::guard::words::{GuardState, Phase},
    plan::{Admission, ClusterState, Data, elapsed},
};

/// Whether etcd is known to have been started on the member's volume: recorded, or said by its guard, or a member of
/// the first hour of a cluster that formed, or one that was made over a volume that was there.
pub fn started(member: &MemberView, formed: bool, guard: Option<&GuardState>) -> bool {
    let founder = |told: &Admission| told.state == ClusterState::New;
    member.started()
        || member.object.spec.admission.as_ref().is_some_and(Admission::is_over_data)
        || guard.is_some_and(|guard| guard.started)
        || (formed && member.object.spec.admission.as_ref().is_some_and(founder))
}

/// How long a process that was started a moment ago may take to make its files: until then an empty folder is none of
/// its doing.
const YOUNG: Duration = Duration::from_secs(3);

/// Whether etcd wrote data, and whether they are there.
pub fn data(facts: &Facts<'_>) -> Data {
    let young = facts.guard.is_some_and(|guard| {
        guard.phase == Phase::Running
            && !guard.present
            && guard.since.is_some_and(|since| elapsed(since, facts.now) < YOUNG)
    });
    let started = !young && started(facts.member, facts.formed, facts.guard);
    let present = match (facts.guard, facts.volume_gone) {
        (_, Some(_)) => false,
        // It goes as soon as the Pod does, and nobody can keep it any more.
        _ if facts.claim.is_some_and(|claim| claim.identity.deleting) => false,
        (Some(guard), None) => guard.present,
        // Nobody can look into a volume from outside: as long as it is there, so is what was written on it.
        (None, None) => started && volume_there(facts),
    };
    Data { started, present }
}

/// Whether its data live and die with its Pod.
pub fn ephemeral(facts: &Facts<'_>) -> bool {
    facts.member.object.spec.storage.as_ref().is_some_and(|storage| storage.empty_dir.is_some())
}

fn volume_there(facts: &Facts<'_>) -> bool {
    match ephemeral(facts) {
        true => facts.pod.is_some_and(|pod| !pod.identity.deleting),
        false => facts.claim.is_some_and(|claim| !claim.identity.deleting && claim.phase != "Lost"),
    }
}
