//! `EtcdCluster`: what a person asks for.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Deserializer, Serialize};

use super::{options::EtcdSpec, rules, scalars, storage::Storage, template::Template, tls::Tls};
use crate::plan::version::DEFAULT_VERSION;

/// What the cluster shall be.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "quorate.dev",
    version = "v1alpha1",
    kind = "EtcdCluster",
    plural = "etcdclusters",
    shortname = "etcd",
    category = "quorate",
    namespaced,
    status = "crate::plan::status::ClusterStatus",
    derive = "PartialEq",
    doc = "An etcd cluster: what it shall be, and what it is.",
    scale(
        spec_replicas_path = ".spec.size",
        status_replicas_path = ".status.size",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.ready",
        description = "How many members serve, of how many that are wanted."
    ),
    printcolumn(
        name = "Size",
        type_ = "integer",
        json_path = ".spec.size",
        priority = 1,
        description = "How many members are wanted."
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.version",
        description = "The lowest version of etcd among the members."
    ),
    printcolumn(
        name = "Leader",
        type_ = "string",
        json_path = ".status.leader",
        description = "The member that leads."
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why the cluster is ready, or why not."
    ),
    printcolumn(
        name = "DB",
        type_ = "string",
        json_path = ".status.db",
        description = "The size of the largest database among the members."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = rules::name_shape(),
    validation = rules::name_length(),
    validation = rules::name_stays()
)]
#[x_kube(
    validation = rules::token_stays(),
    validation = rules::storage_is_not_added_or_removed(),
    validation = rules::tls_goes_through_plain_text("peer"),
    validation = rules::tls_goes_through_plain_text("client")
)]
#[serde(rename_all = "camelCase")]
pub struct EtcdClusterSpec {
    /// How many members: 3, 5, 7 or 9. Each further pair lets the cluster survive the loss of one more member, and makes
    /// every write wait for one more disk. `kubectl scale` changes it.
    #[serde(deserialize_with = "scalars::number")]
    #[x_kube(
        validation = rules::size_not_too_small(),
        validation = rules::size_not_too_large(),
        validation = rules::size_odd()
    )]
    pub size: i64,

    /// The version of etcd, without a leading v: a release of 3.5, 3.6 or 3.7. A change reaches the members one by one. It
    /// goes one minor version at a time, up or down, between 3.5 and 3.6 from 3.5.32 on, between 3.6 and 3.7 from 3.6.11 on.
    #[serde(default = "default_version", deserialize_with = "version_or_default")]
    #[schemars(length(max = rules::VERSION_LENGTH))]
    #[x_kube(
        validation = rules::version_known(),
        validation = rules::version_skips_no_minor(),
        validation = rules::version_floor_3_6(),
        validation = rules::version_floor_3_7()
    )]
    pub version: String,

    /// Where the members keep their data: claims of persistent volumes, or emptyDir volumes. It cannot be added, removed
    /// or exchanged for the other kind later. When absent, the platform chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,

    /// The image of etcd; quay.io/coreos/etcd:v<version> when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::IMAGE_LENGTH))]
    #[x_kube(validation = rules::image())]
    pub image: Option<String>,

    /// When the image is pulled: Always, IfNotPresent or Never, as in a Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::WORD_LENGTH))]
    #[x_kube(validation = rules::image_pull_policy())]
    pub image_pull_policy: Option<String>,

    /// What the members' Pods have beside the operator's own: metadata and spec of a Pod, merged strategically.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Template>")]
    pub pod_template: Option<serde_json::Value>,

    /// What the Services have beside the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Services>,

    /// Whether the volumes are deleted with the cluster: Retain (when absent) or Delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::WORD_LENGTH))]
    #[x_kube(validation = rules::deletion_policy())]
    pub deletion_policy: Option<String>,

    /// Options of etcd. An absent option leaves etcd's own default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd: Option<EtcdSpec>,

    /// Whether members and clients talk under TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// How the cluster comes into being. It has no effect once the cluster formed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Bootstrap>,

    /// Whether the operator only looks and reports, and touches nothing.
    #[serde(default, deserialize_with = "scalars::flag", skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("nullable" = true))]
    pub paused: bool,
}

/// How the cluster comes into being.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bootstrap {
    /// The text before the UID in etcd's --initial-cluster-token, which keeps members of different clusters apart; the
    /// name of the cluster when absent. Letters, digits, dots, underscores and dashes, at most 64. It cannot be changed,
    /// added or removed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::TOKEN_LENGTH))]
    #[x_kube(validation = rules::token_shape())]
    pub token: Option<String>,
    /// Whether the volumes that a deleted cluster of this name left are taken up: the cluster comes back with their data.
    #[serde(default, deserialize_with = "scalars::flag", skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("nullable" = true))]
    pub adopt: bool,
}

/// What the Services have beside the operator's own.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Services {
    /// The Service for clients: metadata (labels, annotations) and spec, merged strategically.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Template>")]
    pub client: Option<serde_json::Value>,
}

impl EtcdClusterSpec {
    /// A spec with a size and otherwise defaults.
    pub fn new(size: i64) -> Self {
        Self {
            size,
            version: default_version(),
            storage: None,
            image: None,
            image_pull_policy: None,
            pod_template: None,
            services: None,
            deletion_policy: None,
            etcd: None,
            tls: None,
            bootstrap: None,
            paused: false,
        }
    }

    /// The token, if the spec has one.
    pub fn token(&self) -> Option<&str> {
        self.bootstrap.as_ref().and_then(|bootstrap| bootstrap.token.as_deref())
    }
}

fn default_version() -> String {
    DEFAULT_VERSION.to_owned()
}

fn version_or_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_else(default_version))
}
