//! The PodDisruptionBudget: how many members a drain of nodes has to leave.

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use kube::ResourceExt;

use super::meta;
use crate::{api::EtcdCluster, plan};

/// The budget of a cluster that has so many voters now.
///
/// A whole number of members that stay, and never of those that may go: without a controller with replicas above the
/// Pods, Kubernetes takes nothing else. The larger of what is and what is wanted counts, so that a cluster which grows is
/// guarded by its later quorum early.
pub fn budget(cluster: &EtcdCluster, voters: usize) -> PodDisruptionBudget {
    let wanted = usize::try_from(cluster.spec.size).unwrap_or_default();
    let least = i32::try_from(plan::quorum(voters.max(wanted))).unwrap_or(i32::MAX);
    let name = cluster.name_any();
    let mut metadata = meta::of_cluster(name.clone(), cluster);
    let spec = PodDisruptionBudgetSpec {
        min_available: Some(IntOrString::Int(least)),
        selector: Some(LabelSelector {
            match_labels: Some(meta::selector(&name)),
            ..LabelSelector::default()
        }),
        ..PodDisruptionBudgetSpec::default()
    };
    let made_from = meta::fingerprint(&(&metadata.labels, &spec));
    meta::mark(&mut metadata, made_from);
    PodDisruptionBudget { metadata, spec: Some(spec), status: None }
}
