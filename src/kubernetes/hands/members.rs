//! Writes of a member's objects: its EtcdMember, its claim, its Pod.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};

use super::{Hands, OfMember, Remembered, Result, error::failed};
use crate::{
    api::EtcdMember,
    kubernetes::{
        labels,
        slim::{PersistentVolumeClaim, Pod},
        store::Identity,
    },
};

impl Hands {
    /// Makes an object of a member.
    ///
    /// # Errors
    /// When the API server refuses, or its answer got lost.
    pub async fn make<K: OfMember>(&self, object: &K::Whole) -> Result<()> {
        let made = self.create::<K, _>(object).await?;
        self.remember(made);
        Ok(())
    }

    /// Changes fields of an object that is still the one that was read.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn change<K: Remembered>(&self, object: &Identity, change: Value) -> Result<()> {
        let changed = self.patch::<K>(object, change).await?;
        self.remember(changed);
        Ok(())
    }

    /// Deletes an object of a member, if it is still the one that was read: the rest is up to [`OfMember::EXACTLY`]. A Pod
    /// gets its own time to end.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn delete<K: OfMember>(&self, object: &Identity) -> Result<()> {
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(object.uid.clone()),
            resource_version: K::EXACTLY.then(|| object.version.to_string()),
        });
        let left = match self.api::<K>(&object.namespace).delete(&object.name, &params).await {
            // It may take its time to end.
            Ok(answer) => answer.left().filter(|left| left.meta().deletion_timestamp.is_some()),
            Err(source) => match failed::<K>("delete", &object.name, source) {
                error if error.not_found() => None,
                error => return Err(error),
            },
        };
        match left {
            Some(left) => self.remember(left),
            None => K::store(&self.stores).forget(object),
        }
        Ok(())
    }

    /// Records that etcd was started on a member's volume.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn mark_started(&self, member: &Identity) -> Result<()> {
        let api = self.api::<EtcdMember>(&member.namespace);
        let change =
            Patch::Merge(json!({ "metadata": { "uid": member.uid }, "status": { "started": true } }));
        let changed = api
            .patch_status(&member.name, &PatchParams::default(), &change)
            .await
            .map_err(|source| failed::<EtcdMember>("patch the status of", &member.name, source))?;
        self.remember(changed);
        Ok(())
    }

    /// Lets a claim that is still the one that was read go with its owner, or outlive it. Other owners stay.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn tie_claim(&self, claim: &Identity, owner: &OwnerReference, tied: bool) -> Result<()> {
        let reference = match tied {
            true => json!(owner),
            false => json!({ "$patch": "delete", "uid": owner.uid }),
        };
        let metadata = json!({ "uid": claim.uid, "ownerReferences": [reference] });
        let changed: PersistentVolumeClaim = self
            .api(&claim.namespace)
            .patch(&claim.name, &PatchParams::default(), &Patch::Strategic(json!({ "metadata": metadata })))
            .await
            .map_err(|source| failed::<PersistentVolumeClaim>("patch", &claim.name, source))?;
        self.remember(changed);
        Ok(())
    }

    /// Changes processor and memory of containers of a Pod that is still this one, while they run.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn resize_pod(&self, pod: &Identity, containers: Vec<Value>) -> Result<()> {
        let change = json!({ "metadata": { "uid": pod.uid }, "spec": { "containers": containers } });
        let changed = self
            .api::<Pod>(&pod.namespace)
            .patch_subresource("resize", &pod.name, &PatchParams::default(), &Patch::Strategic(change))
            .await
            .map_err(|source| failed::<Pod>("resize", &pod.name, source))?;
        self.remember(changed);
        Ok(())
    }

    /// Opens or closes a Pod's readiness gate.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn set_in_service(&self, pod: &Identity, open: bool, reason: &str) -> Result<()> {
        let condition = json!({
            "type": labels::IN_SERVICE,
            "status": if open { "True" } else { "False" },
            "reason": reason,
            "lastTransitionTime": format!("{:.0}", jiff::Timestamp::now()),
        });
        let change = Patch::Strategic(
            json!({ "metadata": { "uid": pod.uid }, "status": { "conditions": [condition] } }),
        );
        let api = self.api::<Pod>(&pod.namespace);
        let changed = api
            .patch_status(&pod.name, &PatchParams::default(), &change)
            .await
            .map_err(|source| failed::<Pod>("patch the status of", &pod.name, source))?;
        self.remember(changed);
        Ok(())
    }
}
