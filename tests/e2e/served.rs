//! What the client Service points at, watched as things change: never at a member that does not serve.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::TryStreamExt;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Api, Client, ResourceExt, runtime::watcher};
use quorate::{api::EtcdCluster, kubernetes::labels};

use crate::{
    common::{SECONDS, load::connect},
    place::{Place, ready, runtime},
};

#[derive(Debug, Default)]
struct Seen {
    /// The URLs of the addresses that are ready, by the slices they are in.
    now: BTreeMap<String, BTreeSet<String>>,
    /// How many there were at the least since that was asked last.
    fewest: Option<usize>,
    /// How many became ready.
    met: usize,
    wrong: Vec<String>,
}

impl Seen {
    fn urls(&self) -> BTreeSet<String> {
        self.now.values().flatten().cloned().collect()
    }
}

/// A watch that lasts as long as the process.
pub struct Served(Arc<Mutex<Seen>>);

impl Served {
    /// Begins to watch the client Service of `demo`, a cluster in plain text, which need not be there yet.
    pub fn watch(place: &Place) -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let (shared, namespace) = (Arc::clone(&seen), place.kubectl.name().to_owned());
        std::thread::spawn(move || runtime().block_on(follow(&namespace, &shared)));
        Self(seen)
    }

    /// The smallest number of addresses that were ready at a time, from the last time this was asked until now.
    pub fn fewest(&self) -> usize {
        let mut seen = self.0.lock().unwrap();
        let now = seen.urls().len();
        seen.fewest.replace(now).unwrap_or(now)
    }

    /// Waits until so many addresses are ready: a cluster is it a moment before its Service knows.
    pub fn wait_for(&self, addresses: usize) {
        let start = std::time::Instant::now();
        while self.0.lock().unwrap().urls().len() != addresses {
            assert!(start.elapsed() < SECONDS(20), "{:#?}", self.0.lock().unwrap());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Checks that every address was that of a voter of a cluster that had formed, and that there were so many.
    pub fn assert_only_voters(&self, at_least: usize) {
        let seen = self.0.lock().unwrap();
        println!("{} addresses became ready in the client Service", seen.met);
        assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
        assert!(seen.met >= at_least, "{seen:#?}");
    }
}

async fn follow(namespace: &str, seen: &Mutex<Seen>) {
    let client = Client::try_default().await.expect("KUBECONFIG names a cluster");
    let clusters: Api<EtcdCluster> = Api::namespaced(client.clone(), namespace);
    let config = watcher::Config::default().labels("kubernetes.io/service-name=demo");
    let mut events = Box::pin(watcher(Api::<EndpointSlice>::namespaced(client, namespace), config));
    loop {
        let (slice, urls) = match events.try_next().await {
            Ok(Some(watcher::Event::Apply(slice) | watcher::Event::InitApply(slice))) => {
                (slice.name_any(), ready(&slice).into_iter().collect())
            }
            Ok(Some(watcher::Event::Delete(slice))) => (slice.name_any(), BTreeSet::new()),
            Ok(Some(_)) => continue,
            _ => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let new: Vec<_> = {
            let mut seen = seen.lock().unwrap();
            let before = seen.urls();
            seen.now.insert(slice, urls);
            let now = seen.urls();
            seen.fewest = seen.fewest.map(|fewest| fewest.min(now.len()));
            let new: Vec<_> = now.difference(&before).cloned().collect();
            seen.met += new.len();
            new
        };
        if new.is_empty() {
            continue;
        }
        // At once: what was not so yet may be so a moment later.
        let mut wrong = Vec::new();
        let formed = clusters.get_opt("demo").await.expect("an answer");
        if !formed.is_some_and(|one| one.annotations().contains_key(labels::CLUSTER_ID)) {
            wrong.push(format!("{new:?} are ready, and the cluster has not formed"));
        }
        for url in &new {
            match learner(url).await {
                Some(false) => {}
                Some(true) => wrong.push(format!("{url} is ready, and a learner")),
                None => wrong.push(format!("{url} is ready, and does not answer")),
            }
        }
        seen.lock().unwrap().wrong.extend(wrong);
    }
}

/// Whether a member is a learner; nothing if it does not serve within some seconds, in which a busy machine may let it wait.
async fn learner(url: &str) -> Option<bool> {
    let ask = async {
        loop {
            if let Some(mut client) = connect(url).await
                && let Ok(status) = client.status().await
            {
                return status.is_learner();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SECONDS(5), ask).await.ok()
}
