//! The objects that a cluster has once: its two Services and its PodDisruptionBudget.

use k8s_openapi::api::{core::v1::Service, policy::v1::PodDisruptionBudget};
use kube::ResourceExt;

use super::{
    error::KubernetesError, labels, owned::applied, platform::KubernetesPlatform, render, views::ObjectView,
};
use crate::plan::{ClusterState, transport::Listen};

impl KubernetesPlatform {
    /// Makes them, or changes them to what they should be; nothing is written while they are.
    ///
    /// # Errors
    /// When the API server refuses, or an object of another one's has the name.
    pub async fn ensure(&self) -> Result<(), KubernetesError> {
        let cluster = self.cluster()?;
        let members = self.members();
        // A place that was told nothing yet is no voter.
        let told = members.iter().filter(|one| {
            let admission = one.object.spec.admission.as_ref();
            !one.object.spec.discarded
                && admission.is_some_and(|told| told.state == ClusterState::New || one.started())
        });
        let voters = told.count();
        let in_use = members.iter().filter(|one| !one.object.spec.discarded);
        let mut listens: Vec<_> = in_use.map(|one| one.object.spec.transport.client.listen).collect();
        if listens.is_empty() {
            // As those that are about to be made will.
            listens.push(match self.sources(&cluster).client.under_tls() {
                false => Listen::Plain,
                true => Listen::Tls,
            });
        }
        for service in [render::peer_service(&cluster), render::client_service(&cluster, &listens)?] {
            let known = self
                .hands()
                .stores
                .services
                .get(&cluster.namespace().unwrap_or_default(), &service.name_any());
            if self.due::<Service>("Service", known.as_deref(), &service).await? {
                self.hands().apply_service(&service).await?;
            }
        }
        self.keep_client_secret(&cluster).await?;
        self.soften(&cluster, &members).await?;
        let budget = render::budget(&cluster, voters);
        let known =
            self.hands().stores.budgets.get(&cluster.namespace().unwrap_or_default(), &budget.name_any());
        if self.due::<PodDisruptionBudget>("PodDisruptionBudget", known.as_deref(), &budget).await? {
            self.hands().apply_budget(&budget).await?;
        }
        Ok(())
    }

    /// Whether an object has to be written.
    async fn due<K>(
        &self,
        kind: &'static str,
        known: Option<&ObjectView>,
        wanted: &K,
    ) -> Result<bool, KubernetesError>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + serde::de::DeserializeOwned
            + serde::Serialize
            + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let owner = |one: &K| one.owner_references().iter().map(|owner| owner.uid.clone()).next();
        let foreign = || KubernetesError::Foreign { kind, name: wanted.name_any() };
        match known {
            Some(known) if known.owner == owner(wanted) => {
                let wants = known.fingerprint.as_ref() != wanted.annotations().get(labels::FINGERPRINT);
                let changed = known.owned.is_some() && known.owned != applied(wanted);
                Ok(wants || changed)
            }
            // That of a deleted cluster of this name; the garbage collector is about to take it.
            Some(_) => Err(foreign()),
            None if self
                .hands()
                .foreign::<K>(&wanted.namespace().unwrap_or_default(), &wanted.name_any())
                .await? =>
            {
                Err(foreign())
            }
            None => Ok(true),
        }
    }
}
