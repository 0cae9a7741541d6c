//! Reads past every cache: what a destructive call follows, and what no watch shows.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Resource, ResourceExt, api::ListParams};
use serde::de::DeserializeOwned;

use super::{Hands, Remembered, Result, error::failed};
use crate::{
    api::{EtcdCluster, EtcdMember},
    kubernetes::{
        labels,
        slim::{Node, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass},
        store::View,
    },
};

impl Hands {
    /// Reads a member's objects anew, past every cache. Answers whether they are as the stores had them.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn refresh(&self, namespace: &str, cluster: &str, member: &str) -> Result<bool> {
        let (cluster, object, pod, claim) = futures::join!(
            self.read::<EtcdCluster>(namespace, cluster),
            self.read::<EtcdMember>(namespace, member),
            self.read::<Pod>(namespace, member),
            self.read::<PersistentVolumeClaim>(namespace, member),
        );
        Ok([cluster?, object?, pod?, claim?].into_iter().all(|same| same))
    }

    async fn read<K: Remembered>(&self, namespace: &str, name: &str) -> Result<bool> {
        let found = self
            .api::<K>(namespace)
            .get_opt(name)
            .await
            .map_err(|source| failed::<K>("read", name, source))?;
        let store = K::store(&self.stores);
        let known = store.get(namespace, name);
        Ok(match (found.map(K::view), known) {
            (Some(found), Some(known)) => {
                let same = found.identity().uid == known.identity().uid
                    && found.identity().version <= known.identity().version;
                store.learn(found);
                same
            }
            (Some(found), None) => {
                store.learn(found);
                false
            }
            (None, Some(known)) => {
                store.forget(known.identity());
                false
            }
            (None, None) => true,
        })
    }

    /// The volume of that name.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn volume(&self, name: &str) -> Result<Option<PersistentVolume>> {
        let api = Api::<PersistentVolume>::all(self.client.clone());
        api.get_opt(name).await.map_err(|source| failed::<PersistentVolume>("read", name, source))
    }

    /// The nodes that bear a label.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn nodes(&self, label: &str, value: &str) -> Result<Vec<Node>> {
        let bearing = format!("{label}={value}");
        let found = Api::<Node>::all(self.client.clone()).list(&ListParams::default().labels(&bearing)).await;
        found.map(|list| list.items).map_err(|source| failed::<Node>("list", &bearing, source))
    }

    /// The storage class of that name.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn class(&self, name: &str) -> Result<Option<StorageClass>> {
        let api = Api::<StorageClass>::all(self.client.clone());
        api.get_opt(name).await.map_err(|source| failed::<StorageClass>("read", name, source))
    }

    /// Whether a Service or a PodDisruptionBudget that the watches don't show exists all the same: then it is not the
    /// operator's.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn foreign<K>(&self, namespace: &str, name: &str) -> Result<bool>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let found = self
            .api::<K>(namespace)
            .get_metadata_opt(name)
            .await
            .map_err(|source| failed::<K>("read", name, source))?;
        Ok(found.is_some_and(|one| !one.labels().contains_key(labels::CLUSTER_UID)))
    }
}
