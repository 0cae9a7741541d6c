//! What keeps a known member there: its claim and its Pod. Pure, and ignorant of etcd, so that a deleted Pod is back in
//! milliseconds, whatever else is going on.

use super::views::{ClaimView, MemberView, PodView};

/// One act of upkeep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upkeep {
    /// Make its claim.
    MakeClaim,
    /// Make its Pod.
    MakePod,
    /// Delete its Pod, which ended for good: another one takes its place.
    DeletePod {
        /// The UID of that Pod.
        uid: String,
        /// Why.
        why: String,
    },
}

/// What is missing of a member. `started` says whether etcd ever ran on its volume: then no empty volume is made in the
/// place of a lost one, because an emptied voter would vote again about what it forgot.
pub fn decide(
    member: &MemberView,
    pod: Option<&PodView>,
    claim: Option<&ClaimView>,
    started: bool,
) -> Vec<Upkeep> {
    let spec = &member.object.spec;
    if spec.discarded || member.identity.deleting {
        return Vec::new();
    }
    let ephemeral = spec.storage.as_ref().is_some_and(|storage| storage.empty_dir.is_some());
    let mut acts = Vec::new();
    match claim {
        _ if ephemeral => {}
        // It goes, and the Pod with it would only hold it up.
        Some(claim) if claim.identity.deleting => return Vec::new(),
        // Another cluster's, or a former one's: the member says so, and nothing is mounted.
        Some(claim) if claim.cluster_uid.as_deref() != Some(&spec.cluster_uid) => return Vec::new(),
        Some(_) => {}
        None if started => return Vec::new(),
        None => acts.push(Upkeep::MakeClaim),
    }
    match pod {
        None => acts.push(Upkeep::MakePod),
        Some(pod) if pod.identity.deleting || pod.owner.as_ref() != Some(&member.identity.uid) => {}
        Some(pod) if pod.phase == "Failed" || pod.phase == "Succeeded" => acts.push(Upkeep::DeletePod {
            uid: pod.identity.uid.clone(),
            why: pod.message.clone().unwrap_or_else(|| format!("it is {}", pod.phase)),
        }),
        Some(_) => {}
    }
    acts
}
