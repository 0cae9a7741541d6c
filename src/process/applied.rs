//! What a spec says and one machine has no use for.

use super::folder::Folder;
use crate::{
    api::{EtcdClusterSpec, Tls},
    plan::Side,
};

/// The fields that are not applied on one machine, one sentence each.
pub(super) fn not_applied(spec: &EtcdClusterSpec, folder: &Folder) -> Vec<String> {
    let EtcdClusterSpec {
        size: _,
        version: _,
        storage,
        image,
        image_pull_policy,
        pod_template,
        services,
        deletion_policy,
        etcd: _,
        tls,
        bootstrap,
        paused: _,
    } = spec;
    let members = folder.members();
    let given = |side| Tls::given(tls.as_ref(), side).is_some();
    let no_secrets = "there are no Secrets; use Managed or Disabled";
    let storage_why = format!("the data lies in {}, on whatever file system that is", members.display());
    [
        ("storage", storage.is_some(), storage_why.as_str()),
        ("image", image.is_some(), "etcd is the binary that `quorate up` is given with --etcd"),
        ("imagePullPolicy", image_pull_policy.is_some(), "no image is pulled"),
        ("podTemplate", pod_template.is_some(), "there are no Pods"),
        ("tls.peer.mode", given(Side::Peer), no_secrets),
        ("tls.client.mode", given(Side::Client), no_secrets),
        (
            "services",
            services.is_some(),
            "there are no Services; the status has the addresses of the members",
        ),
        (
            "deletionPolicy",
            // Retain is what happens.
            deletion_policy.as_deref().is_some_and(|policy| policy != "Retain"),
            "the data stays until `quorate down --wipe` deletes it",
        ),
        (
            "bootstrap.adopt",
            bootstrap.as_ref().is_some_and(|bootstrap| bootstrap.adopt),
            "there are no volumes; the members in the folder are taken up in any case",
        ),
    ]
    .into_iter()
    .filter(|(_, set, _)| *set)
    .map(|(field, _, why)| format!("spec.{field} is not applied on one machine: {why}"))
    .collect()
}
