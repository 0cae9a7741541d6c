//! The cluster controller: pass after pass over every EtcdCluster, each in a task of its own.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use tokio::{
    sync::{Semaphore, mpsc},
    task::{AbortHandle, JoinSet},
    time::Instant,
};
use tracing::{Instrument, error, info, info_span, warn};

use super::{
    error::KubernetesError,
    events::Story,
    pause::BackOff,
    platform::{KubernetesPlatform, Shared},
    store::Key,
    watch::Bell,
};
use crate::{
    api::{API_VERSION, KIND},
    engine::{Engine, Kept, Platform},
    plan::{self, Policy, status::ClusterStatus},
    telemetry::metrics::Metrics,
};

/// The name of this controller in metrics.
const NAME: &str = "clusters";
/// The pauses after passes that failed.
const PAUSES: BackOff = BackOff { first: Duration::from_millis(500), longest: Duration::from_secs(30) };
/// How long a pass may take: every call in it has a shorter deadline of its own, so this is a pass that hangs. Less than
/// the time after which [`Health`](crate::telemetry::health::Health) calls the whole operator stuck.
const LIMIT: Duration = Duration::from_secs(45);
/// How many clusters that something happens to keep the connections to their members between two passes. When hundreds are
/// made at once, all of theirs would take most of the operator's memory.
const BUSY: usize = 8;
/// Up to how many clusters in all those at rest do, too, and those to guards are kept as well: most of a look at a cluster is
/// connecting, and 5 MiB are little.
const FEW: usize = 20;
/// The least time between the beginnings of two passes over one cluster: its objects change in flurries.
const BREATH: Duration = Duration::from_millis(50);

/// Looks after all clusters for ever.
pub async fn run(
    shared: Arc<Shared>,
    bell: Arc<Bell>,
    mut events: mpsc::UnboundedReceiver<Key>,
    workers: usize,
) {
    let slots = Arc::new(Semaphore::new(workers.max(1)));
    let connected = Kept::new(BUSY);
    let mut tasks: JoinSet<Key> = JoinSet::new();
    let mut known: BTreeMap<Key, (String, AbortHandle)> = BTreeMap::new();
    loop {
        let key = tokio::select! {
            event = events.recv() => match event {
                Some(key) => key,
                None => return,
            },
            // A task ends when its cluster is gone; one that panicked ends the process.
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => match ended {
                Ok(key) => key,
                Err(error) if error.is_cancelled() => continue,
                Err(error) => {
                    error!(%error, "a task that looks after a cluster panicked");
                    return;
                }
            },
        };
        let there = shared.hands.stores.clusters.get(&key.0, &key.1).filter(|one| !one.identity.deleting);
        for member in shared.hands.stores.members.of_cluster(&key.0, &key.1) {
            bell.member(member.identity.key());
        }
        let uid = there.map(|view| view.identity.uid.clone());
        if let Some((old, task)) = known.get(&key) {
            if uid.as_ref() == Some(old) && !task.is_finished() {
                continue;
            }
            task.abort();
            bell.forget(&key);
            known.remove(&key);
        }
        if let Some(uid) = uid {
            let task = Task {
                shared: Arc::clone(&shared),
                bell: Arc::clone(&bell),
                slots: Arc::clone(&slots),
                connected: connected.clone(),
                metrics: shared.metrics.of_cluster(&key.0, &key.1),
                key: key.clone(),
                uid: uid.clone(),
            };
            let span = info_span!("cluster", namespace = key.0, name = key.1);
            let handle = tasks.spawn(task.look_after().instrument(span));
            known.insert(key, (uid, handle));
        }
        let few = known.len() <= FEW;
        connected.settled(few);
        shared.guards.keep(few);
    }
}

/// One cluster's passes.
struct Task {
    shared: Arc<Shared>,
    bell: Arc<Bell>,
    slots: Arc<Semaphore>,
    connected: Kept,
    metrics: Arc<Metrics>,
    key: Key,
    uid: String,
}

impl Task {
    /// The cluster, as its events name it.
    fn regarding(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some(KIND.to_owned()),
            namespace: Some(self.key.0.clone()),
            name: Some(self.key.1.clone()),
            uid: Some(self.uid.clone()),
            ..ObjectReference::default()
        }
    }

    async fn look_after(self) -> Key {
        let woken = self.bell.of(&self.key);
        let platform = KubernetesPlatform::new(Arc::clone(&self.shared), &self.key, self.uid.clone(), woken);
        let published = platform.cluster().ok().and_then(|cluster| cluster.status.clone());
        let mut engine = Engine::new(platform, Policy::kubernetes(), Arc::clone(&self.metrics), published)
            .sharing(self.connected.clone());
        let mut failures = 0;
        let mut story = Story::new(self.shared.teller.clone(), self.regarding());
        let mut complaint = String::new();
        info!("looked after from now on");
        loop {
            if let Some(rest) = self.shared.hands.ending.rest(&self.key.0) {
                tokio::time::sleep(rest).await;
            }
            let began = Instant::now();
            let slot = {
                let _waiting = self.metrics.operator().waiting(NAME);
                Arc::clone(&self.slots).acquire_owned().await
            };
            let watched = self.shared.health.pass(format!("{}/{}", self.key.0, self.key.1));
            // In a box, so that a cluster at rest does not take the room of a pass.
            let pass = Box::pin(pass(&mut engine, &mut story));
            let result = match tokio::time::timeout(LIMIT, pass).await {
                Ok(result) => result,
                Err(_) => {
                    warn!(
                        "a pass took longer than {LIMIT:?} and was given up; nothing is lost, the next one looks anew"
                    );
                    Ok(Duration::ZERO)
                }
            };
            drop((slot, watched));
            self.metrics.operator().reconciled(NAME, if result.is_ok() { "done" } else { "failed" });
            let rest = match result {
                Ok(rest) => {
                    failures = 0;
                    complaint.clear();
                    rest
                }
                Err(KubernetesError::Gone(_)) => {
                    info!("gone; its volumes stay unless its deletionPolicy says otherwise");
                    return self.key;
                }
                Err(error) => {
                    failures += 1;
                    let words = error.to_string();
                    if complaint != words {
                        warn!(error = words, "a pass failed");
                        complaint.clone_from(&words);
                    }
                    self.metrics.failed_pass();
                    // In a box as well.
                    Box::pin(show_blind(&mut engine, &words)).await;
                    PAUSES.after(failures, &self.key)
                }
            };
            tokio::time::sleep_until(began + BREATH).await;
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = engine.platform().changed() => {}
            }
        }
    }
}

async fn pass(
    engine: &mut Engine<KubernetesPlatform>,
    story: &mut Story,
) -> Result<Duration, KubernetesError> {
    let cluster = engine.platform().cluster()?;
    if !cluster.spec.paused {
        engine.platform().ensure().await?;
    }
    let before = engine.status().cloned();
    let pass = engine.pass().await?;
    story.tell(before.as_ref(), &pass.status, &pass.decision, &pass.outcomes);
    Ok(pass.rest)
}

/// People look at the status, and an old one would tell them that all is well.
async fn show_blind(engine: &mut Engine<KubernetesPlatform>, why: &str) {
    let status: ClusterStatus = plan::status::blind(engine.status(), why, Timestamp::now());
    if let Err(error) = engine.publish(status).await {
        warn!(%error, "the status could not be shown");
    }
}
