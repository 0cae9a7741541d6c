//! The controllers and their watches, started and kept together.

use std::sync::{Arc, Mutex};

use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
};
use tracing::info;

use super::{
    Context, RunError, clusters, events,
    guards::Guards,
    hands::Hands,
    members,
    platform::Shared,
    tls::Secrets,
    watch::{self, Bell, Stores, Synced},
};
use crate::telemetry::health::Stage;

/// Runs until a task ends, which none does unless it panicked. Everything stops when the future is dropped.
pub(super) async fn run(context: Context) -> Result<(), RunError> {
    let stores = Arc::new(Stores::default());
    let (cluster_events, clusters) = mpsc::unbounded_channel();
    let (member_events, members) = mpsc::unbounded_channel();
    let bell = Arc::new(Bell::new(cluster_events, member_events));
    let synced = Arc::new(Synced::default());
    let mut tasks = JoinSet::new();
    watch::start(&mut tasks, &context.client, &context.namespaces, &stores, &bell, &synced);
    // Half a picture is none: what was not listed yet would look as if it were gone.
    tokio::select! {
        () = synced.all() => {}
        ended = tasks.join_next() => return Err(which(ended)),
    }
    info!(clusters = stores.clusters.len(), members = stores.members.len(), "the watches are in step");
    context.health.stage(Stage::Synced);
    let (teller, sender) =
        events::channel(context.client.clone(), &context.identity, Arc::clone(&context.metrics));
    let shared = Arc::new(Shared {
        hands: Hands::new(context.client, stores),
        guards: Guards::default(),
        image: context.image,
        cluster_domain: context.cluster_domain,
        secrets: Secrets::default(),
        bell: Arc::clone(&bell),
        setbacks: Mutex::default(),
        binding: Mutex::default(),
        teller,
        metrics: context.metrics,
        health: context.health,
    });
    let workers = context.workers;
    let task = |name| shared.health.task(name);
    tasks.spawn({
        let (guard, work) = (task("events"), sender.run());
        async move {
            let _guard = guard;
            work.await;
            "events"
        }
    });
    tasks.spawn({
        let (guard, work) =
            (task("members"), members::run(Arc::clone(&shared), Arc::clone(&bell), members, workers));
        async move {
            let _guard = guard;
            work.await;
            "members"
        }
    });
    tasks.spawn({
        let (guard, work) = (task("clusters"), clusters::run(Arc::clone(&shared), bell, clusters, workers));
        async move {
            let _guard = guard;
            work.await;
            "clusters"
        }
    });
    Err(which(tasks.join_next().await))
}

fn which(ended: Option<Result<&'static str, JoinError>>) -> RunError {
    match ended {
        Some(Ok(name)) => RunError::TaskEnded(name),
        Some(Err(_)) => RunError::TaskEnded("of a controller, by a panic,"),
        None => RunError::TaskEnded("set"),
    }
}
