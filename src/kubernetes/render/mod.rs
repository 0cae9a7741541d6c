//! The objects of a cluster, one builder a kind: from values to what Kubernetes shall hold.
//!
//! Pure: no client, no clock. Whoever calls it compares the answer with what is there.

mod budget;
mod claim;
mod member;
mod merge;
mod meta;
mod own;
mod pod;
mod probes;
mod secret;
mod service;
mod soft;
mod storage;
mod template;

use std::fmt;

pub use budget::budget;
pub use claim::{claim, claims_go_with, owner, transport_annotation};
pub use member::{difference, image, member_spec};
pub use meta::fingerprint;
pub(super) use meta::of_cluster;
pub use own::{ignored, ignored_of_service};
pub use pod::{assignment, pod, pod_fingerprint};
pub use secret::{Held, authority_secret, certificate_names, client_secret, client_urls, member_secret};
pub use service::{client_service, peer_service};
pub use soft::{Soft, differ_softly};
pub use storage::{Fit, fit, growing, made_otherwise};
pub use template::{check, check_service};

use super::labels;
use crate::api::EtcdClusterSpec;

/// What an object depends on beside the resources: where the operator runs and which image it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The namespace of the cluster.
    pub namespace: String,
    /// The domain of the Kubernetes cluster, such as `cluster.local`.
    pub cluster_domain: String,
    /// The operator's own image: the guard of a member comes from it.
    pub member_image: String,
    /// When that image is pulled; Kubernetes' own rule when absent.
    pub member_image_pull_policy: Option<String>,
}

/// Why an object can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A template of the spec does not fit the type it is for.
    #[error("{template} does not do for {object}: {why}; correct it in the EtcdCluster")]
    Template {
        /// The field of the EtcdCluster.
        template: Template,
        /// What was to be made, such as `Pod demo-x4k2p`.
        object: String,
        /// What is wrong, and where in the template.
        why: String,
    },
    /// A value has no form in JSON, which no value from an API server can be.
    #[error("{object} can't be written as JSON: {why}")]
    Unwritable {
        /// What was to be made.
        object: String,
        /// What the writer said.
        why: String,
    },
}

/// A field of the EtcdCluster that is merged into an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// `spec.podTemplate`.
    Pod,
    /// `spec.services.client`.
    ClientService,
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pod => "spec.podTemplate",
            Self::ClientService => "spec.services.client",
        })
    }
}

/// What a spec says of Pods and Services that is not applied, one sentence each: what does not fit, and what stays the
/// operator's own. Unknown flags of etcd aside, everything else of a spec is applied on Kubernetes.
pub fn not_applied(spec: &EtcdClusterSpec) -> Vec<String> {
    let client = spec.services.as_ref().and_then(|services| services.client.as_ref());
    let judge = |template: Template, why: String| format!("{template} is not applied: {why}");
    let pods = spec.pod_template.iter().flat_map(|template| match check(template) {
        Ok(()) => ignored(template),
        Err(why) => vec![judge(Template::Pod, why)],
    });
    let services = client.into_iter().flat_map(|template| match check_service(template) {
        Ok(()) => ignored_of_service(template),
        Err(why) => vec![judge(Template::ClientService, why)],
    });
    let variables = spec.etcd.iter().flat_map(|etcd| etcd.extra_env.keys()).filter(|name| pod::is_own(name));
    let variables = variables.map(|name| {
        format!("spec.etcd.extraEnv.{name} is not applied: the guard is told by it; use another name")
    });
    pods.chain(services).chain(variables).collect()
}

/// The domain in which the members of a cluster have their names: that of the headless Service.
pub fn peer_domain(cluster: &str, namespace: &str, cluster_domain: &str) -> String {
    format!("{}.{namespace}.svc.{cluster_domain}", labels::peer_service(cluster))
}
