//! A namespace on a real Kubernetes with clusters in it: what people do with kubectl, and what they see.

use std::{
    cell::Cell,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use k8s_openapi::api::{
    core::v1::{self, Event, PersistentVolumeClaim, Pod},
    discovery::v1::EndpointSlice,
};
use kube::{Api, Client, ResourceExt, api::ListParams, core::PartialObjectMeta, runtime::watcher};
use quorate::{
    api::{EtcdCluster, EtcdMember},
    plan::status::ClusterStatus,
};

use crate::{
    common::load::{Endpoints, Load, Outcome},
    kubectl::{Namespace, Said},
};

/// How often the status is looked at. Every look is a call to an API server that has little of the processor.
const LOOK: Duration = Duration::from_millis(200);
/// What is promised holds on a machine that has time for it. A test fails only after this multiple; what it took is
/// printed.
const PATIENCE: u32 = 4;

/// TLS has tests of its own; the others compare plain figures, and need no certificates for that.
pub const IN_PLAIN_TEXT: &str = "tls: {peer: {mode: Disabled}, client: {mode: Disabled}}";

/// One load at a time: several at once measure how the machine shares its disk.
static LOADED: Mutex<()> = Mutex::new(());

/// A load, and its turn.
pub struct Loaded {
    load: Load,
    _turn: MutexGuard<'static, ()>,
}

impl Loaded {
    /// Ends it, and reads every acknowledged key back.
    pub fn finish(self) -> Outcome {
        self.load.finish()
    }
}

/// Tests run side by side, except those that count what the operator does.
static OTHERS: RwLock<()> = RwLock::new(());

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// As long as it lives, only the test that holds it uses the operator.
pub struct Alone {
    _others: RwLockWriteGuard<'static, ()>,
}

/// Waits until no other test runs and what the others left behind is gone, and keeps others from beginning.
pub fn alone() -> Alone {
    let others = OTHERS.write().unwrap_or_else(PoisonError::into_inner);
    ALONE.set(true);
    until_all_gone();
    Alone { _others: others }
}

thread_local! {
    static BESIDE: std::cell::RefCell<Option<RwLockReadGuard<'static, ()>>> = const { std::cell::RefCell::new(None) };
}

/// For tests without a [`Place`]: until this test's thread ends, none runs that wants to be alone.
pub fn beside_others() {
    BESIDE.set(Some(OTHERS.read().unwrap_or_else(PoisonError::into_inner)));
}

impl Drop for Alone {
    fn drop(&mut self) {
        ALONE.set(false);
    }
}

/// A namespace, and a client for it.
pub struct Place {
    _others: Option<RwLockReadGuard<'static, ()>>,
    /// kubectl in the namespace.
    pub kubectl: Namespace,
    runtime: tokio::runtime::Runtime,
    client: Client,
    began: Instant,
}

impl Place {
    /// A new namespace in which only restricted Pods are admitted.
    pub fn new(prefix: &str) -> Self {
        let others = (!ALONE.get()).then(|| OTHERS.read().unwrap_or_else(PoisonError::into_inner));
        crate::volumes::keep_open();
        let kubectl = Namespace::create(prefix);
        let label = "pod-security.kubernetes.io/enforce=restricted";
        kubectl.must(&["label", "namespace", kubectl.name(), label], "");
        let runtime = runtime();
        let client = runtime.block_on(Client::try_default()).expect("KUBECONFIG names a cluster");
        Self { _others: others, kubectl, runtime, client, began: Instant::now() }
    }

    /// A cluster of a size in a new namespace, once all of it is ready.
    pub fn with_cluster(prefix: &str, size: i64) -> Self {
        let place = Self::new(prefix);
        place.apply("demo", &format!("size: {size}"));
        place.wait_ready("demo", size);
        place
    }

    /// The objects of a kind.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), self.kubectl.name())
    }

    /// Runs something that has to be awaited.
    pub fn wait_for<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Applies a cluster with a spec in YAML's block style with two spaces; in plain text unless the spec speaks of TLS.
    pub fn apply(&self, name: &str, spec: &str) {
        match spec.contains("tls: ") {
            true => self.apply_spec(name, spec),
            false => self.apply_spec(name, &format!("{}\n{IN_PLAIN_TEXT}", spec.trim())),
        }
    }

    /// Applies a cluster with exactly this spec.
    pub fn apply_spec(&self, name: &str, spec: &str) {
        let spec = spec.trim().replace('\n', "\n  ");
        let manifest = format!(
            "apiVersion: quorate.dev/v1alpha1\nkind: EtcdCluster\nmetadata: {{name: {name}}}\nspec:\n  {spec}\n"
        );
        self.kubectl.must(&["apply", "--filename", "-"], &manifest);
    }

    /// Scales the cluster as people do.
    pub fn scale(&self, size: i64) {
        self.kubectl.must(&["scale", "etcd", "demo", &format!("--replicas={size}")], "");
    }

    /// The status; nothing while there is none.
    pub fn status(&self, name: &str) -> ClusterStatus {
        let found = self.wait_for(self.api::<EtcdCluster>().get_opt(name)).expect("an answer");
        found.and_then(|cluster| cluster.status).unwrap_or_default()
    }

    /// Waits for a status, and answers how long it took.
    pub fn wait(
        &self,
        name: &str,
        what: &str,
        limit: Duration,
        done: impl Fn(&ClusterStatus) -> bool,
    ) -> Duration {
        let start = Instant::now();
        loop {
            let status = self.status(name);
            let took = start.elapsed();
            if done(&status) {
                if took > limit {
                    println!("{what}: {took:.1?}, and {limit:?} is promised where the machine has time");
                }
                return took;
            }
            let limit = limit * PATIENCE;
            assert!(took < limit, "{what}: not within {limit:?}\n{}", self.picture(name, &status));
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until the claims are those of the members: one that is deleted stays until its Pod is gone.
    pub fn wait_for_claims(&self) {
        let start = Instant::now();
        while self.claims() != self.names() {
            let claims = self.claims();
            assert!(start.elapsed() < Duration::from_secs(60), "the claims of others are there: {claims:?}");
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until a cluster of that size is ready, as of its newest spec.
    pub fn wait_ready(&self, name: &str, size: i64) -> Duration {
        self.wait(name, &format!("{size} ready"), Duration::from_secs(60), |status| {
            status.is("Ready") && status.ready_members == size && status.size == size
        })
    }

    /// What a person would look at when something takes too long.
    fn picture(&self, name: &str, status: &ClusterStatus) -> String {
        let said = |args: &[&str]| self.kubectl.run(args, "").out;
        format!(
            "{}\n{}\n{}\n{}",
            serde_json::to_string_pretty(status).unwrap(),
            said(&["get", "etcdmembers,pods,pvc", "--output=wide"]),
            said(&["describe", "etcd", name]),
            said(&["get", "events", "--sort-by=.lastTimestamp"]),
        )
    }

    /// The names of the members, by the status.
    pub fn names(&self) -> Vec<String> {
        self.status("demo").members.into_iter().map(|one| one.name).collect()
    }

    /// The name of the leader.
    pub fn leader(&self) -> String {
        self.status("demo").leader.expect("a leader")
    }

    /// The name of a member that does not lead.
    pub fn follower(&self) -> String {
        let status = self.status("demo");
        let follows = |name: &String| Some(name) != status.leader.as_ref();
        status.members.iter().map(|one| one.name.clone()).find(follows).expect("a follower")
    }

    /// The names of the Pods there are, those that end left out.
    pub fn pods(&self) -> Vec<String> {
        let list = self.wait_for(self.api::<Pod>().list_metadata(&ListParams::default())).expect("an answer");
        let stays = |pod: &&PartialObjectMeta<Pod>| pod.metadata.deletion_timestamp.is_none();
        list.items.iter().filter(stays).map(ResourceExt::name_any).collect()
    }

    /// The names of the claims there are.
    pub fn claims(&self) -> Vec<String> {
        let list = self.wait_for(self.api::<PersistentVolumeClaim>().list_metadata(&ListParams::default()));
        list.expect("an answer").items.iter().map(ResourceExt::name_any).collect()
    }

    /// The address of a member's Pod.
    pub fn address(&self, member: &str) -> String {
        let pod = self.wait_for(self.api::<Pod>().get(member)).expect("an answer");
        pod.status.and_then(|status| status.pod_ip).expect("an address")
    }

    /// The UID of a Pod.
    pub fn pod_uid(&self, name: &str) -> Option<String> {
        let pod = self.wait_for(self.api::<Pod>().get_metadata_opt(name)).expect("an answer");
        pod.filter(|pod| pod.metadata.deletion_timestamp.is_none()).and_then(|pod| pod.metadata.uid)
    }

    /// The UIDs of the Pods of the members, in the order of their names.
    pub fn pod_uids(&self) -> Vec<Option<String>> {
        self.names().iter().map(|name| self.pod_uid(name)).collect()
    }

    /// Waits until a Pod that is being deleted is gone and there is another one, and answers how long there was none.
    pub fn absence(&self, name: &str) -> Duration {
        use futures::{StreamExt, TryStreamExt};

        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        self.wait_for(async {
            let mut events = watcher(self.api::<Pod>(), config).boxed();
            let mut gone = None;
            loop {
                match events.try_next().await.expect("a watch that is not cut") {
                    Some(watcher::Event::Delete(_)) => gone = Some(Instant::now()),
                    Some(watcher::Event::Apply(_)) => {
                        if let Some(gone) = gone {
                            return gone.elapsed();
                        }
                    }
                    _ => {}
                }
            }
        })
    }

    /// Whether Kubernetes calls a Pod ready.
    pub fn pod_ready(&self, name: &str) -> bool {
        let pod = self.wait_for(self.api::<Pod>().get_opt(name)).expect("an answer");
        let conditions =
            pod.and_then(|pod| pod.status).and_then(|status| status.conditions).unwrap_or_default();
        conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True")
    }

    /// The EtcdMembers there are.
    pub fn members(&self) -> Vec<EtcdMember> {
        let list = self.wait_for(self.api::<EtcdMember>().list(&ListParams::default()));
        list.expect("an answer").items
    }

    /// The notes of the Events about the cluster.
    pub fn events(&self) -> Vec<String> {
        let list = self.wait_for(self.api::<Event>().list(&ListParams::default())).expect("an answer");
        let about = |event: &Event| event.involved_object.kind.as_deref() == Some("EtcdCluster");
        list.items
            .into_iter()
            .filter(about)
            .map(|event| {
                format!("{}: {}", event.reason.unwrap_or_default(), event.message.unwrap_or_default())
            })
            .collect()
    }

    /// Deletes a Pod, as `kubectl delete pod` does without waiting.
    pub fn delete_pod(&self, name: &str) {
        self.kubectl.must(&["delete", "pod", name, "--wait=false"], "");
    }

    /// Asks for the eviction of a Pod, once.
    pub fn evict(&self, name: &str) -> Said {
        let namespace = self.kubectl.name();
        let body = format!(
            r#"{{"apiVersion":"policy/v1","kind":"Eviction","metadata":{{"name":"{name}","namespace":"{namespace}"}}}}"#
        );
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction");
        self.kubectl.run(&["create", "--raw", &path, "--filename", "-"], &body)
    }

    /// Deletes a Pod with its claim.
    pub fn delete_with_data(&self, name: &str) {
        self.kubectl.must(&["delete", "pvc", name, "--wait=false"], "");
        self.kubectl.must(&["delete", "pod", name, "--wait=false", "--grace-period=0", "--force"], "");
    }

    /// The addresses behind the client Service that are ready, kept up to date by a watch.
    pub fn endpoints(&self, service: &str) -> Endpoints {
        self.endpoints_by(service, ready)
    }

    /// The same with URLs as they are made of each slice.
    pub fn endpoints_by(
        &self,
        service: &str,
        urls: impl Fn(&EndpointSlice) -> Vec<String> + Send + 'static,
    ) -> Endpoints {
        use futures::TryStreamExt;

        let known: Arc<Mutex<std::collections::BTreeMap<String, Vec<String>>>> = Arc::default();
        let selector = format!("kubernetes.io/service-name={service}");
        let config = watcher::Config::default().labels(&selector);
        let shared = Arc::clone(&known);
        let namespace = self.kubectl.name().to_owned();
        // A thread of its own, which ends with the process: the load asks while the test waits for something else.
        std::thread::spawn(move || {
            runtime().block_on(async move {
                let client = Client::try_default().await.expect("KUBECONFIG names a cluster");
                let mut events =
                    Box::pin(watcher(Api::<EndpointSlice>::namespaced(client, &namespace), config));
                loop {
                    let (slice, there) = match events.try_next().await {
                        Ok(Some(watcher::Event::Apply(slice) | watcher::Event::InitApply(slice))) => {
                            (slice, true)
                        }
                        Ok(Some(watcher::Event::Delete(slice))) => (slice, false),
                        Ok(Some(_)) => continue,
                        _ => {
                            tokio::time::sleep(LOOK).await;
                            continue;
                        }
                    };
                    let urls = if there { urls(&slice) } else { Vec::new() };
                    shared.lock().unwrap().insert(slice.name_any(), urls);
                }
            })
        });
        Arc::new(move || known.lock().unwrap().values().flatten().cloned().collect())
    }

    /// Begins to put `rate` keys a second through the addresses of the client Service.
    pub fn load(&self, rate: u32) -> Loaded {
        let turn = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        Loaded { load: self.load_beside(rate), _turn: turn }
    }

    /// A load of a few puts a second, which does not wait for its turn.
    pub fn load_beside(&self, rate: u32) -> Load {
        self.load_at(self.endpoints("demo"), PathBuf::new(), rate)
    }

    /// The same at such endpoints; `tls` is the folder with what clients under TLS need. Where a test has the machine for
    /// itself, `QUORATE_E2E_RATE` says how many puts a second.
    pub fn load_at(&self, endpoints: Endpoints, tls: PathBuf, rate: u32) -> Load {
        let rate = std::env::var("QUORATE_E2E_RATE").ok().and_then(|rate| rate.parse().ok()).unwrap_or(rate);
        let start = Instant::now();
        while endpoints().len() < 3 {
            assert!(start.elapsed() < Duration::from_secs(20), "the client Service has {:?}", endpoints());
            std::thread::sleep(LOOK);
        }
        Load::secured(endpoints, tls, rate)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        println!("{} was there for {:.0} s", self.kubectl.name(), self.began.elapsed().as_secs_f64());
    }
}

/// Waits until every namespace that is being deleted is gone: the operator has work with what is in it.
pub fn until_all_gone() {
    let start = Instant::now();
    runtime().block_on(async {
        let api = Api::<v1::Namespace>::all(Client::try_default().await.expect("KUBECONFIG names a cluster"));
        loop {
            let list = api.list_metadata(&ListParams::default()).await.expect("an answer");
            if list.items.iter().all(|one| one.metadata.deletion_timestamp.is_none()) {
                return;
            }
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "namespaces that were deleted are still there"
            );
            tokio::time::sleep(3 * LOOK).await;
        }
    });
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The plain URLs of the addresses of a slice that are ready.
pub fn ready(slice: &EndpointSlice) -> Vec<String> {
    addresses(slice).map(|address| format!("http://{address}:2379")).collect()
}

/// The addresses of a slice that are ready.
pub fn addresses(slice: &EndpointSlice) -> impl Iterator<Item = &String> {
    slice
        .endpoints
        .iter()
        .filter(|one| one.conditions.as_ref().and_then(|conditions| conditions.ready) == Some(true))
        .flat_map(|one| &one.addresses)
}

/// Where a port of the client Service ends at the addresses of a slice.
pub fn port(slice: &EndpointSlice, name: &str) -> Option<i32> {
    let ports = slice.ports.iter().flatten();
    ports.filter(|port| port.name.as_deref() == Some(name)).find_map(|port| port.port)
}
