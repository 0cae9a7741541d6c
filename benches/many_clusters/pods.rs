//! What runs in the Pods: guards that say what guards say, and the members of acted etcd clusters.

use std::{
    collections::{BTreeSet, HashMap},
    net::Ipv4Addr,
    sync::{Mutex, MutexGuard},
};

use jiff::Timestamp;
use quorate::{
    member::guard::words::{Assignment, GuardState, Phase, Start},
    plan::{Admission, ClusterState},
};

use super::etcd::{Etcd, Refusal};

/// All Pods, volumes and etcd clusters.
#[derive(Default)]
pub struct Pods {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pods: HashMap<Ipv4Addr, Pod>,
    etcds: HashMap<String, Etcd>,
    /// The members whose volumes hold data.
    data: BTreeSet<String>,
}

struct Pod {
    cluster: String,
    assignment: Assignment,
    told: Option<Admission>,
    since: Option<Timestamp>,
    /// The member's ID, once its etcd runs.
    id: u64,
}

impl Pods {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A Pod got an address: its guard begins. A member that has data starts at once.
    pub fn begin(&self, address: Ipv4Addr, cluster: &str, assignment: Assignment) {
        let mut state = self.lock();
        let known = state.data.contains(&assignment.name.0);
        let pod = Pod { cluster: cluster.to_owned(), assignment, told: None, since: None, id: 0 };
        state.pods.insert(address, pod);
        if known {
            state.run(address, None);
        }
    }

    /// A Pod is gone, and its processes with it.
    pub fn end(&self, address: Ipv4Addr) {
        let mut state = self.lock();
        if let Some(pod) = state.pods.remove(&address)
            && let Some(etcd) = state.etcds.get_mut(&pod.cluster)
        {
            etcd.stop(pod.id);
        }
    }

    /// A claim is gone, and its volume with it.
    pub fn wipe(&self, member: &str) {
        self.lock().data.remove(member);
    }

    /// `GET /state`.
    pub fn guard(&self, address: Ipv4Addr) -> Option<GuardState> {
        let state = self.lock();
        let pod = state.pods.get(&address)?;
        let listed = || state.etcds.get(&pod.cluster).is_some_and(|etcd| etcd.lists(pod.id));
        let phase = match pod.since {
            None => Phase::Waiting,
            Some(_) if listed() => Phase::Running,
            Some(_) => Phase::Refused,
        };
        let known = state.data.contains(&pod.assignment.name.0);
        Some(GuardState {
            phase,
            unfit: None,
            why: (phase != Phase::Running).then(|| "it waits, or was removed from its cluster".into()),
            started: known || pod.assignment.started,
            present: known,
            since: pod.since,
            told: pod.told.clone(),
            snapshots: Vec::new(),
        })
    }

    /// `POST /start`.
    pub fn start(&self, address: Ipv4Addr, body: &[u8]) -> bool {
        let Ok(Start { admission }) = serde_json::from_slice(body) else { return false };
        let mut state = self.lock();
        let waiting = state.pods.get(&address).is_some_and(|pod| pod.since.is_none());
        if waiting {
            state.run(address, Some(admission));
        }
        waiting
    }

    /// Whether there is a member that runs, and `/readyz` of it says so.
    pub fn ready(&self, address: Ipv4Addr) -> bool {
        self.with_etcd(address, |etcd, id| etcd.ready(id)).unwrap_or_default()
    }

    /// `GET /members` of a peer URL.
    pub fn hearsay(&self, address: Ipv4Addr) -> Option<serde_json::Value> {
        self.with_etcd(address, |etcd, _| etcd.hearsay())
    }

    /// A call of gRPC; nobody answers where no etcd runs.
    pub fn call(&self, address: Ipv4Addr, path: &str, request: &[u8]) -> Option<Result<Vec<u8>, Refusal>> {
        self.with_etcd(address, |etcd, id| etcd.answer(id, path, request))
    }

    fn with_etcd<T>(&self, address: Ipv4Addr, work: impl FnOnce(&mut Etcd, u64) -> T) -> Option<T> {
        let State { pods, etcds, .. } = &mut *self.lock();
        let pod = pods.get(&address).filter(|pod| pod.since.is_some())?;
        Some(work(etcds.get_mut(&pod.cluster)?, pod.id))
    }
}

impl State {
    /// Starts etcd in a Pod: for the first time with an admission, again without.
    fn run(&mut self, address: Ipv4Addr, admission: Option<Admission>) {
        let Some(pod) = self.pods.get_mut(&address) else { return };
        let count = u64::try_from(self.etcds.len()).unwrap() + 1;
        let etcd = self.etcds.entry(pod.cluster.clone()).or_default();
        let Assignment { name, peer_url, .. } = &pod.assignment;
        pod.id = match &admission {
            Some(admission) if admission.state == ClusterState::New => {
                let list = admission.initial_cluster.iter().map(|peer| (peer.name.clone(), peer.url.clone()));
                etcd.found(count << 32, &name.0, list)
            }
            _ => etcd.join(&name.0, peer_url),
        };
        pod.told = admission;
        pod.since = Some(Timestamp::now());
        self.data.insert(name.0.clone());
    }
}
