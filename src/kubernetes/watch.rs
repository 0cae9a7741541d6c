//! The watches: one a kind and namespace, shared by all clusters, restricted to what bears the operator's own label.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{core::v1::Service, policy::v1::PodDisruptionBudget};
use kube::{
    Api, Client,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};
use tracing::{debug, warn};

use super::{
    labels,
    slim::{PersistentVolumeClaim, Pod},
    store::{Identity, Key, Store, View},
    views::{ClaimView, ClusterView, MemberEntry, MemberView, ObjectView, PodView},
};
use crate::api::{EtcdCluster, EtcdMember};

/// How many objects a page of a list has.
const PAGE: u32 = 50;

/// Everything that is watched.
#[derive(Debug, Default)]
pub struct Stores {
    /// The clusters that people asked for.
    pub clusters: Store<ClusterView>,
    /// The members the operator made.
    pub members: Store<MemberEntry>,
    /// Their Pods.
    pub pods: Store<PodView>,
    /// Their claims.
    pub claims: Store<ClaimView>,
    /// The clusters' Services.
    pub services: Store<ObjectView>,
    /// The clusters' PodDisruptionBudgets.
    pub budgets: Store<ObjectView>,
}

impl Stores {
    /// The members of a cluster, as far as they can be read.
    pub fn members_of(&self, namespace: &str, cluster: &str) -> Vec<Arc<MemberView>> {
        self.members.of_cluster(namespace, cluster).iter().filter_map(|one| one.readable()).collect()
    }
}

/// Who is woken by what.
#[derive(Debug)]
pub struct Bell {
    passes: Mutex<HashMap<Key, Arc<Notify>>>,
    clusters: mpsc::UnboundedSender<Key>,
    members: mpsc::UnboundedSender<Key>,
}

impl Bell {
    /// A bell that sends the names of clusters and of members that something happened to.
    pub fn new(clusters: mpsc::UnboundedSender<Key>, members: mpsc::UnboundedSender<Key>) -> Self {
        Self { passes: Mutex::default(), clusters, members }
    }

    /// What wakes the passes over one cluster.
    pub fn of(&self, key: &Key) -> Arc<Notify> {
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(passes.entry(key.clone()).or_default())
    }

    /// Nobody looks after that cluster any more.
    pub fn forget(&self, key: &Key) {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Something happened to an object of a cluster.
    fn ring(&self, identity: &Identity) {
        let Some(cluster) = &identity.cluster else { return };
        let key = (identity.namespace.clone(), cluster.clone());
        let passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pass) = passes.get(&key) {
            pass.notify_one();
        }
    }

    /// A member needs a look. The receiver ends with the process only.
    pub fn member(&self, key: Key) {
        let _ = self.members.send(key);
    }

    fn cluster(&self, key: Key) {
        let _ = self.clusters.send(key);
    }
}

/// Starts every watch; `synced` is counted down as each has listed once.
pub fn start(
    tasks: &mut JoinSet<&'static str>,
    client: &Client,
    namespaces: &[String],
    stores: &Arc<Stores>,
    bell: &Arc<Bell>,
    synced: &Arc<Synced>,
) {
    let scopes: Vec<Option<String>> =
        if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
    for scope in scopes {
        let of = || Scope {
            namespace: scope.clone(),
            stores: Arc::clone(stores),
            bell: Arc::clone(bell),
            synced: Arc::clone(synced),
        };
        let everything = watcher::Config::default().page_size(PAGE);
        let own = everything.clone().labels(labels::CLUSTER);

        let events = watcher(api::<DeserializeGuard<EtcdCluster>>(client, &scope), everything.clone());
        tasks.spawn(of().follow(
            "EtcdCluster",
            events,
            |object| ClusterView::of(object.0),
            |s| &s.clusters,
            |bell, one| {
                bell.cluster(one.key());
                bell.ring(one);
            },
        ));
        let events = watcher(api::<DeserializeGuard<EtcdMember>>(client, &scope), own.clone());
        tasks.spawn(of().follow("EtcdMember", events, |one| MemberEntry::of(one.0), |s| &s.members, both));
        let events = watcher(api::<Pod>(client, &scope), own.clone());
        tasks.spawn(of().follow("Pod", events, PodView::of, |s| &s.pods, both));
        let events = watcher(api::<PersistentVolumeClaim>(client, &scope), own.clone());
        tasks.spawn(of().follow("PersistentVolumeClaim", events, ClaimView::of, |s| &s.claims, both));
        let events = watcher(api::<PartialObjectMeta<Service>>(client, &scope), own.clone());
        tasks.spawn(of().follow(
            "Service",
            events,
            |one| ObjectView::of_partial(&one),
            |s| &s.services,
            Bell::ring,
        ));
        let events = watcher(api::<PartialObjectMeta<PodDisruptionBudget>>(client, &scope), own);
        tasks.spawn(of().follow(
            "PodDisruptionBudget",
            events,
            |one| ObjectView::of_partial(&one),
            |s| &s.budgets,
            Bell::ring,
        ));
    }
}

/// A member's objects concern the member's controller first, which is fast, and then the passes over its cluster.
fn both(bell: &Bell, identity: &Identity) {
    bell.member(identity.key());
    bell.ring(identity);
}

fn api<K>(client: &Client, namespace: &Option<String>) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Counts the watches that have not listed yet.
#[derive(Debug, Default)]
pub struct Synced {
    started: AtomicUsize,
    listed: AtomicUsize,
    changed: Notify,
}

impl Synced {
    /// Ready once every watch that was started has listed.
    pub async fn all(&self) {
        loop {
            let changed = self.changed.notified();
            if self.done() {
                return;
            }
            changed.await;
        }
    }

    /// Whether every watch has listed.
    pub fn done(&self) -> bool {
        let started = self.started.load(Ordering::Acquire);
        started > 0 && self.listed.load(Ordering::Acquire) >= started
    }
}

/// What one watch feeds.
struct Scope {
    namespace: Option<String>,
    stores: Arc<Stores>,
    bell: Arc<Bell>,
    synced: Arc<Synced>,
}

impl Scope {
    /// Follows one watch for ever. A watch that breaks is begun anew with a back-off, and lists again.
    fn follow<K, V: View>(
        self,
        kind: &'static str,
        events: impl futures::Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + 'static,
        view: fn(K) -> V,
        store: fn(&Stores) -> &Store<V>,
        ring: fn(&Bell, &Identity),
    ) -> impl Future<Output = &'static str> + Send
    where
        K: DeserializeOwned + Debug + Send + 'static,
    {
        self.synced.started.fetch_add(1, Ordering::AcqRel);
        async move {
            let mut events = events.default_backoff().boxed();
            let mut list: Vec<V> = Vec::new();
            let mut listed = false;
            loop {
                let event = match events.try_next().await {
                    Ok(Some(event)) => event,
                    Ok(None) => return kind,
                    Err(error) => {
                        // Whoever reads a log wants to know once that the API server is away, not every second.
                        if listed {
                            debug!(kind, %error, "watch broken; it is begun anew")
                        } else {
                            warn!(kind, %error, "watch broken; it is begun anew")
                        }
                        continue;
                    }
                };
                let store = store(&self.stores);
                match event {
                    watcher::Event::Init => {
                        store.begin_list(self.namespace.as_deref());
                        list.clear();
                    }
                    watcher::Event::InitApply(object) => list.push(view(object)),
                    watcher::Event::InitDone => {
                        let all = std::mem::take(&mut list);
                        let here: Vec<_> = all.iter().map(|one| one.identity().clone()).collect();
                        let gone = store.replace(self.namespace.as_deref(), all);
                        here.iter().chain(&gone).for_each(|one| ring(&self.bell, one));
                        if !std::mem::replace(&mut listed, true) {
                            self.synced.listed.fetch_add(1, Ordering::AcqRel);
                            self.synced.changed.notify_waiters();
                        }
                    }
                    watcher::Event::Apply(object) => {
                        let view = view(object);
                        let identity = view.identity().clone();
                        store.learn(view);
                        ring(&self.bell, &identity);
                    }
                    watcher::Event::Delete(object) => {
                        let identity = view(object).identity().clone();
                        store.deleted(&identity);
                        ring(&self.bell, &identity);
                    }
                }
            }
        }
    }
}
