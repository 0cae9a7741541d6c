//! The loop: events wake it, it looks at what they name, and hands what follows to the writer.
//!
//! The first event is looked at at once; those that come meanwhile are looked at together afterwards. An event is only a
//! hint: what counts is what the engine says when it is asked. Now and then, and after every break of the stream,
//! everything is listed, so that an event that got lost costs time and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

use super::{
    cli::Settings,
    diff::Entries,
    docker::{Engine, EngineError, Heard},
    etcd::writer::Writer,
    host,
    known::{Frame, Known, News},
    metrics::Metrics,
    serve,
};

/// Why the program ends by itself, which it does only before it has once begun.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// This host can't be known to others.
    #[error(transparent)]
    Host(#[from] host::HostError),
    /// The engine did not answer.
    #[error(transparent)]
    Engine(#[from] super::docker::EngineError),
    /// etcd did not answer.
    #[error(transparent)]
    Etcd(#[from] super::etcd::Trouble),
    /// The address of `-listen` can't be opened.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Nothing more is done for the host.
    #[error("the task that writes to etcd ended")]
    WriterEnded,
}

/// How many containers are inspected at once.
const AT_ONCE: usize = 8;

/// When a list is repeated after the events were subscribed to: the engine may have answered the first one before it
/// began to send.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// What the watching task tells the loop.
enum Told {
    /// An event.
    Heard(Heard),
    /// The stream is new: anything may have happened before it.
    Subscribed,
}

/// Runs until `stop` ends.
///
/// # Errors
/// When the engine or etcd can't be reached at the start as often as was asked for.
pub async fn run(settings: Settings, stop: impl Future<Output = ()>) -> Result<(), RunError> {
    let metrics = Metrics::new();
    let serving = match settings.listen {
        None => None,
        Some(address) => match tokio::net::TcpListener::bind(address).await {
            Ok(listener) => Some(Task(tokio::spawn(serve::serve(listener, metrics.clone())))),
            Err(source) => return Err(RunError::Listen { address, source }),
        },
    };
    tokio::pin!(stop);
    let begun = tokio::select! {
        begun = begin(&settings, &metrics) => begun?,
        () = &mut stop => return Ok(()),
    };
    let Begun { engine, writer, frame } = begun;
    if settings.dry_run {
        return dry_run(&engine, frame).await;
    }
    let (wishes, wish) = watch::channel(None);
    let (leave, left) = oneshot::channel();
    let mut writing = tokio::spawn(writer.run(wish, left));
    let (tell, told) = mpsc::unbounded_channel();
    let _watching = Task(tokio::spawn(watch(engine.clone(), tell, metrics.clone())));
    let looking = Looking {
        known: Known::new(frame),
        engine,
        metrics,
        wishes,
        started: Instant::now(),
        dirty: BTreeSet::new(),
        fingerprints: BTreeMap::new(),
        refused: BTreeMap::new(),
        duplicates: Vec::new(),
        trouble: None,
        resync: settings.resync,
        on_stop: settings.on_stop,
    };
    let result = tokio::select! {
        () = &mut stop => Ok(()),
        () = looking.run(told) => Err(RunError::WriterEnded),
        _ = &mut writing => Err(RunError::WriterEnded),
    };
    if result.is_ok() {
        // The writer ends by itself within a second.
        let _ = leave.send(());
        let _ = writing.await;
    }
    drop(serving);
    result
}

/// A task that ends with the value that holds it.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Begun {
    engine: Engine,
    writer: Writer,
    frame: Frame,
}

/// Reaches etcd and the engine for the first time.
async fn begin(settings: &Settings, metrics: &Metrics) -> Result<Begun, RunError> {
    if let Some(ip) = &settings.rules.ip {
        tracing::info!("Forcing host IP to {ip}");
    }
    let host = host::find(settings).await?;
    let outputs = settings.outputs_of(&host.name);
    let corpses = settings.on_success.then(|| {
        // Without a lease nothing would ever end them; the original keeps them for ever, and so does this.
        settings.lease_ttl.map_or(u64::MAX, |ttl| u64::try_from(ttl).unwrap_or(0).saturating_mul(1000))
    });
    let mut writer = Writer::new(settings, outputs.clone(), &host.name, metrics.clone());
    tracing::info!("Using etcd adapter: {}", settings.uri);
    for (format, prefix) in &settings.outputs {
        tracing::info!("Writing {format} below {prefix} as host {:?}", host.name);
    }
    let mut attempt: u64 = 0;
    let engine = loop {
        let of = settings.retry_attempts.map_or("infinity".to_owned(), |most| most.to_string());
        tracing::info!("Connecting to backend ({attempt}/{of})");
        let error = match reach(settings, &mut writer).await {
            Ok(engine) => break engine,
            Err(error) => error,
        };
        if settings.retry_attempts.is_some_and(|most| attempt >= most) {
            return Err(error);
        }
        tracing::warn!("{error}");
        attempt += 1;
        sleep(settings.retry_interval).await;
    };
    if is_container_id(&host.name) {
        tracing::warn!(
            "the host name {:?} looks like the ID of a container, so keys will have another name after the next start: run \
             with --net=host, or give a name with -host-name",
            host.name
        );
    }
    let frame = Frame { rules: settings.rules.clone(), host, outputs, corpses };
    Ok(Begun { engine, writer, frame })
}

async fn reach(settings: &Settings, writer: &mut Writer) -> Result<Engine, RunError> {
    let engine = Engine::new(&settings.docker, settings.tags.clone(), settings.rules.ip_label.clone())?;
    let version = engine.version().await?;
    // The list has to work too: a socket proxy may allow less.
    engine.list().await?;
    if !settings.dry_run {
        writer.prepare().await?;
    }
    tracing::info!("the engine is {version}");
    Ok(engine)
}

fn is_container_id(name: &str) -> bool {
    name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Prints what would be written.
async fn dry_run(engine: &Engine, frame: Frame) -> Result<(), RunError> {
    let mut known = Known::new(frame);
    for one in engine.list().await? {
        if let Some(container) = engine.inspect(&one.id).await? {
            let id = container.short_id().to_owned();
            let news = known.put(container, 0);
            tell(&id, &news);
        }
    }
    for (key, wanted) in known.wish().entries {
        println!("{key} = {}", wanted.value);
    }
    Ok(())
}

/// Listens for ever. A stream that ends is subscribed to again, after a pause that grows while nothing comes of it.
async fn watch(engine: Engine, tell: mpsc::UnboundedSender<Told>, metrics: Metrics) {
    let mut pause = Duration::from_millis(100);
    let mut last = String::new();
    loop {
        let began = Instant::now();
        let mut events = engine.events();
        metrics.listening(true);
        if tell.send(Told::Subscribed).is_err() {
            return;
        }
        let mut why = "it ended".to_owned();
        let mut heard_any = false;
        while let Some(event) = events.next().await {
            match event {
                Ok(heard) => {
                    heard_any = true;
                    metrics.heard();
                    if tell.send(Told::Heard(heard)).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    metrics.docker_error();
                    why = error.to_string();
                    break;
                }
            }
        }
        metrics.listening(false);
        if began.elapsed() > Duration::from_secs(10) {
            pause = Duration::from_millis(100);
        }
        // An engine that is away for an hour is not worth a line for each try.
        if heard_any || why != last {
            tracing::warn!("the stream of events broke: {why}; subscribing again until it works");
        }
        last = why;
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// The loop and what it knows.
struct Looking {
    known: Known,
    engine: Engine,
    metrics: Metrics,
    wishes: watch::Sender<Option<Arc<Entries>>>,
    started: Instant,
    /// Containers to look at.
    dirty: BTreeSet<String>,
    /// What the list showed when a container was inspected last.
    fingerprints: BTreeMap<String, u64>,
    /// Names and IDs that made no key, by container.
    refused: BTreeMap<String, usize>,
    /// Keys that two services want, as they were told last.
    duplicates: Vec<String>,
    /// What the engine failed with last, so that it is said once.
    trouble: Option<String>,
    resync: Duration,
    on_stop: bool,
}

impl Looking {
    async fn run(mut self, mut told: mpsc::UnboundedReceiver<Told>) {
        tracing::info!("Listening for Docker events ...");
        let mut full = Instant::now();
        let mut first = true;
        let mut retry: Option<Instant> = None;
        loop {
            let expiry = self.known.next_expiry().map(|at| self.started + Duration::from_millis(at));
            let next = [Some(full), retry, expiry].into_iter().flatten().min().unwrap_or(full);
            let mut subscribed = false;
            tokio::select! {
                one = told.recv() => match one {
                    None => return,
                    Some(one) => subscribed |= self.hear(one),
                },
                () = sleep_until(next) => {}
            }
            while let Ok(one) = told.try_recv() {
                subscribed |= self.hear(one);
            }
            if subscribed {
                full = Instant::now();
            }
            self.metrics.pass_begins();
            let list = Instant::now() >= full;
            let mut fine = true;
            if list {
                full = Instant::now() + if subscribed { SECOND_LOOK } else { self.resync };
                fine = self.list(first).await;
                first &= !fine;
            }
            let mut changed = self.known.expire(self.now());
            // An engine that does not list does not inspect either.
            if fine {
                changed |= self.look().await;
            }
            let listed = list && fine;
            self.metrics.passed(listed);
            // Nothing is decided before everything was seen once: what is in etcd would look like too much.
            if !first && (changed || listed) {
                self.wish();
            }
            retry = (!fine || !self.dirty.is_empty()).then(|| Instant::now() + Duration::from_secs(1));
            if !fine {
                full = Instant::now() + Duration::from_secs(1);
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes an event in. Whether everything has to be listed.
    fn hear(&mut self, told: Told) -> bool {
        match told {
            Told::Subscribed => return true,
            Told::Heard(Heard::Container(id)) => {
                self.dirty.insert(id);
            }
            Told::Heard(Heard::Began(id)) => {
                self.known.began(&id);
                self.dirty.insert(id);
            }
            Told::Heard(Heard::Signal(id, signal)) => {
                if self.on_stop && self.known.asked_to_stop(&id, signal, self.now()) {
                    self.dirty.insert(id);
                }
            }
        }
        false
    }

    /// Lists, and marks what has to be looked at. Whether the engine answered.
    async fn list(&mut self, first: bool) -> bool {
        let all = match self.engine.list().await {
            Ok(all) => all,
            Err(error) => {
                self.complain(&error);
                return false;
            }
        };
        if self.trouble.take().is_some() {
            tracing::info!("the engine answers again");
        }
        if first {
            tracing::info!("Syncing services on {} containers", all.len());
        }
        let listed: BTreeMap<String, u64> = all.into_iter().map(|one| (one.id, one.fingerprint)).collect();
        let gone = self.known.keep_only(&|id| listed.contains_key(id));
        if gone.changed {
            self.wish();
        }
        for (id, fingerprint) in &listed {
            if self.known.container(id).is_none() || self.fingerprints.get(id) != Some(fingerprint) {
                self.dirty.insert(id.clone());
            }
        }
        self.fingerprints = listed;
        true
    }

    /// Counts a question without an answer, and says so unless it was said last.
    fn complain(&mut self, error: &EngineError) {
        self.metrics.docker_error();
        let words = error.to_string();
        if self.trouble.as_ref() != Some(&words) {
            tracing::warn!("{words}");
            self.trouble = Some(words);
        }
    }

    /// Inspects what was marked. Whether keys may have changed.
    async fn look(&mut self) -> bool {
        let mut changed = false;
        // A container that uses the network of another one may bring that one to light.
        for _ in 0..2 {
            let ids: Vec<String> = std::mem::take(&mut self.dirty).into_iter().collect();
            if ids.is_empty() {
                break;
            }
            let engine = &self.engine;
            let inspect = |id: String| async move {
                let found = engine.inspect(&id).await;
                (id, found)
            };
            let mut answers = stream::iter(ids).map(inspect).buffer_unordered(AT_ONCE);
            let mut failed = Vec::new();
            let mut trouble = None;
            while let Some((id, found)) = answers.next().await {
                let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
                let news = match found {
                    Ok(Some(container)) => {
                        let id = container.short_id().to_owned();
                        let before =
                            self.known.container(&container.id).map(|one| one.state.started_at.clone());
                        let again = before.as_ref() == Some(&container.state.started_at);
                        let running = container.state.running;
                        let news = self.known.put(container, now);
                        if running && (news.changed || !again) {
                            tell(&id, &news);
                        }
                        news
                    }
                    Ok(None) => self.known.remove(&id),
                    Err(error) => {
                        trouble = Some(error);
                        failed.push(id);
                        continue;
                    }
                };
                changed |= news.changed;
                match news.refused.len() {
                    0 => self.refused.remove(&id),
                    count => self.refused.insert(id, count),
                };
            }
            drop(answers);
            if let Some(error) = trouble {
                self.complain(&error);
            }
            self.dirty.extend(self.known.missing_owners());
            if !failed.is_empty() {
                self.dirty.extend(failed);
                break;
            }
        }
        // An owner that is not there is no reason to look again and again; the next full pass does.
        let missing = self.known.missing_owners();
        self.dirty.retain(|id| !missing.contains(id));
        // Signals change what is wished for without changing a container.
        changed || self.on_stop
    }

    /// Hands the writer what should be in etcd.
    fn wish(&mut self) {
        let wish = self.known.wish();
        for duplicate in wish.duplicates.iter().filter(|one| !self.duplicates.contains(one)) {
            tracing::warn!("two services of this host have one key, and the first keeps it: {duplicate}");
        }
        let (containers, _) = self.known.counts();
        self.metrics.decided(containers, wish.duplicates.len(), self.refused.values().sum());
        self.duplicates = wish.duplicates;
        let entries = Arc::new(wish.entries);
        self.wishes.send_if_modified(|last| {
            let differs = last.as_deref() != Some(&*entries);
            if differs {
                *last = Some(entries);
            }
            differs
        });
    }
}

/// Says what of a container is not registered, in the words of the original.
fn tell(id: &str, news: &News) {
    for ignored in &news.ignored {
        match ignored.warn {
            true => tracing::warn!("ignored: {id} {}", ignored.what),
            false => tracing::info!("ignored: {id} {}", ignored.what),
        }
    }
    for refused in &news.refused {
        tracing::warn!("refused: {id} {refused}");
    }
}
