//! The fast controller: the Pod and the claim of every known member are there. It never talks to etcd.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tracing::{info, warn};

use super::{
    error::KubernetesError,
    incarnation,
    pause::BackOff,
    platform::{self, Shared},
    render::{self, Surroundings},
    slim::{PersistentVolumeClaim, Pod},
    store::Key,
    tls,
    upkeep::{self, Upkeep},
    watch::Bell,
};

/// The name of this controller in metrics.
const NAME: &str = "members";
/// The pauses before a member whose objects can't be made is tried again.
const PAUSES: BackOff = BackOff { first: Duration::from_millis(400), longest: Duration::from_secs(15) };
/// How often every member is looked at without any event: nothing is read or written for that.
const ROUND: Duration = Duration::from_secs(30);

/// Looks after all members for ever. Each has its own turn, and one that fails delays no other.
pub async fn run(
    shared: Arc<Shared>,
    bell: Arc<Bell>,
    mut events: mpsc::UnboundedReceiver<Key>,
    workers: usize,
) {
    let slots = Arc::new(Semaphore::new(workers.max(1)));
    let mut running: JoinSet<(Key, bool)> = JoinSet::new();
    let mut busy: BTreeSet<Key> = BTreeSet::new();
    let mut again: BTreeSet<Key> = BTreeSet::new();
    let mut failures: BTreeMap<Key, u32> = BTreeMap::new();
    let mut round = tokio::time::interval(ROUND);
    loop {
        let key = tokio::select! {
            event = events.recv() => match event {
                Some(key) => key,
                None => return,
            },
            Some(done) = running.join_next(), if !running.is_empty() => {
                let Ok((key, well)) = done else { return };
                busy.remove(&key);
                if well {
                    failures.remove(&key);
                } else {
                    let count = failures.entry(key.clone()).or_default();
                    *count += 1;
                    later(&bell, key.clone(), *count);
                }
                if !again.remove(&key) {
                    continue;
                }
                key
            }
            _ = round.tick() => {
                shared.hands.stores.members.keys().into_iter().for_each(|key| bell.member(key));
                continue;
            }
        };
        if !busy.insert(key.clone()) {
            again.insert(key);
            continue;
        }
        let (shared, slots) = (Arc::clone(&shared), Arc::clone(&slots));
        running.spawn(async move {
            let _slot = {
                let _waiting = shared.metrics.operator().waiting(NAME);
                slots.acquire_owned().await
            };
            let result = look_after(&shared, &key).await;
            shared.metrics.operator().reconciled(NAME, if result.is_ok() { "done" } else { "failed" });
            if let Err(error) = &result {
                warn!(member = key.1, namespace = key.0, %error, "its objects are not as they should be; tried again");
            }
            let mut setbacks = shared.setbacks.lock().unwrap_or_else(PoisonError::into_inner);
            match &result {
                Ok(()) => setbacks.remove(&key),
                Err(error) => setbacks.insert(key.clone(), error.to_string()),
            };
            drop(setbacks);
            (key, result.is_ok())
        });
    }
}

/// Tries again after a while.
fn later(bell: &Arc<Bell>, key: Key, failures: u32) {
    let pause = PAUSES.after(failures, &key);
    ring(bell, key, pause);
}

/// Has a member looked at after a while.
fn ring(bell: &Arc<Bell>, key: Key, pause: Duration) {
    let bell = Arc::clone(bell);
    tokio::spawn(async move {
        tokio::time::sleep(pause).await;
        bell.member(key);
    });
}

async fn look_after(shared: &Shared, (namespace, name): &Key) -> Result<(), KubernetesError> {
    if shared.hands.ending.rest(namespace).is_some() {
        return Ok(());
    }
    let stores = &shared.hands.stores;
    let Some(member) = stores.members.get(namespace, name).and_then(|entry| entry.readable()) else {
        return Ok(());
    };
    // Without its cluster a member has no reason to be there; the garbage collector is about to take it.
    let cluster = stores.clusters.get(namespace, &member.object.spec.cluster);
    let Some(cluster) = cluster.filter(|cluster| {
        cluster.identity.uid == member.object.spec.cluster_uid && !cluster.identity.deleting
    }) else {
        return Ok(());
    };
    let formed = cluster.object.as_ref().is_ok_and(|cluster| platform::formed(cluster).is_some());
    let paused = cluster.object.as_ref().is_ok_and(|cluster| cluster.spec.paused);
    let started = incarnation::started(&member, formed, None);
    let (pod, claim) = (stores.pods.get(namespace, name), stores.claims.get(namespace, name));
    if paused {
        return Ok(());
    }
    // One that can't be read says nothing new of certificates.
    if let Ok(cluster) = &cluster.object {
        tls::keep_member(shared, &member, cluster).await?;
    }
    for act in upkeep::decide(&member, pod.as_deref(), claim.as_deref(), started) {
        match act {
            Upkeep::MakeClaim => {
                if let Some(claim) = render::claim(&member.object) {
                    made(
                        shared.hands.make::<PersistentVolumeClaim>(&claim).await,
                        shared,
                        &member.object.spec.cluster,
                        namespace,
                        name,
                    )
                    .await?;
                }
            }
            Upkeep::MakePod if awaits_volume(shared, namespace, name).await => {}
            Upkeep::MakePod => {
                let around = Surroundings {
                    namespace: namespace.clone(),
                    cluster_domain: shared.cluster_domain.clone(),
                    member_image: shared.image.clone(),
                    member_image_pull_policy: None,
                };
                let pod = render::pod(&member.object, started, &around)?;
                made(
                    shared.hands.make::<Pod>(&pod).await,
                    shared,
                    &member.object.spec.cluster,
                    namespace,
                    name,
                )
                .await?;
                info!(member = name, namespace, "its Pod is made");
            }
            Upkeep::DeletePod { why, .. } => {
                info!(member = name, namespace, why, "its Pod ended for good and is made anew");
                if let Some(pod) = &pod {
                    shared.hands.delete::<Pod>(&pod.identity).await?;
                }
            }
        }
    }
    Ok(())
}

/// Whether the Pod is made later, once its new claim is bound.
async fn awaits_volume(shared: &Shared, namespace: &str, name: &str) -> bool {
    let key = (namespace.to_owned(), name.to_owned());
    let claim = shared.hands.stores.claims.get(namespace, name).filter(|claim| claim.pending());
    let waited = {
        let mut binding = shared.binding.lock().unwrap_or_else(PoisonError::into_inner);
        match claim {
            Some(_) => binding.entry(key.clone()).or_insert_with(Instant::now).elapsed(),
            None => {
                binding.remove(&key);
                return false;
            }
        }
    };
    let Some(class) = claim.and_then(|claim| claim.class.clone()) else { return false };
    // One that can't be read is that of a Pod which says so.
    let class = shared.hands.class(&class).await.ok().flatten();
    let left = class.and_then(|class| upkeep::time_to_bind(&class.volume_binding_mode, waited));
    if let Some(left) = left {
        ring(&shared.bell, key, left);
    }
    left.is_some()
}

/// An object that is there already is read, so that the next look knows whose it is.
async fn made(
    result: Result<(), super::hands::CallError>,
    shared: &Shared,
    cluster: &str,
    namespace: &str,
    name: &str,
) -> Result<(), KubernetesError> {
    match result {
        Err(error) if error.already_exists() => {
            shared.hands.refresh(namespace, cluster, name).await?;
            Err(error.into())
        }
        result => Ok(result?),
    }
}
