//! `EtcdMember`: one incarnation of a member on Kubernetes. The operator makes it; people only read it.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{storage::Storage, template::Open};
use crate::plan::{Admission, EtcdOptions, EtcdVersion, Transport};

/// All that the Pod and the volume of one member are made from. The operator writes it, from the EtcdCluster as it was
/// when the member was made or restarted last.
#[allow(clippy::duplicated_attributes, reason = "each column has a type, and two of them the same")]
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(clippy::duplicated_attributes, reason = "each column has a type and a path of its own")]
#[kube(
    group = "quorate.dev",
    version = "v1alpha1",
    kind = "EtcdMember",
    plural = "etcdmembers",
    category = "quorate",
    namespaced,
    status = "EtcdMemberStatus",
    derive = "PartialEq",
    doc = "One life of a member of an etcd cluster: made, looked after and deleted by the operator.",
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.cluster"),
    printcolumn(name = "Version", type_ = "string", json_path = ".spec.version"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct EtcdMemberSpec {
    /// The name of the EtcdCluster.
    pub cluster: String,
    /// The UID of the EtcdCluster.
    pub cluster_uid: String,
    /// Which name of the cluster it bears: names are given out in order and never again.
    pub serial: i64,
    /// The version of etcd it is made for.
    #[schemars(with = "String")]
    pub version: EtcdVersion,
    /// The image of etcd.
    pub image: String,
    /// When the image is pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
    /// What the spec of the cluster says about etcd.
    #[serde(default)]
    #[schemars(with = "Open")]
    pub options: EtcdOptions,
    /// How it is reached, and whom it trusts.
    #[serde(default, skip_serializing_if = "Transport::is_default")]
    #[schemars(with = "Open")]
    pub transport: Transport,
    /// Where it keeps its data; a claim of the default class when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Open>")]
    pub storage: Option<Storage>,
    /// Whether its claim is deleted with the cluster: Retain (when absent) or Delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<String>,
    /// What the Pod has beside the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Open>")]
    pub pod_template: Option<Value>,
    /// How it enters the cluster; absent while it is only a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Open>")]
    pub admission: Option<Admission>,
    /// When it was told how it enters the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admitted: Option<String>,
    /// Since when clients are told to leave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<String>,
    /// When clients were told last that they may come back to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<String>,
    /// Whether it is being deleted with its data: nothing of it is made again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub discarded: bool,
}

/// What is recorded of a member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EtcdMemberStatus {
    /// Whether etcd was ever started on its volume: then an empty volume is lost data, and none is made anew.
    pub started: bool,
}
