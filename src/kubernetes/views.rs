//! What is kept of the objects that are watched.

use std::sync::Arc;

use jiff::Timestamp;
use kube::{
    ResourceExt,
    core::{PartialObjectMeta, error_boundary::InvalidObject},
};

use super::{
    labels,
    owned::owned,
    slim::{ContainerStatus, PersistentVolumeClaim, Pod, PodCondition, PodStatus},
    store::{Identity, View},
};
use crate::{
    api::{EtcdCluster, EtcdMember, KIND},
    plan::Transport,
};

/// A Pod, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodView {
    /// Who it is.
    pub identity: Identity,
    /// The UID of the object that controls it.
    pub owner: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Its node, once it is scheduled.
    pub node: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: String,
    /// Why it ended or was evicted, if it says so.
    pub message: Option<String>,
    /// Why it can't be scheduled.
    pub unschedulable: Option<String>,
    /// A hash of what it was made from.
    pub fingerprint: Option<String>,
    /// What it has of the template that can be changed in place, as it is written there.
    pub soft: Option<String>,
    /// Why processor and memory can't be changed while it runs, if the kubelet says so: a reason in one word, and a message.
    pub unresized: Option<(String, String)>,
    /// Whether it is ready, so that clients are sent to it.
    pub ready: Readiness,
    /// The condition behind the readiness gate, if it was ever set.
    pub in_service: Option<bool>,
    /// Since when that is so.
    pub in_service_since: Option<Timestamp>,
    /// The container of etcd, or the first one that is in trouble.
    pub container: ContainerView,
}

/// Whether clients are sent to a Pod: whoever keeps the endpoints of Services goes by this condition, and so does a
/// PodDisruptionBudget.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Whether they are.
    pub is: bool,
    /// Since when, in whole seconds.
    pub since: Option<Timestamp>,
    /// Why not, in the kubelet's words.
    pub why: String,
}

/// What a container does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerView {
    /// Since when it runs.
    pub running: Option<Timestamp>,
    /// Why it does not run yet: a reason in one word, and a message.
    pub waiting: Option<(String, String)>,
    /// How it ended last: when, with which code, and the end of its log.
    pub ended: Option<Ended>,
    /// How often it was started again.
    pub restarts: u32,
}

/// The end of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Option<Timestamp>,
    /// Its exit code.
    pub code: i32,
    /// Its reason, such as `OOMKilled`.
    pub reason: String,
    /// The end of its log.
    pub message: String,
}

impl PodView {
    /// Reads it from a Pod.
    pub(super) fn of(pod: Pod) -> Self {
        let Pod { metadata, spec, status } = pod;
        let condition = |kind: &str| status.conditions.iter().find(|condition| condition.kind == kind);
        let unschedulable = condition("PodScheduled")
            .filter(|condition| condition.status == "False")
            .map(|condition| condition.message.clone().unwrap_or_default());
        Self {
            identity: Identity::of(&metadata),
            owner: controller(&metadata),
            fingerprint: metadata.annotations.as_ref().and_then(|all| all.get(labels::FINGERPRINT)).cloned(),
            created: metadata.creation_timestamp.as_ref().map(|time| time.0),
            node: spec.node_name,
            unschedulable,
            soft: metadata.annotations.as_ref().and_then(|all| all.get(labels::SOFT)).cloned(),
            unresized: condition("PodResizePending").filter(|condition| condition.status == "True").map(
                |condition| {
                    (
                        condition.reason.clone().unwrap_or_default(),
                        condition.message.clone().unwrap_or_default(),
                    )
                },
            ),
            ready: condition("Ready").map(readiness).unwrap_or_default(),
            in_service_since: condition(labels::IN_SERVICE).and_then(|one| one.last_transition_time),
            in_service: condition(labels::IN_SERVICE).map(|condition| condition.status == "True"),
            container: container(&status),
            address: Some(status.pod_ip).filter(|address| !address.is_empty()),
            phase: status.phase,
            message: status.message.or(status.reason),
        }
    }
}

fn readiness(condition: &PodCondition) -> Readiness {
    Readiness {
        is: condition.status == "True",
        since: condition.last_transition_time,
        why: condition.message.clone().unwrap_or_default(),
    }
}

/// etcd's container; while the guard is brought in, the container that does it, if it is in trouble.
fn container(status: &PodStatus) -> ContainerView {
    let troubled = status
        .init_container_statuses
        .iter()
        .find(|one| !one.ready && one.state.running.is_none())
        .map(view)
        .filter(|view| view.waiting.as_ref().is_some_and(|(reason, _)| reason != "PodInitializing"));
    let etcd = status.container_statuses.iter().find(|one| one.name == labels::CONTAINER);
    troubled.or_else(|| etcd.map(view)).unwrap_or_default()
}

fn view(status: &ContainerStatus) -> ContainerView {
    let ended = status.state.terminated.as_ref().or(status.last_state.terminated.as_ref());
    ContainerView {
        running: status.state.running.as_ref().and_then(|running| running.started_at),
        waiting: status.state.waiting.as_ref().map(|one| (one.reason.clone(), one.message.clone())),
        ended: ended.map(|end| Ended {
            at: end.finished_at,
            code: end.exit_code,
            reason: end.reason.clone(),
            message: end.message.clone(),
        }),
        restarts: status.restart_count,
    }
}

fn controller(meta: &kube::core::ObjectMeta) -> Option<String> {
    let owners = meta.owner_references.iter().flatten();
    owners.filter(|owner| owner.controller == Some(true)).map(|owner| owner.uid.clone()).next()
}

/// A claim of a volume, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimView {
    /// Who it is.
    pub identity: Identity,
    /// The UID of the EtcdCluster it was made for.
    pub cluster_uid: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// `Pending`, `Bound` or `Lost`.
    pub phase: String,
    /// The volume it is bound to.
    pub volume: Option<String>,
    /// The storage class.
    pub class: Option<String>,
    /// How the volume may be mounted.
    pub access_modes: Vec<String>,
    /// The size that was asked for.
    pub requested: Option<String>,
    /// The size it has.
    pub capacity: Option<String>,
    /// Which name of its cluster it bears.
    pub serial: Option<u64>,
    /// The version of etcd that ran on it.
    pub version: Option<String>,
    /// How its member is reached.
    pub transport: Transport,
    /// Whether the garbage collector deletes it with its EtcdCluster.
    pub goes_with_cluster: bool,
}

impl ClaimView {
    /// Whether no volume is bound to it yet.
    pub fn pending(&self) -> bool {
        self.phase == "Pending"
    }

    /// Reads it from a claim.
    pub(super) fn of(mut claim: PersistentVolumeClaim) -> Self {
        let annotation = |name: &str| claim.annotations().get(name).cloned();
        Self {
            identity: Identity::of(&claim.metadata),
            cluster_uid: claim.labels().get(labels::CLUSTER_UID).cloned(),
            created: claim.metadata.creation_timestamp.as_ref().map(|time| time.0),
            goes_with_cluster: claim.owner_references().iter().any(|owner| owner.kind == KIND),
            serial: annotation(labels::SERIAL).and_then(|text| text.parse().ok()),
            transport: annotation(labels::TRANSPORT)
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_default(),
            version: annotation(labels::VERSION),
            phase: claim.status.phase,
            volume: claim.spec.volume_name,
            class: claim.spec.storage_class_name,
            access_modes: claim.spec.access_modes,
            requested: claim.spec.resources.requests.remove("storage"),
            capacity: claim.status.capacity.remove("storage"),
        }
    }
}

/// A Service or a PodDisruptionBudget: who it is, and what it was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectView {
    /// Who it is.
    pub identity: Identity,
    /// The UID of the object that controls it.
    pub owner: Option<String>,
    /// A hash of what it was made from.
    pub fingerprint: Option<String>,
    /// How many fields of its spec are still as the operator applied them, where that is known.
    pub owned: Option<usize>,
}

impl ObjectView {
    /// Reads it from an object's metadata.
    pub fn of(meta: &kube::core::ObjectMeta) -> Self {
        let fingerprint = meta.annotations.as_ref().and_then(|all| all.get(labels::FINGERPRINT)).cloned();
        Self { identity: Identity::of(meta), owner: controller(meta), fingerprint, owned: owned(meta) }
    }

    /// Reads it from a watch of metadata only.
    pub fn of_partial<K>(object: &PartialObjectMeta<K>) -> Self {
        Self::of(&object.metadata)
    }
}

/// An EtcdMember, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberView {
    /// Who it is.
    pub identity: Identity,
    /// The object.
    pub object: EtcdMember,
}

impl MemberView {
    /// Reads it from the object.
    pub fn of(mut object: EtcdMember) -> Self {
        object.metadata.managed_fields = None;
        Self { identity: Identity::of(&object.metadata), object }
    }

    /// Whether etcd is recorded to have been started on its volume.
    pub fn started(&self) -> bool {
        self.object.status.as_ref().is_some_and(|status| status.started)
    }
}

/// An EtcdMember that is there, whole, or why it can't be read: people and newer operators may have changed it.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberEntry {
    /// Who it is.
    pub identity: Identity,
    /// What can be read; the error names what does not fit.
    pub view: Result<Arc<MemberView>, String>,
}

impl MemberEntry {
    /// Reads it from the object.
    pub fn of(object: Result<EtcdMember, InvalidObject>) -> Self {
        match object {
            Ok(object) => {
                let view = MemberView::of(object);
                Self { identity: view.identity.clone(), view: Ok(Arc::new(view)) }
            }
            Err(invalid) => Self { identity: Identity::of(&invalid.metadata), view: Err(invalid.error) },
        }
    }

    /// What can be read.
    pub fn readable(&self) -> Option<Arc<MemberView>> {
        self.view.as_ref().ok().cloned()
    }
}

/// An EtcdCluster, whole, or why it can't be read.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterView {
    /// Who it is. The cluster it belongs to is itself.
    pub identity: Identity,
    /// The object; the error names what does not fit.
    pub object: Result<Arc<EtcdCluster>, String>,
}

impl ClusterView {
    /// Reads it from the object.
    pub fn of(object: Result<EtcdCluster, InvalidObject>) -> Self {
        let mut identity = match &object {
            Ok(object) => Identity::of(&object.metadata),
            Err(invalid) => Identity::of(&invalid.metadata),
        };
        identity.cluster = Some(identity.name.clone());
        let object = match object {
            Ok(mut object) => {
                object.metadata.managed_fields = None;
                Ok(Arc::new(object))
            }
            Err(invalid) => Err(invalid.error),
        };
        Self { identity, object }
    }
}

macro_rules! view {
    ($($kind:ty),*) => {
        $(impl View for $kind {
            fn identity(&self) -> &Identity {
                &self.identity
            }
        })*
    };
}
view!(PodView, ClaimView, ObjectView, MemberEntry, ClusterView);
