//! Puts at a steady rate, as a client does that follows the cluster's status; and the proof that none was lost.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    io::{Seek, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use etcd_client::{Channel, Client, ConnectOptions, GetOptions};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector};
use hyper_util::client::legacy::connect::HttpConnector;
use quorate::{etcd::tls_config, pki::SecretKey};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::sync::OnceCell;
use tower::{ServiceExt, util::BoxCloneSyncService};

use super::up::read_status;

/// How long one try may take.
const TRY: Duration = Duration::from_secs(1);
/// How often the endpoints are read from the status.
const FOLLOW: Duration = Duration::from_millis(50);
/// How often the disk is tried.
const PROBE: Duration = Duration::from_millis(100);
/// How long a cluster has to answer the read at the end.
const READ: Duration = Duration::from_secs(30);

/// How many loads this program has begun. Each has keys of its own: a key that an earlier load of the same cluster wrote
/// would hide that this one lost it.
static LOADS: AtomicUsize = AtomicUsize::new(0);

/// A running load.
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Outcome>,
    disk: JoinHandle<Duration>,
    door: Arc<Door>,
    prefix: String,
}

/// Where the cluster is found, and with what.
struct Door {
    endpoints: Endpoints,
    /// The folder with ca.crt, client.crt and client.key, for URLs under TLS, and with the name that servers have to show, if
    /// it is not that of the URL. Read at each new connection.
    tls: PathBuf,
}

/// Where clients are told to go, asked again and again.
pub type Endpoints = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Puts that were begun.
    pub puts: usize,
    /// Puts whose first try failed.
    pub first_failed: usize,
    /// Puts that failed after one retry at another endpoint.
    pub failed: usize,
    /// Acknowledged puts: key number and when.
    acked: BTreeMap<usize, Instant>,
    /// When the first put was to be begun, and when the last.
    began: Option<Instant>,
    ended: Option<Instant>,
    /// Acknowledged and not there at the end.
    pub lost: usize,
    /// The longest time in which the load itself did not get to begin a put.
    pub held_up: Duration,
    /// The longest time that it took meanwhile to get a page of nobody's to the disk.
    pub disk: Duration,
}

impl Outcome {
    /// The times without an acknowledgement, longest first: between two of them, before the first and after the last.
    pub fn gaps(&self) -> Vec<Duration> {
        let last = self.acked.values().max();
        let ended = self.ended.filter(|ended| last.is_none_or(|last| last < ended));
        let mut times: Vec<_> = self.acked.values().copied().chain(self.began).chain(ended).collect();
        times.sort_unstable();
        let mut gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort_unstable_by(|a, b| b.cmp(a));
        gaps
    }

    /// How many were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acked.len()
    }

    /// The longest time without an acknowledged put.
    pub fn longest_gap(&self) -> Duration {
        self.gaps().first().copied().unwrap_or_default()
    }

    /// For how long there was no acknowledged put at the end.
    pub fn silent_at_the_end(&self) -> Duration {
        let last = self.acked.values().max().copied().or(self.began);
        last.zip(self.ended).map(|(last, ended)| ended.saturating_duration_since(last)).unwrap_or_default()
    }

    /// Fails unless most puts were acknowledged: a load that was hardly ever let in has nothing to lose.
    pub fn assert_most_acknowledged(&self, what: &str) {
        let (puts, acknowledged) = (self.puts, self.acknowledged());
        assert!(acknowledged * 2 > puts, "{what}: of {puts} puts only {acknowledged} were acknowledged");
    }

    /// Fails if there was no acknowledged put for longer than `bound`, and that was not the machine.
    ///
    /// The load shares the machine with the cluster and with other tests. What is not begun can't be acknowledged, and
    /// whoever held the load up may have held the members up just before or after: so the longest time in which the load
    /// itself stood still is granted on top of the bound, and so is the longest time in which the disk did. On a machine that
    /// has time for all of them that is a few milliseconds.
    pub fn assert_gap(&self, what: &str, bound: Duration) {
        let (gap, held_up, disk) = (self.longest_gap(), self.held_up, self.disk);
        assert!(
            gap <= bound + held_up.max(disk),
            "{what}: no put was acknowledged for {gap:.0?}; {bound:?} is allowed, and the load itself was held up for \
             {held_up:.0?} at the most, the disk for {disk:.0?}"
        );
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} puts, {} acknowledged, gap {} ms, the load itself held up for {} ms, the disk for {} ms, first tries \
             failed {}, after a retry {}, lost {}",
            self.puts,
            self.acknowledged(),
            self.longest_gap().as_millis(),
            self.held_up.as_millis(),
            self.disk.as_millis(),
            self.first_failed,
            self.failed,
            self.lost
        )
    }
}

impl Load {
    /// Begins to put `rate` keys a second into the cluster of a folder.
    pub fn start(dir: &Path, rate: u32) -> Self {
        let tls = dir.join("tls");
        let dir = dir.to_owned();
        Self::secured(Arc::new(move || endpoints(&dir)), tls, rate)
    }

    /// Begins to put `rate` keys a second where `endpoints` says, in plain text.
    pub fn at(endpoints: Endpoints, rate: u32) -> Self {
        Self::secured(endpoints, PathBuf::new(), rate)
    }

    /// The same under TLS, where a URL says so; `tls` is a folder with ca.crt, client.crt and client.key, and with the name
    /// that servers have to show in `name`, if that is not the one in the URL.
    pub fn secured(endpoints: Endpoints, tls: PathBuf, rate: u32) -> Self {
        let door = Arc::new(Door { endpoints, tls });
        let stop = Arc::new(AtomicBool::new(false));
        // Several programs may load one cluster.
        let number = LOADS.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("load/{}/{number}/", std::process::id());
        let thread = {
            let (stop, door, prefix) = (Arc::clone(&stop), Arc::clone(&door), prefix.clone());
            std::thread::spawn(move || run(door, &prefix, rate, &stop))
        };
        let disk = {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || slowest_page(&stop))
        };
        Self { stop, thread, disk, door, prefix }
    }

    /// Ends it, and reads every acknowledged key back.
    pub fn finish(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        let mut outcome = self.thread.join().unwrap();
        outcome.disk = self.disk.join().unwrap();
        outcome.lost = lost(&self.door, &self.prefix, &outcome.acked);
        outcome
    }
}

/// The longest time that a page takes to the disk on which tests have their folders.
fn slowest_page(stop: &AtomicBool) -> Duration {
    let mut file = tempfile::tempfile().unwrap();
    let mut slowest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        file.rewind().and_then(|()| file.write_all(&[0; 4096])).and_then(|()| file.sync_data()).unwrap();
        slowest = slowest.max(began.elapsed());
        std::thread::sleep(PROBE);
    }
    slowest
}

/// Where clients are told to go: members that are ready.
pub fn endpoints(dir: &Path) -> Vec<String> {
    read_status(dir).members.into_iter().filter(|one| one.ready).map(|one| one.client_url).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A client of the member at a plain URL.
pub async fn connect(url: &str) -> Option<Client> {
    let options = ConnectOptions::new().with_connect_timeout(TRY).with_timeout(TRY);
    Client::connect([url], Some(options)).await.ok()
}

/// A client of the member at a URL; under TLS with the certificates in a folder.
pub async fn connect_with(url: &str, tls: &Path) -> Option<Client> {
    if !url.starts_with("https://") {
        return connect(url).await;
    }
    let read = |name: &str| std::fs::read_to_string(tls.join(name)).ok();
    let key = SecretKey::new(read("client.key")?);
    let config = tls_config(&read("ca.crt")?, Some((&read("client.crt")?, &key))).ok()?;
    connect_to(url, config, read("name").and_then(|name| ServerName::try_from(name).ok())).await
}

/// A client of the member at a URL under TLS.
pub async fn connect_as(url: &str, config: ClientConfig) -> Option<Client> {
    connect_to(url, config, None).await
}

/// The same, of a member that has to show a name which is not the one in the URL.
async fn connect_to(
    url: &str,
    mut config: ClientConfig,
    name: Option<ServerName<'static>>,
) -> Option<Client> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let endpoint = tonic::transport::Endpoint::from_shared(url.to_owned()).ok()?.connect_timeout(TRY);
    let connector = match name {
        Some(name) => HttpsConnector::new(tcp, config, false, Arc::new(FixedServerNameResolver::new(name))),
        None => HttpsConnector::from((tcp, Arc::new(config))),
    };
    let channel = endpoint.connect_with_connector_lazy(connector);
    let channel = Channel::Custom(BoxCloneSyncService::new(channel.map_err(tower::BoxError::from)));
    Client::from_channel(channel, None).await.ok()
}

struct Shared {
    door: Arc<Door>,
    prefix: String,
    /// One connection to each endpoint, made by the first that wants it: one for every put that waits would be a storm.
    clients: Mutex<HashMap<String, Arc<OnceCell<Client>>>>,
    endpoints: Mutex<Vec<String>>,
    outcome: Mutex<Outcome>,
    turn: AtomicUsize,
}

fn run(door: Arc<Door>, prefix: &str, rate: u32, stop: &AtomicBool) -> Outcome {
    let shared = Arc::new(Shared {
        prefix: prefix.to_owned(),
        clients: Mutex::default(),
        endpoints: Mutex::new((door.endpoints)()),
        door,
        outcome: Mutex::default(),
        turn: AtomicUsize::new(0),
    });
    runtime().block_on(tokio::task::LocalSet::new().run_until(async {
        let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
        // Making up for what was missed would overload a cluster that was only away for a moment, or a client that was.
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let (mut followed, mut begun) = (Instant::now(), Instant::now());
        shared.outcome.lock().unwrap().began = Some(begun);
        let mut tasks = tokio::task::JoinSet::new();
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            tick.tick().await;
            let waited = std::mem::replace(&mut begun, Instant::now()).elapsed();
            {
                let mut outcome = shared.outcome.lock().unwrap();
                outcome.held_up = outcome.held_up.max(waited);
            }
            if followed.elapsed() >= FOLLOW {
                followed = Instant::now();
                let now = (shared.door.endpoints)();
                if !now.is_empty() {
                    shared.clients.lock().unwrap().retain(|url, _| now.contains(url));
                    *shared.endpoints.lock().unwrap() = now;
                }
            }
            tasks.spawn_local(put(Arc::clone(&shared), number));
            number += 1;
            while tasks.try_join_next().is_some() {}
        }
        shared.outcome.lock().unwrap().ended = Some(Instant::now());
        while tasks.join_next().await.is_some() {}
    }));
    let mut outcome = shared.outcome.lock().unwrap();
    std::mem::take(&mut *outcome)
}

async fn put(shared: Arc<Shared>, number: usize) {
    shared.outcome.lock().unwrap().puts += 1;
    let turn = shared.turn.fetch_add(1, Ordering::Relaxed);
    for attempt in 0..2 {
        let url = {
            let endpoints = shared.endpoints.lock().unwrap();
            endpoints.get((turn + attempt) % endpoints.len().max(1)).cloned().unwrap_or_default()
        };
        let acked = tokio::time::timeout(TRY, put_at(&shared, &url, number)).await.unwrap_or(false);
        let mut outcome = shared.outcome.lock().unwrap();
        match (acked, attempt) {
            (true, _) => {
                outcome.acked.insert(number, Instant::now());
                return;
            }
            (false, 0) => outcome.first_failed += 1,
            (false, _) => outcome.failed += 1,
        }
    }
}

async fn put_at(shared: &Shared, url: &str, number: usize) -> bool {
    let connection = Arc::clone(shared.clients.lock().unwrap().entry(url.to_owned()).or_default());
    let made =
        connection.get_or_try_init(|| async { connect_with(url, &shared.door.tls).await.ok_or(()) }).await;
    let Ok(mut client) = made.cloned() else { return false };
    client.put(key(&shared.prefix, number), number.to_string(), None).await.is_ok()
}

fn key(prefix: &str, number: usize) -> String {
    format!("{prefix}{number:08}")
}

/// How many of the acknowledged keys a linearizable read does not find. The cluster may need a moment to serve again.
fn lost(door: &Door, prefix: &str, acked: &BTreeMap<usize, Instant>) -> usize {
    let start = Instant::now();
    let found = loop {
        let urls = (door.endpoints)();
        match runtime().block_on(read(&urls, &door.tls, prefix)) {
            Some(found) => break found,
            None => assert!(start.elapsed() < READ, "no member of {urls:?} answers a linearizable read"),
        }
        std::thread::sleep(FOLLOW);
    };
    acked.keys().filter(|number| !found.contains(&key(prefix, **number))).count()
}

/// The keys that the first member to answer has.
async fn read(endpoints: &[String], tls: &Path, prefix: &str) -> Option<HashSet<String>> {
    for url in endpoints {
        let Some(mut client) = connect_with(url, tls).await else { continue };
        let options = GetOptions::new().with_prefix().with_keys_only();
        let asked = tokio::time::timeout(TRY * 5, client.get(prefix, Some(options))).await;
        let Ok(Ok(found)) = asked else { continue };
        return Some(found.kvs().iter().map(|kv| String::from_utf8_lossy(kv.key()).into_owned()).collect());
    }
    None
}
