//! Writes of what a cluster has besides its members: its Services, its budget, its annotations and status.

use k8s_openapi::api::{core::v1::Service, policy::v1::PodDisruptionBudget};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::{Hands, Result, error::failed};
use crate::{
    api::EtcdCluster,
    kubernetes::{patch, store::Identity, views::ObjectView},
    plan::status::ClusterStatus,
};

impl Hands {
    /// Makes or changes a Service.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn apply_service(&self, service: &Service) -> Result<()> {
        let applied = self.apply(service).await?;
        self.stores.services.wrote(ObjectView::of_partial(&applied));
        Ok(())
    }

    /// Makes or changes a PodDisruptionBudget.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn apply_budget(&self, budget: &PodDisruptionBudget) -> Result<()> {
        let applied = self.apply(budget).await?;
        self.stores.budgets.wrote(ObjectView::of_partial(&applied));
        Ok(())
    }

    /// Writes an annotation of an EtcdCluster.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn annotate_cluster(&self, cluster: &Identity, name: &str, value: &str) -> Result<()> {
        let change = json!({ "metadata": { "annotations": { name: value } } });
        self.change::<EtcdCluster>(cluster, change).await
    }

    /// Shows a status.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn show_status(
        &self,
        cluster: &Identity,
        status: &ClusterStatus,
        old: Option<&ClusterStatus>,
    ) -> Result<()> {
        let value = |status: &ClusterStatus| serde_json::to_value(status).unwrap_or_default();
        let status = patch::replacing(&old.map(value).unwrap_or_default(), value(status));
        let change = Patch::Merge(json!({ "metadata": { "uid": cluster.uid }, "status": status }));
        // As raw as it comes: the cluster's own spec may be what can't be read.
        let api = self.api::<EtcdCluster>(&cluster.namespace);
        let shown = api.patch_status(&cluster.name, &PatchParams::default(), &change).await;
        match shown {
            Ok(changed) => {
                self.remember(changed);
                Ok(())
            }
            Err(kube::Error::SerdeError(_)) => Ok(()),
            Err(source) => Err(failed::<EtcdCluster>("patch the status of", &cluster.name, source)),
        }
    }
}
