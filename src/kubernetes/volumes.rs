//! What can be told about volumes from outside: gone for good, or too small.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    hands::Hands,
    slim::{Node, PersistentVolume},
    views::{ClaimView, PodView},
};
use crate::api::{EtcdCluster, Quantity};

/// How long an answer about a volume or a class is believed: they change when people change them.
const BELIEVED: Duration = Duration::from_secs(20);
/// The label that a local volume names its node by.
const HOSTNAME: &str = "kubernetes.io/hostname";
/// The taint by which people say that a node is shut down and stays so:
/// <https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/#non-graceful-node-shutdown>.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// What was found out about volumes a moment ago.
#[derive(Debug, Default)]
pub struct Volumes {
    found: Mutex<BTreeMap<String, (Instant, Option<String>)>>,
}

impl Volumes {
    /// Why a member's volume can never be reached again; `None` while there is hope. Looked into only while its Pod
    /// can't be scheduled: a volume on a node whose Node object is deleted, or that people took out of service, is as
    /// good as burnt.
    pub async fn gone(
        &self,
        hands: &Hands,
        pod: Option<&PodView>,
        claim: Option<&ClaimView>,
    ) -> Option<String> {
        let (pod, claim) = (pod?, claim?);
        let volume = claim.volume.as_ref().filter(|_| pod.unschedulable.is_some())?;
        self.remembered(volume, async {
            let found = match hands.volume(volume).await {
                Ok(Some(found)) => found,
                Ok(None) => return Some(format!("the volume {volume} of its claim is gone")),
                Err(_) => return None,
            };
            let mut known = BTreeMap::new();
            for name in nodes(&found) {
                // An unanswered question is no proof.
                let node = hands.node(&name).await.ok()?;
                known.insert(name, node);
            }
            burnt(&known).map(|why| format!("its volume {volume} is on node {why}"))
        })
        .await
    }

    /// Makes the claims as large as the spec says, where their class can. Answers what can't be done.
    pub async fn grow(&self, hands: &Hands, cluster: &EtcdCluster, claims: &[ClaimView]) -> Vec<String> {
        let template =
            cluster.spec.storage.as_ref().and_then(|storage| storage.volume_claim_template.as_ref());
        let Some(wanted) = template.map(|template| &template.spec.resources.requests.storage) else {
            return Vec::new();
        };
        let mut refused = BTreeSet::new();
        for claim in claims.iter().filter(|claim| smaller(claim.requested.as_deref(), wanted)) {
            let class = claim.class.clone().unwrap_or_default();
            let why = self
                .remembered(&format!("class {class}"), async {
                    match hands.class(&class).await {
                        Ok(Some(found)) if found.allow_volume_expansion => None,
                        Ok(_) => Some(format!("storage class {class:?} can't expand volumes")),
                        Err(error) => Some(error.to_string()),
                    }
                })
                .await;
            if let Some(why) = why {
                refused.insert(format!(
                    "spec.storage asks for {}, and the volumes keep their size: {why}",
                    wanted.0
                ));
                continue;
            }
            let change = json!({ "spec": { "resources": { "requests": { "storage": wanted.0 } } } });
            if let Err(error) = hands.change_claim(&claim.identity, change).await {
                refused.insert(error.to_string());
            }
        }
        refused.into_iter().collect()
    }

    async fn remembered(&self, what: &str, find: impl Future<Output = Option<String>>) -> Option<String> {
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(what).cloned();
        if let Some((_, found)) = known.filter(|(at, _)| at.elapsed() < BELIEVED) {
            return found;
        }
        let found = find.await;
        let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(what.to_owned(), (Instant::now(), found.clone()));
        found
    }
}

/// The nodes on which a volume can be used, if it names them.
fn nodes(volume: &PersistentVolume) -> BTreeSet<String> {
    let terms = &volume.spec.node_affinity.required.node_selector_terms;
    terms
        .iter()
        .flat_map(|term| &term.match_expressions)
        .filter(|expression| expression.key == HOSTNAME && expression.operator == "In")
        .flat_map(|expression| expression.values.iter().cloned())
        .collect()
}

/// Why a volume that can only be used on these nodes is lost; `None` while one of them may come back.
fn burnt(nodes: &BTreeMap<String, Option<Node>>) -> Option<String> {
    let lost = nodes.iter().map(|(name, node)| match node {
        None => Some(format!("{name}, which does not exist any more")),
        Some(node) => {
            let out = node.spec.taints.iter().any(|taint| taint.key == OUT_OF_SERVICE);
            out.then(|| format!("{name}, which has the taint {OUT_OF_SERVICE}"))
        }
    });
    let lost = lost.collect::<Option<Vec<_>>>()?;
    (!lost.is_empty()).then(|| lost.join("; "))
}

fn smaller(has: Option<&str>, wanted: &Quantity) -> bool {
    has.and_then(|has| Quantity(has.to_owned()).compare(wanted)) == Some(Ordering::Less)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(taint: Option<&str>) -> Option<Node> {
        let taints = taint.map(|key| serde_json::json!([{ "key": key, "effect": "NoExecute" }]));
        Some(
            serde_json::from_value(
                json!({ "metadata": {}, "spec": { "taints": taints.unwrap_or(json!([])) } }),
            )
            .unwrap(),
        )
    }

    fn why(nodes: &[(&str, Option<Node>)]) -> Option<String> {
        burnt(&nodes.iter().map(|(name, node)| ((*name).to_owned(), node.clone())).collect())
    }

    #[test]
    fn a_volume_is_lost_with_all_its_nodes() {
        assert_eq!(why(&[]), None, "a volume that names no node may be anywhere");
        assert_eq!(why(&[("a", node(None))]), None);
        assert_eq!(why(&[("a", node(Some("node.kubernetes.io/unreachable")))]), None, "it may come back");
        assert!(why(&[("a", None)]).unwrap().contains("a, which does not exist"));
        assert!(why(&[("a", node(Some(OUT_OF_SERVICE)))]).unwrap().contains("out-of-service"));
        assert_eq!(why(&[("a", None), ("b", node(None))]), None);
        assert!(why(&[("a", None), ("b", node(Some(OUT_OF_SERVICE)))]).is_some());
    }

    #[test]
    fn the_nodes_of_a_local_volume_are_read() {
        let volume: PersistentVolume =
            serde_json::from_value(json!({ "metadata": {}, "spec": { "nodeAffinity": {
            "required": { "nodeSelectorTerms": [{ "matchExpressions": [
                { "key": HOSTNAME, "operator": "In", "values": ["node1"] },
                { "key": "zone", "operator": "In", "values": ["a"] },
            ] }] } } } }))
            .unwrap();
        assert_eq!(nodes(&volume), BTreeSet::from(["node1".to_owned()]));
    }
}
