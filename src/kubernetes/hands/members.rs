//! Writes of a member's objects: its EtcdMember, its claim, its Pod.

use k8s_openapi::{api::core::v1, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{Hands, Result, error::failed};
use crate::{
    api::EtcdMember,
    kubernetes::{
        labels,
        slim::{PersistentVolumeClaim, Pod},
        store::Identity,
        views::{ClaimView, MemberEntry, PodView},
    },
};

impl Hands {
    /// Makes an EtcdMember.
    ///
    /// # Errors
    /// When the API server refuses, or its answer got lost.
    pub async fn make_member(&self, member: &EtcdMember) -> Result<()> {
        let made = self.create::<EtcdMember, _>(member).await?;
        self.stores.members.wrote(MemberEntry::of(Ok(made)));
        Ok(())
    }

    /// Changes fields of an EtcdMember that is still the one that was read.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn change_member(&self, member: &Identity, change: Value) -> Result<()> {
        let changed: EtcdMember = self.patch(member, change).await?;
        self.stores.members.wrote(MemberEntry::of(Ok(changed)));
        Ok(())
    }

    /// Records that etcd was started on a member's volume.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn mark_started(&self, member: &Identity) -> Result<()> {
        let api = self.api::<EtcdMember>(&member.namespace);
        let change =
            Patch::Merge(json!({ "metadata": { "uid": member.uid }, "status": { "started": true } }));
        let changed = api
            .patch_status(&member.name, &PatchParams::default(), &change)
            .await
            .map_err(|source| failed::<EtcdMember>("patch the status of", &member.name, source))?;
        self.stores.members.wrote(MemberEntry::of(Ok(changed)));
        Ok(())
    }

    /// Deletes an EtcdMember, if it is still in the very state that was read.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn delete_member(&self, member: &Identity) -> Result<()> {
        if let Some(left) = self.delete::<EtcdMember>(member, true).await? {
            self.stores.members.wrote(MemberEntry::of(Ok(left)));
        } else {
            self.stores.members.forget(member);
        }
        Ok(())
    }

    /// Makes a claim.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn make_claim(&self, claim: &v1::PersistentVolumeClaim) -> Result<()> {
        let made = self.create::<PersistentVolumeClaim, _>(claim).await?;
        self.stores.claims.wrote(ClaimView::of(made));
        Ok(())
    }

    /// Changes fields of a claim that is still the one that was read.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn change_claim(&self, claim: &Identity, change: Value) -> Result<()> {
        let changed: PersistentVolumeClaim = self.patch(claim, change).await?;
        self.stores.claims.wrote(ClaimView::of(changed));
        Ok(())
    }

    /// Lets a claim that is still the one that was read go with its owner, or outlive it. Other owners stay.
    ///
    /// # Errors
    /// As [`Self::make_member`].
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
        self.stores.claims.wrote(ClaimView::of(changed));
        Ok(())
    }

    /// Deletes a claim, if it is still in the very state that was read.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn delete_claim(&self, claim: &Identity) -> Result<()> {
        if let Some(left) = self.delete::<PersistentVolumeClaim>(claim, true).await? {
            self.stores.claims.wrote(ClaimView::of(left));
        } else {
            self.stores.claims.forget(claim);
        }
        Ok(())
    }

    /// Makes a Pod.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn make_pod(&self, pod: &v1::Pod) -> Result<()> {
        let made = self.create::<Pod, _>(pod).await?;
        self.stores.pods.wrote(PodView::of(made));
        Ok(())
    }

    /// Changes labels and annotations of a Pod that is still this one.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn change_pod(&self, pod: &Identity, change: Value) -> Result<()> {
        let changed: Pod = self.patch(pod, change).await?;
        self.stores.pods.wrote(PodView::of(changed));
        Ok(())
    }

    /// Changes processor and memory of containers of a Pod that is still this one, while they run.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn resize_pod(&self, pod: &Identity, containers: Vec<Value>) -> Result<()> {
        let change = json!({ "metadata": { "uid": pod.uid }, "spec": { "containers": containers } });
        let changed = self
            .api::<Pod>(&pod.namespace)
            .patch_subresource("resize", &pod.name, &PatchParams::default(), &Patch::Strategic(change))
            .await
            .map_err(|source| failed::<Pod>("resize", &pod.name, source))?;
        self.stores.pods.wrote(PodView::of(changed));
        Ok(())
    }

    /// Opens or closes a Pod's readiness gate.
    ///
    /// # Errors
    /// As [`Self::make_member`].
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
        self.stores.pods.wrote(PodView::of(changed));
        Ok(())
    }

    /// Deletes a Pod, if it is still this one. It gets its own time to end.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn delete_pod(&self, pod: &Identity) -> Result<()> {
        if let Some(left) = self.delete::<Pod>(pod, false).await? {
            self.stores.pods.wrote(PodView::of(left));
        } else {
            self.stores.pods.forget(pod);
        }
        Ok(())
    }
}
