//! The cluster controller: pass after pass over every EtcdCluster, each in a task of its own.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{Semaphore, mpsc},
    task::{AbortHandle, JoinSet},
    time::Instant,
};
use tracing::{Instrument, error, info, info_span, warn};

use super::{
    platform::{KubernetesError, KubernetesPlatform, Shared},
    store::Key,
    watch::Bell,
};
use crate::{
    engine::{Engine, Platform},
    plan::{self, Policy, status::ClusterStatus},
    telemetry::metrics::Metrics,
};

/// The longest pause after passes that failed.
const LONGEST: Duration = Duration::from_secs(30);
/// How long a pass may take: every call in it has a shorter deadline of its own, so this is a pass that hangs.
const LIMIT: Duration = Duration::from_secs(120);
/// The least time between the beginnings of two passes over one cluster: its objects change in flurries.
const BREATH: Duration = Duration::from_millis(50);

/// Looks after all clusters for ever.
pub async fn run(
    shared: Arc<Shared>,
    bell: Arc<Bell>,
    mut events: mpsc::UnboundedReceiver<Key>,
    workers: usize,
    metrics: Arc<Metrics>,
) {
    let slots = Arc::new(Semaphore::new(workers.max(1)));
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
        let uid = there.map(|view| view.identity.uid);
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
                metrics: Arc::clone(&metrics),
                key: key.clone(),
                uid: uid.clone(),
            };
            let span = info_span!("cluster", namespace = key.0, name = key.1);
            let handle = tasks.spawn(task.look_after().instrument(span));
            known.insert(key, (uid, handle));
        }
    }
}

/// One cluster's passes.
struct Task {
    shared: Arc<Shared>,
    bell: Arc<Bell>,
    slots: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    key: Key,
    uid: String,
}

impl Task {
    async fn look_after(self) -> Key {
        let woken = self.bell.of(&self.key);
        let platform = KubernetesPlatform::new(Arc::clone(&self.shared), &self.key, self.uid.clone(), woken);
        let published = platform.cluster().ok().and_then(|(_, cluster)| cluster.status);
        let mut engine = Engine::new(platform, Policy::kubernetes(), Arc::clone(&self.metrics), published);
        let mut failures = 0;
        let mut complaint = String::new();
        info!("looked after from now on");
        loop {
            let began = Instant::now();
            let slot = Arc::clone(&self.slots).acquire_owned().await;
            let result = match tokio::time::timeout(LIMIT, pass(&mut engine)).await {
                Ok(result) => result,
                Err(_) => {
                    warn!(
                        "a pass took longer than {LIMIT:?} and was given up; nothing is lost, the next one looks anew"
                    );
                    Ok(Duration::ZERO)
                }
            };
            drop(slot);
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
                    show_blind(&mut engine, &words).await;
                    pause(failures, &self.key.1)
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

async fn pass(engine: &mut Engine<KubernetesPlatform>) -> Result<Duration, KubernetesError> {
    let (_, cluster) = engine.platform().cluster()?;
    if !cluster.spec.paused {
        engine.platform().ensure().await?;
    }
    Ok(engine.pass().await?.rest)
}

/// People look at the status, and an old one would tell them that all is well.
async fn show_blind(engine: &mut Engine<KubernetesPlatform>, why: &str) {
    let status: ClusterStatus = plan::status::blind(engine.status(), why, Timestamp::now());
    if let Err(error) = engine.publish(status).await {
        warn!(%error, "the status could not be shown");
    }
}

/// Longer after every failure, and a little different from cluster to cluster.
fn pause(failures: u32, name: &str) -> Duration {
    let jitter = u64::from(name.bytes().fold(0u8, u8::wrapping_add));
    Duration::from_millis((250 << failures.min(8)) + jitter).min(LONGEST)
}
