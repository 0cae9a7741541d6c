//! What there is of a cluster, seen past the operator: the objects in Kubernetes, and etcd's own member list.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::{
    core::v1::{PersistentVolumeClaim, Pod, Secret, Service},
    policy::v1::PodDisruptionBudget,
};
use kube::{Api, Resource, ResourceExt, api::ListParams};
use quorate::{
    api::{EtcdCluster, EtcdMember},
    kubernetes::labels,
};

use crate::{common::load::connect, place::Place};

/// How long etcd may take to answer.
const ETCD: Duration = Duration::from_secs(2);

/// What etcd says of its members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    pub cluster: u64,
    /// ID, name, and whether it is a learner.
    pub members: BTreeSet<(u64, String, bool)>,
}

/// Name and UID.
pub type Objects = BTreeSet<(String, String)>;

/// One look.
#[derive(Debug, Clone, Default)]
pub struct Look {
    pub cluster: Option<EtcdCluster>,
    pub members: Objects,
    pub pods: Objects,
    pub claims: Objects,
    services: Objects,
    budgets: Objects,
    secrets: Objects,
    pub addresses: Vec<String>,
    pub etcd: Option<Listed>,
}

async fn all<K>(place: &Place) -> Vec<K>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug,
{
    let api: Api<K> = place.api();
    api.list(&ListParams::default()).await.expect("an answer").items
}

fn objects<K: ResourceExt>(all: &[K]) -> Objects {
    all.iter().map(|one| (one.name_any(), one.uid().unwrap_or_default())).collect()
}

fn names(objects: &Objects) -> Vec<&str> {
    objects.iter().map(|(name, _)| name.as_str()).collect()
}

impl Look {
    /// Looks now.
    pub fn at(place: &Place) -> Self {
        place.wait_for(async {
            let pods: Vec<Pod> = all(place).await;
            let ips = pods.iter().filter_map(|pod| pod.status.as_ref()?.pod_ip.clone());
            let addresses: Vec<_> = ips.map(|ip| format!("http://{ip}:2379")).collect();
            Self {
                cluster: place.api::<EtcdCluster>().get_opt("demo").await.expect("an answer"),
                members: objects(&all::<EtcdMember>(place).await),
                claims: objects(&all::<PersistentVolumeClaim>(place).await),
                services: objects(&all::<Service>(place).await),
                budgets: objects(&all::<PodDisruptionBudget>(place).await),
                secrets: objects(&all::<Secret>(place).await),
                pods: objects(&pods),
                etcd: listed(&addresses).await,
                addresses,
            }
        })
    }

    /// etcd's ID of the cluster, as it is written down.
    pub fn recorded(&self) -> Option<u64> {
        let written = self.cluster.as_ref()?.annotations().get(labels::CLUSTER_ID)?;
        u64::from_str_radix(written, 16).ok()
    }

    /// Whether the status says that a cluster of that size is ready, as of its newest spec.
    pub fn ready(&self, size: i64) -> bool {
        let Some(cluster) = &self.cluster else { return false };
        let Some(status) = &cluster.status else { return false };
        status.is("Ready")
            && status.observed_generation == cluster.metadata.generation
            && (status.size, status.ready_members) == (size, size)
    }

    /// How many members are as the spec says.
    pub fn updated(&self) -> i64 {
        let status = self.cluster.as_ref().and_then(|cluster| cluster.status.as_ref());
        status.map_or(0, |status| status.updated_members)
    }

    /// What is not as it should be of a cluster of that size which has settled.
    pub fn wrong(&self, size: i64) -> Vec<String> {
        let mut wrong = Vec::new();
        let status = self.cluster.as_ref().and_then(|cluster| cluster.status.clone()).unwrap_or_default();
        let wanted: Vec<_> = status.members.iter().map(|one| one.name.as_str()).collect();
        if !self.ready(size) {
            wrong.push(format!("the status is {}", serde_json::to_string(&status).unwrap()));
        }
        let kinds = [("EtcdMembers", &self.members), ("Pods", &self.pods), ("claims", &self.claims)];
        for (kind, there) in kinds {
            if names(there) != wanted {
                wrong.push(format!("the {kind} are {:?}, and the members {wanted:?}", names(there)));
            }
        }
        if names(&self.services) != ["demo", "demo-peers"] || self.budgets.len() != 1 {
            wrong.push(format!("Services {:?}, budgets {:?}", names(&self.services), names(&self.budgets)));
        }
        let secrets = self.wanted_secrets(&wanted);
        if names(&self.secrets) != secrets {
            wrong.push(format!("the Secrets are {:?}, and not {secrets:?}", names(&self.secrets)));
        }
        let etcd = self.etcd.clone().unwrap_or_default();
        let mut voters: Vec<_> = etcd
            .members
            .iter()
            .filter(|(_, _, learner)| !learner)
            .map(|(_, name, _)| name.as_str())
            .collect();
        voters.sort_unstable();
        if voters != wanted || etcd.members.len() != voters.len() {
            wrong.push(format!("etcd lists {:x?}, and the members are {wanted:?}", etcd.members));
        }
        if self.recorded() != Some(etcd.cluster) {
            wrong.push(format!(
                "etcd's ID is {:x}, and {:x?} is written down",
                etcd.cluster,
                self.recorded()
            ));
        }
        wrong
    }
}

impl Look {
    /// The names of the Secrets that a cluster with these members has, in their order: none in plain text.
    fn wanted_secrets(&self, members: &[&str]) -> Vec<String> {
        let tls = self.cluster.as_ref().and_then(|cluster| cluster.spec.tls.as_ref());
        let mode = tls.and_then(|tls| tls.peer.as_ref()?.mode.as_deref());
        if mode == Some("Disabled") {
            return Vec::new();
        }
        let own = ["demo-client", "demo-client-ca", "demo-peer-ca"].map(str::to_owned);
        let mut all: Vec<_> = members.iter().map(|name| format!("{name}-tls")).chain(own).collect();
        all.sort_unstable();
        all
    }
}

/// The list of whoever answers. One that a quorum confirms comes first, because a member that was removed has an old one.
async fn listed(addresses: &[String]) -> Option<Listed> {
    for address in addresses {
        let answer = async {
            let mut client = connect(address).await?;
            client.get("confirm", None).await.ok()?;
            client.member_list().await.ok()
        };
        if let Ok(Some(answer)) = tokio::time::timeout(ETCD, answer).await {
            let members = answer.members().iter();
            return Some(Listed {
                cluster: answer.header().map(etcd_client::ResponseHeader::cluster_id).unwrap_or_default(),
                members: members.map(|one| (one.id(), one.name().to_owned(), one.is_learner())).collect(),
            });
        }
    }
    None
}
