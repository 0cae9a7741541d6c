//! What objects have in their metadata: labels, owners, and a hash of what they were made from.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::Value;

use crate::{
    api::{EtcdCluster, EtcdMember},
    kubernetes::labels,
};

/// The labels of every object of a cluster.
pub(super) fn cluster_labels(name: &str, uid: &str) -> BTreeMap<String, String> {
    [
        (labels::CLUSTER, name),
        (labels::CLUSTER_UID, uid),
        (labels::APP_NAME, "etcd"),
        (labels::APP_INSTANCE, name),
        (labels::APP_MANAGED_BY, "quorate"),
    ]
    .map(|(label, value)| (label.to_owned(), value.to_owned()))
    .into()
}

/// The labels of a member's Pod and claim.
pub(super) fn member_labels(member: &EtcdMember) -> BTreeMap<String, String> {
    let mut all = cluster_labels(&member.spec.cluster, &member.spec.cluster_uid);
    all.insert(labels::MEMBER.to_owned(), member.name_any());
    all
}

/// The labels by which the Pods of a cluster are selected.
pub(super) fn selector(cluster: &str) -> BTreeMap<String, String> {
    [(labels::CLUSTER.to_owned(), cluster.to_owned())].into()
}

/// The metadata of an object that goes with its cluster.
pub(in crate::kubernetes) fn of_cluster(name: String, cluster: &EtcdCluster) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: cluster.namespace(),
        labels: Some(cluster_labels(&cluster.name_any(), &uid(cluster))),
        owner_references: Some(vec![owner(cluster)]),
        ..ObjectMeta::default()
    }
}

/// The UID of an object; empty for one that was never written.
pub(super) fn uid(object: &impl ResourceExt) -> String {
    object.uid().unwrap_or_default()
}

/// A reference to the controller of an object. It does not hold up the deletion of the owner: nothing of an etcd cluster
/// has to go before it.
pub(super) fn owner<K: Resource<DynamicType = ()>>(owner: &K) -> OwnerReference {
    owned_by::<K>(owner.name_any(), uid(owner))
}

/// As [`owner`], for one that is known by name and UID only.
pub(super) fn owned_by<K: Resource<DynamicType = ()>>(name: String, uid: String) -> OwnerReference {
    OwnerReference {
        api_version: K::api_version(&()).into_owned(),
        kind: K::kind(&()).into_owned(),
        name,
        uid,
        controller: Some(true),
        block_owner_deletion: Some(false),
    }
}

/// A hash of a value for the annotation [`labels::FINGERPRINT`]: the same on every machine, in every version of the
/// program and in whatever order the fields of an object come.
pub fn fingerprint(value: &impl Serialize) -> String {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    hash.value(&serde_json::to_value(value).unwrap_or_default());
    format!("{:016x}", hash.0)
}

/// Puts the hash of an object into its annotations.
pub(super) fn mark(meta: &mut ObjectMeta, fingerprint: String) {
    meta.annotations.get_or_insert_default().insert(labels::FINGERPRINT.to_owned(), fingerprint);
}

/// FNV-1a: short, and never another number for the same bytes, unlike the hashers of the standard library.
struct Fnv(u64);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                let sorted: BTreeMap<_, _> = fields.iter().collect();
                self.bytes(b"{");
                for (name, field) in sorted {
                    self.bytes(name.as_bytes());
                    self.bytes(b":");
                    self.value(field);
                }
                self.bytes(b"}");
            }
            Value::Array(items) => {
                self.bytes(b"[");
                for item in items {
                    self.value(item);
                    self.bytes(b",");
                }
                self.bytes(b"]");
            }
            // Quotes and escapes keep a text apart from what stands around it.
            scalar => self.bytes(scalar.to_string().as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_hash_of_a_value_stays_what_it_is() {
        // A change of this number makes every object of every cluster anew.
        assert_eq!(fingerprint(&json!({"a": 1, "b": [true, null, "x"]})), "8f80bda78b8c4e28");
        let values = [
            json!({}),
            json!([]),
            json!(null),
            json!("null"),
            json!({"a": "b:c"}),
            json!({"a": {"b": "c"}}),
            json!([[1], 2]),
            json!([1, [2]]),
        ];
        let hashes: std::collections::BTreeSet<_> = values.iter().map(fingerprint).collect();
        assert_eq!(hashes.len(), values.len());
    }
}
