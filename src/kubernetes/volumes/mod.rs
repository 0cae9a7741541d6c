//! What can be told about volumes from outside: gone for good, or too small.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    hands::Hands,
    render::{self, Fit},
    slim::{Node, PersistentVolume},
    views::{ClaimView, MemberView, PodView},
};
use crate::api::EtcdCluster;

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
    classes: Mutex<BTreeMap<String, (Instant, Option<String>)>>,
}

/// What became of the difference between the members' storage and that of the spec.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The members that only another volume brings to it, by name: what differs, in words.
    pub misplaced: BTreeMap<String, String>,
    /// What is still to happen, or could not be done: one sentence each.
    pub refused: BTreeSet<String>,
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

    /// Makes the claims of members as large as the spec says, where their class can expand volumes, and finds the members
    /// that only another volume brings to the storage of the spec. It touches nothing of a cluster that is paused.
    pub async fn settle(
        &self,
        hands: &Hands,
        cluster: &EtcdCluster,
        members: &[MemberView],
        claims: &[ClaimView],
    ) -> Settled {
        let wanted = cluster.spec.storage.as_ref();
        let mut settled = Settled::default();
        for member in members {
            let name = &member.identity.name;
            let claim = claims.iter().find(|claim| claim.identity.name == *name && !claim.identity.deleting);
            let made = member.object.spec.storage.as_ref();
            match (render::fit(made, claim, wanted), claim) {
                (Fit::Another(why), _) => {
                    settled.misplaced.insert(name.clone(), why);
                }
                (Fit::Larger { has, .. }, Some(_)) if cluster.spec.paused => {
                    settled
                        .refused
                        .insert(format!("{name} keeps its volume of {has}: the cluster is paused"));
                }
                (Fit::Larger { has, wanted }, Some(claim)) => match self.expands(hands, claim).await {
                    Ok(None) => {
                        let change =
                            json!({ "spec": { "resources": { "requests": { "storage": wanted.0 } } } });
                        if let Err(error) = hands.change_claim(&claim.identity, change).await {
                            settled.refused.insert(error.to_string());
                        }
                    }
                    Ok(Some(why)) => {
                        let why = format!("its volume has {has}, {wanted} is wanted, and {why}");
                        settled.misplaced.insert(name.clone(), why);
                    }
                    Err(why) => {
                        settled.refused.insert(format!("{name} keeps its volume of {has}: {why}"));
                    }
                },
                (Fit::Fits | Fit::Larger { .. }, claim) => {
                    settled.refused.extend(claim.and_then(render::growing))
                }
            }
        }
        settled
    }

    /// Why the volume of a claim can't be expanded; `None` when it can.
    async fn expands(&self, hands: &Hands, claim: &ClaimView) -> Result<Option<String>, String> {
        let class = claim.class.clone().unwrap_or_default();
        let known = self.classes.lock().unwrap_or_else(PoisonError::into_inner).get(&class).cloned();
        if let Some((_, found)) = known.filter(|(at, _)| at.elapsed() < BELIEVED) {
            return Ok(found);
        }
        let found = match hands.class(&class).await.map_err(|error| error.to_string())? {
            Some(found) if found.allow_volume_expansion => None,
            Some(_) => Some(format!("storage class {class:?} can't expand volumes")),
            None => Some(format!("storage class {class:?}, which does not exist, can't expand volumes")),
        };
        let mut all = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(class, (Instant::now(), found.clone()));
        Ok(found)
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

#[cfg(test)]
mod tests;
