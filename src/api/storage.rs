//! `spec.storage`: where members keep their data. The fields are those of Kubernetes' claims and volumes.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{quantity::Quantity, rules, scalars};

/// Where the members keep their data: exactly one of volumeClaimTemplate and emptyDir.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = rules::one_kind_of_storage(), validation = rules::storage_kind_stays())]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// A claim of a persistent volume for each member, under the member's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_claim_template: Option<ClaimTemplate>,
    /// A volume that lives as long as the member's Pod. A member that is moved to another node loses its data and is
    /// replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDir>,
    /// How members that exist get to storage that was changed: Expand (when absent) makes claims larger, if their storage
    /// class can expand volumes. Replace does that too, and where it is not possible, or the class, the access modes or the
    /// emptyDir are others, members with new volumes take the place of those that are there, one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::WORD_LENGTH))]
    #[x_kube(validation = rules::resize_policy())]
    pub resize_policy: Option<String>,
}

impl Storage {
    /// Whether members are replaced where nothing else brings them to the storage of the spec.
    pub fn replaces(&self) -> bool {
        self.resize_policy.as_deref() == Some("Replace")
    }
}

/// What the claim of each member is made from.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimTemplate {
    /// The spec of the claim.
    pub spec: ClaimSpec,
}

/// The spec of a claim: the part of Kubernetes' own that concerns a member.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimSpec {
    /// The storage class; the default class of the Kubernetes cluster when absent, and none when empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::NAME_LENGTH))]
    #[x_kube(validation = rules::storage_class())]
    pub storage_class_name: Option<String>,
    /// How the volume may be mounted: ReadWriteOnce, ReadWriteOncePod or ReadWriteMany. ReadWriteOnce when absent.
    #[serde(default, deserialize_with = "scalars::null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), inner(length(max = rules::WORD_LENGTH)), extend("nullable" = true))]
    #[x_kube(validation = rules::access_modes())]
    pub access_modes: Vec<String>,
    /// What the volume has to offer.
    pub resources: ClaimResources,
}

/// What a volume has to offer.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimResources {
    /// The least it has to offer.
    pub requests: ClaimRequests,
}

/// The least that a volume has to offer.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimRequests {
    /// Its size, such as 10Gi. It may grow and never shrinks. See resizePolicy.
    #[x_kube(validation = rules::quantity_positive(), validation = rules::claim_does_not_shrink())]
    pub storage: Quantity,
}

/// A volume that lives as long as its Pod.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmptyDir {
    /// Memory keeps the data in memory, which counts against the memory limit; the node's disk when absent or empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::WORD_LENGTH))]
    #[x_kube(validation = rules::medium())]
    pub medium: Option<String>,
    /// The size at which Kubernetes evicts the Pod, such as 2Gi; no limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::quantity_positive())]
    pub size_limit: Option<Quantity>,
}
