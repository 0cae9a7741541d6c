//! What is in etcd, as somebody else sees it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use etcd_client::{Client, ConnectOptions, EventType, GetOptions, PutOptions, WatchOptions};
use tokio::task::JoinHandle;

/// A client of a test.
#[derive(Clone)]
pub struct Registry {
    pub client: Client,
}

/// A change of a key, and when it was seen.
#[derive(Debug, Clone)]
pub struct Change {
    pub key: String,
    /// The value; nothing when the key was deleted.
    pub value: Option<String>,
    pub at: Instant,
}

/// All changes below a prefix from now on.
pub struct Watcher {
    changes: Arc<Mutex<Vec<Change>>>,
    task: JoinHandle<()>,
}

impl Registry {
    pub async fn connect(url: &str) -> Self {
        Self { client: Client::connect([url], None).await.unwrap() }
    }

    pub async fn login(url: &str, user: &str, password: &str) -> Self {
        let options = ConnectOptions::new().with_user(user, password);
        Self { client: Client::connect([url], Some(options)).await.unwrap() }
    }

    /// Keys and values below a prefix.
    pub async fn all(&self, prefix: &str) -> BTreeMap<String, String> {
        let options = GetOptions::new().with_prefix();
        let found = self.client.kv_client().get(prefix, Some(options)).await.unwrap();
        found
            .kvs()
            .iter()
            .map(|one| (one.key_str().unwrap().into(), one.value_str().unwrap().into()))
            .collect()
    }

    pub async fn keys(&self, prefix: &str) -> Vec<String> {
        self.all(prefix).await.into_keys().collect()
    }

    pub async fn value(&self, key: &str) -> Option<String> {
        let found = self.client.kv_client().get(key, None).await.unwrap();
        found.kvs().first().map(|one| one.value_str().unwrap().to_owned())
    }

    pub async fn lease_of(&self, key: &str) -> i64 {
        self.client.kv_client().get(key, None).await.unwrap().kvs()[0].lease()
    }

    pub async fn put(&self, key: &str, value: &str, lease: i64) {
        let options = PutOptions::new().with_lease(lease);
        self.client.kv_client().put(key, value, Some(options)).await.unwrap();
    }

    pub async fn delete(&self, key: &str) {
        self.client.kv_client().delete(key, None).await.unwrap();
    }

    /// The revision of the store: it grows with every write.
    pub async fn revision(&self) -> i64 {
        self.client.kv_client().get("x", None).await.unwrap().header().unwrap().revision()
    }

    pub async fn watch(&self, prefix: &str) -> Watcher {
        let options = WatchOptions::new().with_prefix();
        let mut stream = self.client.watch_client().watch(prefix, Some(options)).await.unwrap();
        let changes: Arc<Mutex<Vec<Change>>> = Arc::default();
        let seen = Arc::clone(&changes);
        let task = tokio::spawn(async move {
            while let Ok(Some(answer)) = stream.message().await {
                let at = Instant::now();
                for event in answer.events() {
                    let Some(one) = event.kv() else { continue };
                    let value =
                        (event.event_type() == EventType::Put).then(|| one.value_str().unwrap().to_owned());
                    seen.lock().unwrap().push(Change { key: one.key_str().unwrap().to_owned(), value, at });
                }
            }
        });
        Watcher { changes, task }
    }
}

impl Watcher {
    pub fn changes(&self) -> Vec<Change> {
        self.changes.lock().unwrap().clone()
    }

    /// Keys that were deleted.
    pub fn deleted(&self) -> Vec<String> {
        self.changes().into_iter().filter(|one| one.value.is_none()).map(|one| one.key).collect()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}
