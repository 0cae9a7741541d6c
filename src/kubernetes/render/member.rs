//! EtcdMembers: what a member is made from, copied from the cluster as it is now.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use serde_json::Value;

use super::{meta, soft::hard};
use crate::{
    api::{EtcdCluster, EtcdMember, EtcdMemberSpec},
    plan::{Admission, EtcdVersion, MemberName, Recipe},
};

/// How many places of a template a difference names before it says that there are more.
const PLACES: usize = 3;

/// The image of etcd that a cluster wants for members of a version.
pub fn image(cluster: &EtcdCluster, version: EtcdVersion) -> String {
    cluster.spec.image.clone().unwrap_or_else(|| format!("quay.io/coreos/etcd:v{version}"))
}

/// A member as it is made.
pub fn member_spec(
    cluster: &EtcdCluster,
    name: &MemberName,
    serial: u64,
    recipe: &Recipe,
    admission: Option<Admission>,
) -> EtcdMember {
    let uid = meta::uid(cluster);
    let spec = EtcdMemberSpec {
        cluster: cluster.name_any(),
        cluster_uid: uid.clone(),
        serial: i64::try_from(serial).unwrap_or(i64::MAX),
        version: recipe.version,
        image: image(cluster, recipe.version),
        image_pull_policy: cluster.spec.image_pull_policy.clone(),
        options: recipe.options.clone(),
        transport: recipe.transport.clone(),
        storage: cluster.spec.storage.clone(),
        deletion_policy: cluster.spec.deletion_policy.clone(),
        pod_template: cluster.spec.pod_template.clone(),
        admission,
        admitted: None,
        draining: None,
        returned: None,
        discarded: false,
    };
    let metadata = ObjectMeta { name: Some(name.0.clone()), ..meta::of_cluster(name.0.clone(), cluster) };
    EtcdMember { metadata, spec, status: None }
}

/// What a member would be made with otherwise now, in words; `None` when nothing. Version and options are compared
/// elsewhere, storage stays with a member for its life, and what can be changed in place is no difference.
pub fn difference(member: &EtcdMember, cluster: &EtcdCluster) -> Option<String> {
    let (old, new) = (&member.spec, &cluster.spec);
    let mut found = Vec::new();
    let wanted = image(cluster, old.version);
    if old.image != wanted {
        found.push(format!("image: {} → {wanted}", old.image));
    }
    if old.image_pull_policy != new.image_pull_policy {
        let said = |policy: &Option<String>| policy.clone().unwrap_or_else(|| "Kubernetes' default".into());
        found.push(format!(
            "imagePullPolicy: {} → {}",
            said(&old.image_pull_policy),
            said(&new.image_pull_policy)
        ));
    }
    let mut places = Vec::new();
    let (old, new) = (hard(old.pod_template.as_ref()), hard(new.pod_template.as_ref()));
    compare("podTemplate", &old, &new, &mut places);
    let more = places.len() > PLACES;
    found.extend(places.into_iter().take(PLACES));
    if more {
        found.push("and more of podTemplate".into());
    }
    (!found.is_empty()).then(|| found.join(", "))
}

/// The places at which two values differ, with the two when both are short.
fn compare(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (old, new) if old == new => {}
        (Value::Object(before), Value::Object(after)) => {
            let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
            for name in names {
                let field = |of: &serde_json::Map<String, Value>| of.get(name).cloned().unwrap_or_default();
                compare(&format!("{path}.{name}"), &field(before), &field(after), found);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                compare(&format!("{path}[{index}]"), before, after, found);
            }
        }
        _ => found.push(match (short(old), short(new)) {
            (Some(old), Some(new)) => format!("{path}: {old} → {new}"),
            _ => path.to_owned(),
        }),
    }
}

fn short(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("nothing".into()),
        Value::String(text) if text.len() <= 60 => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}
