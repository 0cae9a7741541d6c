//! How long it takes from an edit to the first write of the operator that follows from it.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use quorate::{api::EtcdCluster, kubernetes::labels};
use serde_json::{Value, json};

use super::{
    NAMESPACE,
    seen::{Watches, uid},
};

/// How many edits of each kind there are.
const EDITS: usize = 100;
/// How often one cluster is made larger and smaller again: a whole change takes seconds.
const ROUNDS: usize = 5;
/// Rest between two edits, so that what follows from one does not meet the next.
const REST: Duration = Duration::from_millis(200);

/// The clusters that are edited, one after another.
pub struct Edits<'a> {
    pub client: &'a Client,
    pub watches: &'a Watches,
    pub clusters: &'a [String],
}

impl Edits<'_> {
    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// No operator: from a write to the event of it in a watch, which every other figure has in it twice.
    pub async fn none(&self) -> Vec<Duration> {
        let api = self.api::<ConfigMap>();
        let name = "edited";
        let made = ConfigMap { metadata: meta(name), ..ConfigMap::default() };
        api.create(&PostParams::default(), &made).await.unwrap();
        let mut times = Vec::new();
        for count in 0..EDITS {
            tokio::time::sleep(REST).await;
            let text = Value::from(count.to_string());
            let change = json!({ "data": { "count": text } });
            let edit = async { merge(&api, name, change).await };
            let seen = self
                .watches
                .after(edit, |seen| seen.kind() == "ConfigMap" && seen.field("/data/count") == Some(&text));
            times.extend(seen.await);
        }
        times
    }

    /// A Pod is deleted; another one of its name is made.
    pub async fn pod_deleted(&self) -> Vec<Duration> {
        let api = self.api::<Pod>();
        let pods = self.watches.names("Pod");
        let mut times = Vec::new();
        for count in 0..EDITS {
            tokio::time::sleep(REST).await;
            // A stride that is prime to the number of Pods: one after another of the same cluster would lose its quorum.
            let name = &pods[count * 7 % pods.len()];
            let Some(old) = self.watches.get("Pod", name) else { continue };
            let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
            let edit = async { api.delete(name, &now).await.map(drop) };
            let seen = self.watches.after(edit, |seen| {
                seen.kind() == "Pod"
                    && !seen.gone
                    && seen.object.name_any() == *name
                    && uid(&seen.object) != uid(&old)
            });
            times.extend(seen.await);
        }
        times
    }

    /// `spec.paused` is set, or taken away again; the status says so.
    pub async fn paused(&self) -> Vec<Duration> {
        let api = self.api::<EtcdCluster>();
        let mut times = Vec::new();
        for count in 0..EDITS {
            tokio::time::sleep(REST).await;
            // Each cluster is paused and goes on again before the next.
            let (name, paused) = (&self.clusters[count / 2 % self.clusters.len()], count % 2 == 0);
            let edit = async { merge(&api, name, json!({ "spec": { "paused": paused } })).await };
            let seen = self.watches.after(edit, |seen| {
                seen.kind() == "EtcdCluster" && seen.object.name_any() == *name && seen.is("Paused") == paused
            });
            times.extend(seen.await);
        }
        times
    }

    /// `spec.size` becomes 5; an EtcdMember is made.
    pub async fn grown(&self) -> Vec<Duration> {
        let mut times = Vec::new();
        if let [only] = self.clusters {
            for _ in 0..ROUNDS {
                times.extend(self.grow(only).await);
                self.settled(only, 5).await;
                let api = self.api::<EtcdCluster>();
                merge(&api, only, json!({ "spec": { "size": 3 } })).await.unwrap();
                self.settled(only, 3).await;
            }
            return times;
        }
        // What follows from one goes on while the next is edited.
        for name in self.clusters.iter().take(EDITS) {
            tokio::time::sleep(REST).await;
            times.extend(self.grow(name).await);
        }
        for name in self.clusters.iter().take(EDITS) {
            self.settled(name, 5).await;
        }
        times
    }

    async fn grow(&self, name: &str) -> Option<Duration> {
        let api = self.api::<EtcdCluster>();
        let known = self.watches.names("EtcdMember");
        let edit = async { merge(&api, name, json!({ "spec": { "size": 5 } })).await };
        let seen = self.watches.after(edit, |seen| {
            seen.kind() == "EtcdMember"
                && !seen.gone
                && seen.object.labels().get(labels::CLUSTER).is_some_and(|cluster| cluster == name)
                && !known.contains(&seen.object.name_any())
        });
        seen.await
    }

    /// Waits until the status says that the cluster has that size, and is ready.
    async fn settled(&self, name: &str, size: i64) {
        for _ in 0..3_000 {
            let cluster = self.watches.get("EtcdCluster", name).expect("the cluster is there");
            let conditions = cluster.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
            if ready && cluster.data["status"]["size"] == size {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{name} does not come to {size} ready members");
    }
}

fn meta(name: &str) -> kube::core::ObjectMeta {
    kube::core::ObjectMeta { name: Some(name.to_owned()), ..Default::default() }
}

async fn merge<K>(api: &Api<K>, name: &str, change: Value) -> kube::Result<()>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    api.patch(name, &PatchParams::default(), &Patch::Merge(change)).await.map(drop)
}
