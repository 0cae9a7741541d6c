//! The claim of a member's volume.

use k8s_openapi::{
    api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements},
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{ObjectMeta, OwnerReference},
    },
};
use kube::ResourceExt;

use super::meta;
use crate::{
    api::{ClaimSpec, EtcdCluster, EtcdMember},
    kubernetes::labels,
    plan::Transport,
};

/// The size of a volume that the spec says nothing about.
const DEFAULT_SIZE: &str = "10Gi";
/// How a volume is mounted that the spec says nothing about.
pub(super) const DEFAULT_MODE: &str = "ReadWriteOnce";

/// The claim of a member, under its name; `None` when it keeps its data in an emptyDir.
///
/// Nothing owns it, so that the data outlives whatever is deleted by mistake; only with the deletionPolicy Delete it goes
/// with the EtcdCluster, as the claims of a StatefulSet do.
pub fn claim(member: &EtcdMember) -> Option<PersistentVolumeClaim> {
    let spec = match &member.spec.storage {
        Some(storage) if storage.empty_dir.is_some() => return None,
        Some(storage) => storage.volume_claim_template.as_ref().map(|template| &template.spec),
        None => None,
    };
    let owner = goes(member.spec.deletion_policy.as_deref()).then(|| {
        vec![meta::owned_by::<EtcdCluster>(member.spec.cluster.clone(), member.spec.cluster_uid.clone())]
    });
    let transport = transport_annotation(&member.spec.transport);
    let annotations = [
        (labels::SERIAL.to_owned(), member.spec.serial.to_string()),
        (labels::VERSION.to_owned(), member.spec.version.to_string()),
    ];
    Some(PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(member.name_any()),
            namespace: member.namespace(),
            labels: Some(meta::member_labels(member)),
            annotations: Some(
                annotations
                    .into_iter()
                    .chain(transport.map(|text| (labels::TRANSPORT.to_owned(), text)))
                    .collect(),
            ),
            owner_references: owner,
            ..ObjectMeta::default()
        },
        spec: Some(claim_spec(spec)),
        status: None,
    })
}

/// Whether the claims of a cluster go with it, as its spec says now.
pub fn claims_go_with(cluster: &EtcdCluster) -> bool {
    goes(cluster.spec.deletion_policy.as_deref())
}

/// Retain is what a spec that says nothing means.
fn goes(policy: Option<&str>) -> bool {
    policy == Some("Delete")
}

/// The reference to a cluster that owns something.
pub fn owner(cluster: &EtcdCluster) -> OwnerReference {
    meta::owner(cluster)
}

/// What the annotation [`labels::TRANSPORT`] says; `None` for plain text.
pub fn transport_annotation(transport: &Transport) -> Option<String> {
    let written = (!transport.is_default()).then(|| serde_json::to_string(transport));
    written.and_then(Result::ok)
}

fn claim_spec(spec: Option<&ClaimSpec>) -> PersistentVolumeClaimSpec {
    let modes = spec.map(|spec| spec.access_modes.clone()).filter(|modes| !modes.is_empty());
    let size = spec.map_or(DEFAULT_SIZE, |spec| &spec.resources.requests.storage.0);
    PersistentVolumeClaimSpec {
        access_modes: Some(modes.unwrap_or_else(|| vec![DEFAULT_MODE.to_owned()])),
        storage_class_name: spec.and_then(|spec| spec.storage_class_name.clone()),
        resources: Some(VolumeResourceRequirements {
            requests: Some([("storage".to_owned(), Quantity(size.to_owned()))].into()),
            limits: None,
        }),
        ..PersistentVolumeClaimSpec::default()
    }
}
