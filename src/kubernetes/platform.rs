//! One cluster on Kubernetes: what it shares with others, and its objects as they were seen last.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use jiff::Timestamp;
use kube::ResourceExt;
use tokio::sync::Notify;

use super::{
    error::KubernetesError,
    events::Teller,
    guards::Guards,
    hands::Hands,
    labels,
    soften::Refused,
    store::Key,
    tls::{CertificateSpec, Secrets, Talk},
    views::{ClaimView, MemberView, PodView},
    volumes::Volumes,
    watch::Bell,
};
use crate::{
    api::{EtcdCluster, KIND},
    plan::{ClusterId, MemberName},
    telemetry::{health::Health, metrics::Metrics},
};

/// What all clusters share.
pub struct Shared {
    /// What writes, and what the watches have shown.
    pub hands: Hands,
    /// What the members' guards are asked with.
    pub guards: Guards,
    /// The operator's own image.
    pub image: String,
    /// The domain of the Kubernetes cluster.
    pub cluster_domain: String,
    /// The Secrets that were read.
    pub secrets: Secrets,
    /// Who is woken by what.
    pub bell: Arc<Bell>,
    /// What kept the objects of a member from being made, last.
    pub setbacks: Mutex<BTreeMap<Key, String>>,
    /// Since when the Pods of members wait for new volumes.
    pub binding: Mutex<BTreeMap<Key, Instant>>,
    /// Whom events for people are given to.
    pub teller: Teller,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is watched over.
    pub health: Arc<Health>,
}

/// One cluster on Kubernetes.
pub struct KubernetesPlatform {
    pub(super) shared: Arc<Shared>,
    pub(super) namespace: String,
    pub(super) name: String,
    uid: String,
    pub(super) woken: Arc<Notify>,
    pub(super) volumes: Volumes,
    /// Since when which member's data is seen to be lost; counted anew by the next operator.
    pub(super) lost: Mutex<BTreeMap<MemberName, Timestamp>>,
    pub(super) talk: Talk,
    /// The changes that Pods did not take while they run, by member. Another operator tries them once more.
    pub(super) refused: Mutex<BTreeMap<String, Refused>>,
    /// What cert-manager was asked for last, and when.
    pub(super) asked: Mutex<Option<(Instant, Vec<CertificateSpec>)>>,
}

impl KubernetesPlatform {
    /// Takes the cluster of that name and UID; `woken` is notified of what happens to its objects.
    pub fn new(shared: Arc<Shared>, key: &Key, uid: String, woken: Arc<Notify>) -> Self {
        let (namespace, name) = key.clone();
        Self {
            shared,
            namespace,
            name,
            uid,
            woken,
            volumes: Volumes::default(),
            lost: Mutex::default(),
            talk: Talk::default(),
            asked: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    pub(super) fn uid(&self) -> &str {
        &self.uid
    }

    pub(super) fn hands(&self) -> &Hands {
        &self.shared.hands
    }

    /// The cluster as it was seen last.
    ///
    /// # Errors
    /// When it is gone or can't be read.
    pub fn cluster(&self) -> Result<Arc<EtcdCluster>, KubernetesError> {
        let view = self.hands().stores.clusters.get(&self.namespace, &self.name);
        let view = view.filter(|view| view.identity.uid == self.uid && !view.identity.deleting);
        let view = view.ok_or_else(|| KubernetesError::Gone(self.name.clone()))?;
        let malformed = |kind, name: &str, why: &String| KubernetesError::Malformed {
            kind,
            name: name.to_owned(),
            why: why.clone(),
        };
        let object = view.object.as_ref().map_err(|why| malformed(KIND, &self.name, why))?;
        // Without one of its members the cluster would look as if that were lost.
        for member in self.hands().stores.members.of_cluster(&self.namespace, &self.name) {
            if let Err(why) = &member.view {
                return Err(malformed("EtcdMember", &member.identity.name, why));
            }
        }
        Ok(Arc::clone(object))
    }

    /// The members that were made for this very cluster.
    pub(super) fn members(&self) -> Vec<Arc<MemberView>> {
        let mut members = self.hands().stores.members_of(&self.namespace, &self.name);
        members.retain(|one| one.object.spec.cluster_uid == self.uid && !one.identity.deleting);
        members
    }

    pub(super) fn member(&self, name: &MemberName) -> Option<Arc<MemberView>> {
        self.members().into_iter().find(|one| one.identity.name == name.0)
    }

    pub(super) fn known(&self, name: &MemberName) -> Result<Arc<MemberView>, KubernetesError> {
        self.member(name).ok_or_else(|| KubernetesError::NoSuchMember(name.clone()))
    }

    pub(super) fn pod(&self, name: &str) -> Option<Arc<PodView>> {
        self.hands().stores.pods.get(&self.namespace, name)
    }

    pub(super) fn claim(&self, name: &str) -> Option<Arc<ClaimView>> {
        self.hands().stores.claims.get(&self.namespace, name)
    }
}

/// The ID under which the cluster is recorded to have formed: written as an annotation, shown in the status.
pub(super) fn formed(cluster: &EtcdCluster) -> Option<ClusterId> {
    let shown = cluster.status.as_ref().and_then(|status| status.cluster_id.clone());
    let written = cluster.annotations().get(labels::CLUSTER_ID).cloned().or(shown)?;
    u64::from_str_radix(&written, 16).ok().map(ClusterId)
}
