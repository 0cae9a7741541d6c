//! What the benchmark sees through watches of its own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject},
    runtime::{WatchStreamExt, watcher},
};
use quorate::api::{EtcdCluster, EtcdMember};
use tokio::{
    sync::{broadcast, mpsc},
    task::JoinSet,
};

use super::NAMESPACE;

/// Events that a slow reader may be behind; they are looked at as they come.
const BACKLOG: usize = 65_536;
/// How long the making of all clusters may take.
const PATIENCE: Duration = Duration::from_secs(400);
/// How long the operator may take to follow an edit: far more than it does on any machine that is not choked.
const FOLLOWED: Duration = Duration::from_secs(60);

/// One event of a watch.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Whether the object is gone.
    pub gone: bool,
    /// When it was seen.
    pub at: Instant,
    /// The object.
    pub object: Arc<DynamicObject>,
}

impl Seen {
    /// The kind of the object.
    pub fn kind(&self) -> &str {
        self.object.types.as_ref().map_or("", |types| &types.kind)
    }

    /// Whether a condition of the object is true.
    pub fn is(&self, condition: &str) -> bool {
        holds(&self.object, condition)
    }

    /// A field of the object.
    pub fn field(&self, pointer: &str) -> Option<&serde_json::Value> {
        self.object.data.pointer(pointer)
    }
}

fn holds(object: &DynamicObject, condition: &str) -> bool {
    let conditions = object.data.pointer("/status/conditions").and_then(|list| list.as_array());
    conditions.into_iter().flatten().any(|one| one["type"] == condition && one["status"] == "True")
}

/// All watches.
pub struct Watches {
    events: broadcast::Sender<Seen>,
    latest: Mutex<HashMap<(String, String), Arc<DynamicObject>>>,
}

impl Watches {
    /// Starts them. Every event goes to `kubelet` too, which must not miss one.
    pub fn start(
        tasks: &mut JoinSet<()>,
        client: &Client,
        kubelet: mpsc::UnboundedSender<Seen>,
    ) -> Arc<Self> {
        let watches = Arc::new(Self { events: broadcast::channel(BACKLOG).0, latest: Mutex::default() });
        for kind in [
            ApiResource::erase::<EtcdCluster>(&()),
            ApiResource::erase::<EtcdMember>(&()),
            ApiResource::erase::<Pod>(&()),
            ApiResource::erase::<PersistentVolumeClaim>(&()),
            ApiResource::erase::<ConfigMap>(&()),
        ] {
            let api = Api::<DynamicObject>::namespaced_with(client.clone(), NAMESPACE, &kind);
            tasks.spawn(Arc::clone(&watches).follow(api, kubelet.clone()));
        }
        watches
    }

    async fn follow(self: Arc<Self>, api: Api<DynamicObject>, kubelet: mpsc::UnboundedSender<Seen>) {
        let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
        loop {
            let (gone, object) = match events.try_next().await {
                Ok(Some(watcher::Event::Apply(object) | watcher::Event::InitApply(object))) => {
                    (false, object)
                }
                Ok(Some(watcher::Event::Delete(object))) => (true, object),
                Ok(Some(_)) | Err(_) => continue,
                Ok(None) => return,
            };
            let seen = Seen { gone, at: Instant::now(), object: Arc::new(object) };
            let key = (seen.kind().to_owned(), seen.object.name_any());
            let mut latest = self.latest.lock().unwrap();
            match gone {
                true => latest.remove(&key),
                false => latest.insert(key, Arc::clone(&seen.object)),
            };
            drop(latest);
            let _ = kubelet.send(seen.clone());
            let _ = self.events.send(seen);
        }
    }

    /// An object as it was seen last.
    pub fn get(&self, kind: &str, name: &str) -> Option<Arc<DynamicObject>> {
        self.latest.lock().unwrap().get(&(kind.to_owned(), name.to_owned())).cloned()
    }

    /// The names of all objects of a kind, in order.
    pub fn names(&self, kind: &str) -> Vec<String> {
        let latest = self.latest.lock().unwrap();
        let mut names: Vec<_> =
            latest.keys().filter(|(one, _)| one == kind).map(|(_, name)| name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// How many EtcdClusters have that condition.
    pub fn count(&self, condition: &str) -> usize {
        let latest = self.latest.lock().unwrap();
        let clusters = latest.iter().filter(|((kind, _), _)| kind == "EtcdCluster");
        clusters.filter(|(_, object)| holds(object, condition)).count()
    }

    /// Waits until so many EtcdClusters have that condition; `None` if they never do.
    pub async fn until(&self, condition: &str, count: usize) -> Option<Instant> {
        let began = Instant::now();
        while self.count(condition) < count {
            if began.elapsed() > PATIENCE {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(Instant::now())
    }

    /// Makes an edit, and waits for the first event after it that fits. Answers how long it took, from before the edit
    /// was sent; `None` when nothing came of it.
    pub async fn after(
        &self,
        edit: impl Future<Output = kube::Result<()>>,
        fits: impl Fn(&Seen) -> bool,
    ) -> Option<Duration> {
        let mut events = self.events.subscribe();
        let began = Instant::now();
        edit.await.expect("the edit is accepted");
        let first = async {
            loop {
                if let Ok(seen) = events.recv().await
                    && fits(&seen)
                {
                    return seen.at;
                }
            }
        };
        match tokio::time::timeout(FOLLOWED, first).await {
            Ok(at) => Some(at.saturating_duration_since(began)),
            Err(_) => {
                eprintln!("nothing came of an edit within {FOLLOWED:?}");
                None
            }
        }
    }
}

/// The UID of an object.
pub fn uid(object: &DynamicObject) -> &str {
    object.meta().uid.as_deref().unwrap_or_default()
}
