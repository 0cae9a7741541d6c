//! Changes of `spec.podTemplate` that reach Pods while they run, so that no member is restarted for them.

use std::sync::{Arc, PoisonError};

use k8s_openapi::api::core::v1;
use kube::ResourceExt;
use serde_json::{Map, Value, json};
use tracing::info;

use super::{
    error::KubernetesError,
    labels, patch,
    platform::KubernetesPlatform,
    render::{self, Soft, Surroundings},
    slim::Pod,
    views::{MemberView, PodView},
};
use crate::api::{EtcdCluster, EtcdMember};

/// A change that the API server did not take while the Pod runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The UID of the Pod.
    pod: String,
    /// What was wanted.
    wanted: Soft,
    /// What the API server said.
    why: String,
}

impl KubernetesPlatform {
    /// Changes the Pods of members whose template differs from that of the spec in nothing else. The EtcdMember follows once
    /// the Pod has taken the change: a template that no Pod can be made from is to reach one member and not all, which is
    /// what a roll is for. A member whose Pod can't be made with the template that it has gets it at once.
    pub(super) async fn soften(
        &self,
        cluster: &EtcdCluster,
        members: &[Arc<MemberView>],
    ) -> Result<(), KubernetesError> {
        let template = cluster.spec.pod_template.as_ref();
        if template.is_some_and(|template| render::check(template).is_err()) {
            // The condition says so.
            return Ok(());
        }
        let wanted = Soft::of(template);
        for member in members.iter().filter(|one| !one.object.spec.discarded) {
            let made_from = member.object.spec.pod_template.as_ref();
            let softly = made_from == template || render::differ_softly(made_from, template);
            let own = |pod: &Arc<PodView>| {
                !pod.identity.deleting && pod.owner.as_ref() == Some(&member.identity.uid)
            };
            let Some(pod) = self.pod(&member.identity.name).filter(own) else {
                if softly && self.setback(member).is_some() {
                    self.give_template(member, template).await?;
                }
                continue;
            };
            if !softly || self.refused(member, &pod, &wanted).is_some() {
                continue;
            }
            if Soft::read(pod.soft.as_deref()) != wanted {
                match self.change_pod(cluster, member, &pod, &wanted).await {
                    Err(KubernetesError::Call(error)) if error.refused() => {
                        let refused = Refused {
                            pod: pod.identity.uid.clone(),
                            wanted: wanted.clone(),
                            why: error.to_string(),
                        };
                        let mut all = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                        all.insert(member.identity.name.clone(), refused);
                        continue;
                    }
                    result => result?,
                }
            }
            self.give_template(member, template).await?;
        }
        Ok(())
    }

    async fn give_template(
        &self,
        member: &MemberView,
        template: Option<&Value>,
    ) -> Result<(), KubernetesError> {
        let made_from = member.object.spec.pod_template.as_ref();
        if made_from == template {
            return Ok(());
        }
        let change = patch::replacing(&json!(made_from), json!(template));
        Ok(self
            .hands()
            .change::<EtcdMember>(&member.identity, json!({ "spec": { "podTemplate": change } }))
            .await?)
    }

    /// Why a member has to be made anew for what can be changed in place elsewhere; `None` when it has not.
    pub(super) fn unchangeable(
        &self,
        member: &MemberView,
        pod: &PodView,
        cluster: &EtcdCluster,
    ) -> Option<String> {
        let infeasible =
            pod.unresized.as_ref().filter(|(reason, _)| reason == "Infeasible").map(|(_, why)| why.clone());
        let wanted = Soft::of(cluster.spec.pod_template.as_ref());
        let why = self.refused(member, pod, &wanted).or(infeasible)?;
        Some(format!("podTemplate, which can't be changed while it runs: {why}"))
    }

    fn refused(&self, member: &MemberView, pod: &PodView, wanted: &Soft) -> Option<String> {
        let all = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&member.identity.name)?;
        (known.pod == pod.identity.uid && known.wanted == *wanted).then(|| known.why.clone())
    }

    async fn change_pod(
        &self,
        cluster: &EtcdCluster,
        member: &MemberView,
        pod: &PodView,
        wanted: &Soft,
    ) -> Result<(), KubernetesError> {
        let mut object = member.object.clone();
        object.spec.pod_template.clone_from(&cluster.spec.pod_template);
        let around = Surroundings {
            namespace: self.namespace.clone(),
            cluster_domain: self.shared.cluster_domain.clone(),
            member_image: self.shared.image.clone(),
            member_image_pull_policy: None,
        };
        let made = render::pod(&object, true, &around)?;
        let has = Soft::read(pod.soft.as_deref());
        let resized = wanted.resized(&has);
        if !resized.is_empty() {
            self.hands().resize_pod(&pod.identity, resources(&made, &resized)).await?;
        }
        self.hands().change::<Pod>(&pod.identity, marks(&made, wanted, &has)).await?;
        info!(member = member.identity.name, "its Pod was changed while it runs, as spec.podTemplate says");
        Ok(())
    }
}

/// Processor and memory of containers, as a Pod that is made now has them.
fn resources(made: &v1::Pod, names: &[String]) -> Vec<Value> {
    let containers = made.spec.iter().flat_map(|spec| &spec.containers);
    let changed = containers.filter(|one| names.contains(&one.name));
    changed
        .map(|one| json!({ "name": one.name, "resources": one.resources.clone().unwrap_or_default() }))
        .collect()
}

/// Labels and annotations, as a Pod that is made now has them; what the template does not name any more goes.
fn marks(made: &v1::Pod, wanted: &Soft, has: &Soft) -> Value {
    let (labels, annotations) = wanted.without(has);
    let gone = |names: Vec<String>| names.into_iter().map(|name| (name, Value::Null));
    let kept = |entries: &std::collections::BTreeMap<String, String>| {
        entries.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Vec<_>>()
    };
    let labels: Map<_, _> = gone(labels).chain(kept(made.labels())).collect();
    let mut annotations: Map<_, _> = gone(annotations).chain(kept(made.annotations())).collect();
    // It tells what the Pod was made from, which does not change.
    annotations.remove(labels::FINGERPRINT);
    annotations.insert(labels::SOFT.to_owned(), json!(wanted.written()));
    json!({ "metadata": { "labels": labels, "annotations": annotations } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn a_pod_is_told_what_is_new_and_what_is_gone() {
        let template = |text: &str| yaml::from_str::<Value>(text).unwrap();
        let has = Soft::of(Some(&template("{metadata: {labels: {old: x, kept: x}, annotations: {old: x}}}")));
        let wanted = Soft::of(Some(&template("{metadata: {labels: {kept: y}, annotations: {new: y}}}")));
        let made: v1::Pod = serde_json::from_value(json!({
            "metadata": {
                "labels": { "quorate.dev/cluster": "demo", "kept": "y" },
                "annotations": { labels::FINGERPRINT: "1", "new": "y", labels::SOFT: "stale" },
            },
            "spec": { "containers": [
                { "name": "etcd", "resources": { "limits": { "memory": "1Gi" } } }, { "name": "other" },
            ] },
        }))
        .unwrap();
        let change = marks(&made, &wanted, &has);
        assert_eq!(
            change["metadata"]["labels"],
            json!({ "old": null, "kept": "y", "quorate.dev/cluster": "demo" })
        );
        let annotations = change["metadata"]["annotations"].as_object().unwrap();
        assert_eq!((&annotations["old"], &annotations["new"]), (&Value::Null, &json!("y")));
        assert_eq!(annotations[labels::SOFT], json!(wanted.written()));
        assert!(!annotations.contains_key(labels::FINGERPRINT));
        let changed = resources(&made, &["etcd".to_owned()]);
        assert_eq!(changed, [json!({ "name": "etcd", "resources": { "limits": { "memory": "1Gi" } } })]);
    }
}
