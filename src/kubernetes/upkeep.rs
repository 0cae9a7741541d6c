//! What keeps a known member there: its claim and its Pod. Pure, and ignorant of etcd, so that a deleted Pod is back in
//! milliseconds, whatever else is going on.

use std::time::Duration;

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

/// How long a Pod waits for a new volume. After that it is made all the same: what Kubernetes says of it tells people why
/// there is none.
const BINDING: Duration = Duration::from_secs(10);

/// How long a Pod is to wait yet for a claim that is not bound, by its class's `volumeBindingMode`; `None` when it is made
/// now. Where claims are bound before anybody uses them, the scheduler may send a Pod to its node a moment before the
/// kubelet sees the claim bound, and then the kubelet tries it again only ten seconds or more later.
pub fn time_to_bind(mode: &str, waited: Duration) -> Option<Duration> {
    BINDING.checked_sub(waited).filter(|left| mode == "Immediate" && !left.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{EtcdMember, EtcdMemberSpec},
        kubernetes::store::Identity,
    };

    fn member() -> MemberView {
        let spec: EtcdMemberSpec = serde_json::from_value(serde_json::json!({
            "cluster": "demo", "clusterUid": "c-1", "serial": 1, "version": "3.6.16", "image": "etcd",
        }))
        .unwrap();
        let identity = Identity { uid: "m-1".into(), ..Identity::default() };
        MemberView { identity, object: EtcdMember::new("demo-a", spec) }
    }

    fn pod(phase: &str) -> PodView {
        PodView { owner: Some("m-1".into()), phase: phase.into(), ..PodView::default() }
    }

    fn claim(cluster: &str, deleting: bool) -> ClaimView {
        let identity = Identity { deleting, ..Identity::default() };
        ClaimView { identity, cluster_uid: Some(cluster.into()), ..ClaimView::default() }
    }

    fn acts(pod: Option<PodView>, claim: Option<ClaimView>, started: bool) -> Vec<Upkeep> {
        decide(&member(), pod.as_ref(), claim.as_ref(), started)
    }

    #[test]
    fn what_is_missing_is_made() {
        let own = || Some(claim("c-1", false));
        assert_eq!(acts(None, None, false), [Upkeep::MakeClaim, Upkeep::MakePod]);
        assert_eq!(acts(None, own(), true), [Upkeep::MakePod]);
        assert_eq!(acts(Some(pod("Running")), own(), true), []);
        assert!(matches!(&acts(Some(pod("Failed")), own(), true)[..], [Upkeep::DeletePod { .. }]));
    }

    #[test]
    fn a_pod_waits_for_a_volume_that_comes_by_itself() {
        let second = Duration::from_secs(1);
        assert_eq!(time_to_bind("Immediate", second), Some(9 * second));
        assert_eq!(time_to_bind("Immediate", 10 * second), None, "people are to see why");
        assert_eq!(time_to_bind("WaitForFirstConsumer", second), None, "it comes for the Pod");
    }

    #[test]
    fn no_empty_volume_takes_the_place_of_a_lost_one() {
        assert_eq!(acts(None, None, true), []);
        assert_eq!(acts(None, Some(claim("c-1", true)), true), []);
        assert_eq!(
            acts(None, Some(claim("c-0", false)), false),
            [],
            "another cluster's volume is not mounted"
        );
    }

    #[test]
    fn nothing_is_made_for_a_member_that_goes_or_in_the_place_of_a_foreign_pod() {
        let mut gone = member();
        gone.object.spec.discarded = true;
        assert_eq!(decide(&gone, None, None, false), []);
        let foreign = PodView { owner: Some("other".into()), ..pod("Failed") };
        assert_eq!(acts(Some(foreign), Some(claim("c-1", false)), true), []);
    }
}
