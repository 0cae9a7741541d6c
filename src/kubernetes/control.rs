//! The controllers and their watches, started and kept together.

use std::sync::Arc;

use kube::Client;
use tokio::{sync::mpsc, task::JoinSet};
use tracing::info;

use super::{
    clusters,
    hands::Hands,
    members,
    platform::Shared,
    watch::{self, Bell, Stores, Synced},
};
use crate::{etcd::http::Http, telemetry::metrics::Metrics};

/// What the controllers are started with.
pub struct Controllers {
    /// The connection to the API server.
    pub client: Client,
    /// The namespaces to look after; all of them when empty.
    pub namespaces: Vec<String>,
    /// The operator's own image, which brings the guard into the members' Pods.
    pub image: String,
    /// The domain of the Kubernetes cluster.
    pub cluster_domain: String,
    /// How many clusters are looked after at the same time.
    pub workers: usize,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Controllers {
    /// Runs until a task ends, which none does unless it panicked. Everything stops when the future is dropped.
    pub async fn run(self, synced: Arc<Synced>) {
        let stores = Arc::new(Stores::default());
        let (cluster_events, clusters) = mpsc::unbounded_channel();
        let (member_events, members) = mpsc::unbounded_channel();
        let bell = Arc::new(Bell::new(cluster_events, member_events));
        let mut tasks = JoinSet::new();
        watch::start(&mut tasks, &self.client, &self.namespaces, &stores, &bell, &synced);
        // Half a picture is none: what was not listed yet would look as if it were gone.
        tokio::select! {
            () = synced.all() => {}
            _ = tasks.join_next() => return,
        }
        info!(clusters = stores.clusters.len(), members = stores.members.len(), "the watches are in step");
        let shared = Arc::new(Shared {
            hands: Hands::new(self.client, stores),
            http: Http::new(),
            image: self.image,
            cluster_domain: self.cluster_domain,
        });
        tasks.spawn(members::run(Arc::clone(&shared), Arc::clone(&bell), members, self.workers));
        tasks.spawn(clusters::run(shared, bell, clusters, self.workers, self.metrics));
        tasks.join_next().await;
    }
}
