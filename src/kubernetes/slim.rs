//! Objects of Kubernetes with only the fields that are read here.
//!
//! The full types have hundreds of fields each: reading them costs memory for every object that is watched, and code for
//! every way in which one is read.

use std::collections::BTreeMap;

use k8s_openapi::api;
use kube::{Resource, core::ObjectMeta};
use serde::Deserialize;

/// A Pod.
#[derive(Resource, Debug, Clone, Default, Deserialize)]
#[resource(inherit = api::core::v1::Pod)]
#[serde(rename_all = "camelCase", default)]
pub struct Pod {
    /// Who it is.
    pub metadata: ObjectMeta,
    /// What it shall be.
    pub spec: PodSpec,
    /// What it is.
    pub status: PodStatus,
}

/// What a Pod shall be.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// Its node, once it is scheduled.
    pub node_name: Option<String>,
}

/// What a Pod is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: String,
    /// Its address.
    #[serde(rename = "podIP")]
    pub pod_ip: String,
    /// Why it is as it is, in words.
    pub message: Option<String>,
    /// Why, in one word.
    pub reason: Option<String>,
    /// Its conditions.
    pub conditions: Vec<PodCondition>,
    /// Its containers.
    pub container_statuses: Vec<ContainerStatus>,
    /// Those that run before.
    pub init_container_statuses: Vec<ContainerStatus>,
}

/// A condition of a Pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodCondition {
    /// Its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Since when, in whole seconds.
    pub last_transition_time: Option<jiff::Timestamp>,
    /// Why, in one word.
    pub reason: Option<String>,
    /// Why, in words.
    pub message: Option<String>,
}

/// What a container does.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// Its name.
    pub name: String,
    /// Whether it is ready, or a container that runs before has ended well.
    pub ready: bool,
    /// How often it was started again.
    pub restart_count: u32,
    /// What it does.
    pub state: ContainerState,
    /// What it did before.
    pub last_state: ContainerState,
}

/// One of three states.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerState {
    /// It runs.
    pub running: Option<Running>,
    /// It does not run yet.
    pub waiting: Option<Waiting>,
    /// It ended.
    pub terminated: Option<Terminated>,
}

/// A container that runs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Running {
    /// Since when.
    pub started_at: Option<jiff::Timestamp>,
}

/// A container that does not run yet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Waiting {
    /// Why, in one word.
    pub reason: String,
    /// Why, in words.
    pub message: String,
}

/// A container that ended.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Terminated {
    /// When.
    pub finished_at: Option<jiff::Timestamp>,
    /// How.
    pub exit_code: i32,
    /// Why, in one word.
    pub reason: String,
    /// The end of its log.
    pub message: String,
}

/// A claim of a volume.
#[derive(Resource, Debug, Clone, Default, Deserialize)]
#[resource(inherit = api::core::v1::PersistentVolumeClaim)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistentVolumeClaim {
    /// Who it is.
    pub metadata: ObjectMeta,
    /// What it shall be.
    pub spec: ClaimSpec,
    /// What it is.
    pub status: ClaimStatus,
}

/// What a claim shall be.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimSpec {
    /// The volume it is bound to.
    pub volume_name: Option<String>,
    /// The storage class.
    pub storage_class_name: Option<String>,
    /// How the volume may be mounted.
    pub access_modes: Vec<String>,
    /// What is asked for.
    pub resources: ClaimResources,
}

/// What a claim asks for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ClaimResources {
    /// By resource; only `storage` has a meaning.
    pub requests: BTreeMap<String, String>,
}

/// What a claim is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ClaimStatus {
    /// `Pending`, `Bound` or `Lost`.
    pub phase: String,
    /// What the volume offers.
    pub capacity: BTreeMap<String, String>,
}

/// A volume.
#[derive(Resource, Debug, Clone, Default, Deserialize)]
#[resource(inherit = api::core::v1::PersistentVolume)]
#[serde(default)]
pub struct PersistentVolume {
    /// Who it is.
    pub metadata: ObjectMeta,
    /// What it is.
    pub spec: VolumeSpec,
}

/// What a volume is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeSpec {
    /// Where it can be used.
    pub node_affinity: NodeAffinity,
}

/// Where a volume can be used.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NodeAffinity {
    /// On nodes that one of these fits.
    pub required: NodeSelector,
}

/// Which nodes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelector {
    /// One of these.
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

/// Which nodes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelectorTerm {
    /// All of these.
    pub match_expressions: Vec<Requirement>,
}

/// What a label has to say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// `In` and others.
    pub operator: String,
    /// The values.
    pub values: Vec<String>,
}

/// A storage class.
#[derive(Resource, Debug, Clone, Default, Deserialize)]
#[resource(inherit = api::storage::v1::StorageClass)]
#[serde(rename_all = "camelCase", default)]
pub struct StorageClass {
    /// Who it is.
    pub metadata: ObjectMeta,
    /// Whether its volumes can grow.
    pub allow_volume_expansion: bool,
    /// When its claims are bound: at once (`Immediate`), or once a Pod uses them (`WaitForFirstConsumer`).
    pub volume_binding_mode: String,
}

/// A node.
#[derive(Resource, Debug, Clone, Default, Deserialize)]
#[resource(inherit = api::core::v1::Node)]
#[serde(default)]
pub struct Node {
    /// Who it is.
    pub metadata: ObjectMeta,
    /// What keeps Pods away from it.
    pub spec: NodeSpec,
}

/// What keeps Pods away from a node.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NodeSpec {
    /// Its taints.
    pub taints: Vec<Taint>,
}

/// What keeps Pods away from a node.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Taint {
    /// Its name.
    pub key: String,
}
