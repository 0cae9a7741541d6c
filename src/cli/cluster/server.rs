//! The API server, asked for the objects of a cluster.

use std::sync::Arc;

use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{Namespace, Pod},
};
use kube::{
    Api, Client, Config, Resource, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{ApiResource, Object},
};
use serde_json::{Value, json};

use super::fault;
use crate::{
    api::{EtcdCluster, EtcdMember},
    cli::{
        Target,
        exit::{CommandError, ExitCode},
    },
    kubernetes::{client, labels},
    plan::status::ClusterStatus,
    telemetry::metrics::Metrics,
};

/// An EtcdCluster whose spec may be anything: its status is worth reading above all when the spec is no good.
pub(super) type Cluster = Object<Value, ClusterStatus>;

/// The API server and the namespace that are meant.
pub(super) struct Server {
    client: Client,
    /// Its address.
    url: String,
    /// The namespace.
    pub namespace: String,
}

impl Server {
    /// Reads the kubeconfig, or the account of the Pod that this runs in. No call is made yet.
    pub(super) async fn of(target: &Target) -> Result<Self, CommandError> {
        let config = config(target).await?;
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let namespace = target.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client =
            client::client(config, Arc::new(Metrics::of_operator())).map_err(CommandError::failed)?;
        Ok(Self { client, url, namespace })
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn clusters(&self) -> Api<Cluster> {
        let kind = ApiResource::erase::<EtcdCluster>(&());
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind)
    }

    fn failed(&self, what: &str) -> impl Fn(kube::Error) -> CommandError {
        move |error| fault::of_call(&self.url, what, &error)
    }

    /// All clusters of all namespaces.
    pub(super) async fn all(&self) -> Result<Vec<Cluster>, CommandError> {
        let api = Api::all_with(self.client.clone(), &ApiResource::erase::<EtcdCluster>(&()));
        let list = api.list(&ListParams::default()).await;
        Ok(list.map_err(self.failed("listing the EtcdClusters of all namespaces"))?.items)
    }

    /// The cluster of that name, or the only one of the namespace.
    pub(super) async fn cluster(&self, name: Option<&str>) -> Result<Cluster, CommandError> {
        let namespace = &self.namespace;
        if let Some(name) = name.filter(|name| is_name(name)) {
            let what = format!("reading EtcdCluster {name} in namespace {namespace}");
            if let Some(found) = self.clusters().get_opt(name).await.map_err(self.failed(&what))? {
                return Ok(found);
            }
        }
        let what = format!("listing the EtcdClusters of namespace {namespace}");
        let mut found = self.clusters().list(&ListParams::default()).await.map_err(self.failed(&what))?.items;
        match (name, found.len()) {
            (None, 1) => found.pop().ok_or_else(|| CommandError::failed(what)),
            (_, 0) => Err(self.nothing(name).await),
            (name, _) => Err(CommandError::new(ExitCode::NotFound, choice(namespace, name, &found))),
        }
    }

    /// Why there is no cluster at all.
    async fn nothing(&self, name: Option<&str>) -> CommandError {
        let namespace = &self.namespace;
        let known = Api::<Namespace>::all(self.client.clone()).get_metadata_opt(namespace).await;
        let message = match (known, name) {
            // Not everybody may look at namespaces; then it is only said that nothing is in it.
            (Ok(None), _) => {
                format!(
                    "there is no namespace {namespace}: name another one with -n, `kubectl get namespaces` lists them"
                )
            }
            (_, Some(name)) => format!(
                "there is no EtcdCluster {name} in namespace {namespace}, and no other one: name another namespace with -n"
            ),
            (_, None) => {
                format!(
                    "there is no EtcdCluster in namespace {namespace}: make one, or name another namespace with -n"
                )
            }
        };
        CommandError::new(ExitCode::NotFound, message)
    }

    /// The members of a cluster, by name.
    pub(super) async fn members(&self, cluster: &Cluster) -> Result<Vec<EtcdMember>, CommandError> {
        let (name, uid) = (cluster.name_any(), cluster.uid());
        let what = format!("listing the EtcdMembers of {name} in namespace {}", self.namespace);
        let only = ListParams::default().labels(&format!("{}={name}", labels::CLUSTER));
        let list = self.api::<EtcdMember>().list(&only).await.map_err(self.failed(&what))?;
        let mut members = list.items;
        members.retain(|one| Some(&one.spec.cluster_uid) == uid.as_ref());
        members.sort_by_key(ResourceExt::name_any);
        Ok(members)
    }

    /// The member of that name.
    pub(super) async fn member(&self, name: &str) -> Result<EtcdMember, CommandError> {
        let namespace = &self.namespace;
        let found = match is_name(name) {
            true => self.member_opt(name).await?,
            false => None,
        };
        if let Some(found) = found {
            return Ok(found);
        }
        let what = format!("listing the EtcdMembers of namespace {namespace}");
        let list = self.api::<EtcdMember>().list_metadata(&ListParams::default()).await;
        let names: Vec<_> =
            list.map_err(self.failed(&what))?.items.iter().map(ResourceExt::name_any).collect();
        let others = match names.is_empty() {
            true => "there is none: name its namespace with -n".to_owned(),
            false => format!("there are {}", names.join(", ")),
        };
        Err(CommandError::new(
            ExitCode::NotFound,
            format!("there is no member {name} in namespace {namespace}; {others}"),
        ))
    }

    /// The member of that name, if it exists.
    pub(super) async fn member_opt(&self, name: &str) -> Result<Option<EtcdMember>, CommandError> {
        let what = format!("reading EtcdMember {name} in namespace {}", self.namespace);
        self.api::<EtcdMember>().get_opt(name).await.map_err(self.failed(&what))
    }

    /// The Pod of that name, if it exists.
    pub(super) async fn pod(&self, name: &str) -> Result<Option<Pod>, CommandError> {
        let what = format!("reading Pod {name} in namespace {}", self.namespace);
        self.api::<Pod>().get_opt(name).await.map_err(self.failed(&what))
    }

    /// Changes the size of a cluster; answers what it is now.
    pub(super) async fn resize(&self, cluster: &Cluster, size: i64) -> Result<Cluster, CommandError> {
        let name = cluster.name_any();
        let what = format!("changing spec.size of EtcdCluster {name} in namespace {}", self.namespace);
        // With its UID, so that another one that took its place meanwhile is not changed.
        let change = json!({ "metadata": { "uid": cluster.uid() }, "spec": { "size": size } });
        let patched = self.clusters().patch(&name, &PatchParams::default(), &Patch::Merge(&change)).await;
        patched.map_err(self.failed(&what))
    }

    /// Writes an annotation of a cluster.
    pub(super) async fn annotate_cluster(
        &self,
        cluster: &Cluster,
        annotation: &str,
        value: &str,
    ) -> Result<(), CommandError> {
        let name = cluster.name_any();
        let what = format!("annotating EtcdCluster {name} in namespace {}", self.namespace);
        let change = json!({ "metadata": { "uid": cluster.uid(), "annotations": { annotation: value } } });
        let patched =
            self.clusters().patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&change)).await;
        patched.map(drop).map_err(self.failed(&what))
    }

    /// Writes an annotation of a member.
    pub(super) async fn annotate(
        &self,
        member: &EtcdMember,
        annotation: &str,
        value: &str,
    ) -> Result<(), CommandError> {
        let name = member.name_any();
        let what = format!("annotating EtcdMember {name} in namespace {}", self.namespace);
        let change = json!({ "metadata": { "uid": member.uid(), "annotations": { annotation: value } } });
        let api = self.api::<EtcdMember>();
        let patched = api.patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&change)).await;
        patched.map(drop).map_err(self.failed(&what))
    }
}

async fn config(target: &Target) -> Result<Config, CommandError> {
    let options = KubeConfigOptions { context: target.context.clone(), ..KubeConfigOptions::default() };
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let read = match &target.kubeconfig {
        Some(file) => {
            let named = |error: &dyn std::error::Error| {
                CommandError::failed(format!(
                    "--kubeconfig {}: {}; name another file",
                    file.display(),
                    fault::chain(error)
                ))
            };
            let read = Kubeconfig::read_from(file).map_err(|error| named(&error))?;
            return Config::from_custom_kubeconfig(read, &options).await.map_err(|error| named(&error));
        }
        None if target.context.is_none() && !set("KUBECONFIG") && set("KUBERNETES_SERVICE_HOST") => {
            return Config::incluster().map_err(|error| {
                CommandError::failed(format!(
                    "the account of this Pod can't be used: {}; name a kubeconfig with --kubeconfig",
                    fault::chain(&error)
                ))
            });
        }
        None => Config::from_kubeconfig(&options).await,
    };
    read.map_err(|error| {
        CommandError::failed(format!(
            "no API server to talk to: {}; name a kubeconfig with --kubeconfig or KUBECONFIG, and a context of it with \
             --context",
            fault::chain(&error)
        ))
    })
}

/// Whether an object can bear the name: what else a person types must not become another address.
fn is_name(text: &str) -> bool {
    let allowed = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-' || one == '.';
    text.starts_with(|one: char| one.is_ascii_alphanumeric()) && text.chars().all(allowed)
}

fn choice(namespace: &str, name: Option<&str>, found: &[Cluster]) -> String {
    let names: Vec<_> = found.iter().map(ResourceExt::name_any).collect();
    let names = names.join(", ");
    match name {
        Some(name) => format!("there is no EtcdCluster {name} in namespace {namespace}; there are {names}"),
        None => format!("namespace {namespace} has several EtcdClusters: {names}; name one of them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_an_address() {
        for (text, fits) in [
            ("demo", true),
            ("demo-x4k2p", true),
            ("a.b", true),
            ("", false),
            ("..", false),
            ("../pods", false),
            ("demo/status", false),
            ("demo?watch=1", false),
            ("Demo", false),
        ] {
            assert_eq!(is_name(text), fits, "{text:?}");
        }
    }

    #[test]
    fn several_clusters_are_named() {
        let cluster = |name: &str| Cluster::new(name, &ApiResource::erase::<EtcdCluster>(&()), json!({}));
        let found = [cluster("a"), cluster("b")];
        assert_eq!(
            choice("ns", None, &found),
            "namespace ns has several EtcdClusters: a, b; name one of them"
        );
        assert_eq!(
            choice("ns", Some("c"), &found),
            "there is no EtcdCluster c in namespace ns; there are a, b"
        );
    }
}
