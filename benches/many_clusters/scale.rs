//! One number of clusters, from an empty API server on.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, Client, api::PostParams};
use quorate::api::{EtcdCluster, EtcdMember, crds};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    NAMESPACE,
    edits::Edits,
    kubelet,
    operator::{Operator, Reading},
    seen::Watches,
    server::{Programs, Server},
};

/// How many resources are applied at the same time.
const AT_ONCE: usize = 16;
/// How long after everything is ready it counts as idle.
const CALM: Duration = Duration::from_secs(10);
/// How long it is watched then.
pub const IDLE: Duration = Duration::from_secs(60);

/// What was measured with one number of clusters.
pub struct Measured {
    pub clusters: usize,
    /// From the first resource applied until all clusters were available, and until all members were ready.
    pub available: Duration,
    pub ready: Duration,
    /// What the operator did for that.
    pub making: Reading,
    pub made_kib: u64,
    /// What it did in the idle minute.
    pub idle: Reading,
    pub resident_kib: u64,
    pub peak_kib: u64,
    pub open_files: usize,
    /// From an edit to the first write.
    pub edits: [(&'static str, Vec<Duration>); 4],
    pub edited_kib: u64,
}

/// Measures.
pub async fn measure(programs: &Programs, count: usize) -> Measured {
    let server = Server::start(programs).await;
    let client = server.client().await;
    prepare(&client).await;
    // Dropped last, as members outlive their operator; the watches end with their API server.
    let mut acted = JoinSet::new();
    let (events, seen) = mpsc::unbounded_channel();
    let watches = Watches::start(&mut acted, &client, events);
    acted.spawn(kubelet::run(client.clone(), seen));
    let operator = Operator::start(&server).await;
    let names: Vec<_> = (1..=count).map(|number| format!("cluster-{number}")).collect();

    let before = operator.reading().await;
    let began = Instant::now();
    let applied = stream::iter(&names).map(|name| apply(&client, name)).buffer_unordered(AT_ONCE);
    applied.collect::<Vec<_>>().await;
    let until = async |condition| match watches.until(condition, count).await {
        Some(at) => at.saturating_duration_since(began),
        None => panic!("{} of {count} are {condition}; {}", watches.count(condition), operator.log()),
    };
    let available = until("Available").await;
    let ready = until("Ready").await;
    let making = operator.reading().await.since(before);
    let made_kib = operator.peak_kib();
    eprintln!("ready after {ready:.1?}, {made_kib} KiB, {making:?}");

    tokio::time::sleep(CALM).await;
    let before = operator.reading().await;
    tokio::time::sleep(IDLE).await;
    let idle = operator.reading().await.since(before);
    let (resident_kib, peak_kib) = (operator.resident_kib(), operator.peak_kib());
    let open_files = operator.open_files();
    eprintln!("idle: {resident_kib} KiB, {open_files} open files, {idle:?}");

    let edits = Edits { client: &client, watches: &watches, clusters: &names };
    let edits = [
        ("a write by the benchmark to its own watch, no operator in it", edits.none().await),
        ("a Pod deleted: its successor made", edits.pod_deleted().await),
        ("`spec.paused` set or unset: status written", edits.paused().await),
        ("`spec.size` 3 → 5: EtcdMember made", edits.grown().await),
    ];
    let edited_kib = operator.peak_kib();
    eprintln!("edited: {edited_kib} KiB");
    drop(operator);
    Measured {
        clusters: count,
        available,
        ready,
        making,
        made_kib,
        idle,
        resident_kib,
        peak_kib,
        open_files,
        edits,
        edited_kib,
    }
}

/// Makes the definitions and the namespace.
async fn prepare(client: &Client) {
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    for definition in crds::definitions().unwrap() {
        definitions.create(&PostParams::default(), &definition).await.unwrap();
    }
    let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": NAMESPACE } })).unwrap();
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
    // A definition takes a moment until its resources are served.
    let params = Default::default();
    let (clusters, members) =
        (Api::<EtcdCluster>::all(client.clone()), Api::<EtcdMember>::all(client.clone()));
    while clusters.list(&params).await.is_err() || members.list(&params).await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn apply(client: &Client, name: &str) {
    let cluster: EtcdCluster = serde_json::from_value(json!({
        "apiVersion": "quorate.dev/v1alpha1",
        "kind": "EtcdCluster",
        "metadata": { "name": name, "namespace": NAMESPACE },
        // The answers of etcd that are acted here are in plain text.
        "spec": { "size": 3, "tls": { "peer": { "mode": "Disabled" }, "client": { "mode": "Disabled" } } },
    }))
    .unwrap();
    Api::namespaced(client.clone(), NAMESPACE).create(&PostParams::default(), &cluster).await.unwrap();
}
