//! What can be told about volumes from outside, and done: gone for good, too small, to be kept or not.

mod nodes;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    hands::Hands,
    render::{self, Fit},
    slim::PersistentVolumeClaim,
    views::{ClaimView, MemberView, PodView},
};
use crate::api::EtcdCluster;

/// How long an answer about a volume or a class is believed: they change when people change them.
const BELIEVED: Duration = Duration::from_secs(20);

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
            for place in nodes::places(&found) {
                // An unanswered question is no proof.
                let there = hands.nodes(&place.0, &place.1).await.ok()?;
                known.insert(place, there);
            }
            nodes::burnt(&known).map(|why| format!("its volume {volume} is on node {why}"))
        })
        .await
    }

    /// Makes the claims of members as large as the spec says, where their class can expand volumes, lets them outlive the
    /// cluster or not, and finds the members that only another volume brings to the storage of the spec. It touches nothing
    /// of a cluster that is paused.
    pub async fn settle(
        &self,
        hands: &Hands,
        cluster: &EtcdCluster,
        members: &[Arc<MemberView>],
        claims: &[Arc<ClaimView>],
    ) -> Settled {
        let wanted = cluster.spec.storage.as_ref();
        let mut settled = Settled::default();
        let goes = render::claims_go_with(cluster);
        let differs = |claim: &&Arc<ClaimView>| claim.goes_with_cluster != goes && !claim.identity.deleting;
        for claim in claims.iter().filter(differs).filter(|_| !cluster.spec.paused) {
            if let Err(error) = hands.tie_claim(&claim.identity, &render::owner(cluster), goes).await {
                let policy = cluster.spec.deletion_policy.as_deref().unwrap_or("Retain");
                settled.refused.insert(format!("spec.deletionPolicy: {policy} is not applied: {error}"));
            }
        }
        for member in members {
            let name = &member.identity.name;
            let own = |claim: &&ClaimView| claim.identity.name == *name && !claim.identity.deleting;
            let claim = claims.iter().map(|claim| &**claim).find(own);
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
                        if let Err(error) =
                            hands.change::<PersistentVolumeClaim>(&claim.identity, change).await
                        {
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

#[cfg(test)]
mod tests;
