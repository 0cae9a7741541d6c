//! What the registrator tells of itself in numbers, and whether it works.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use super::etcd::Kind;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// All metrics. A copy counts into the same.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    counted: Counted,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Clone, Default)]
struct Counted {
    services: Family<State, Gauge>,
    containers: Gauge,
    events: Counter,
    streams: Counter,
    passes: Family<KindLabel, Counter>,
    pass_times: Option<Histogram>,
    writes: Family<KindLabel, Counter>,
    docker_errors: Counter,
    etcd_errors: Family<KindLabel, Counter>,
    lease: Gauge,
    lost_leases: Counter,
    full_pass: Gauge,
    in_step: Gauge,
    twins: Gauge,
}

#[derive(Debug, Default)]
struct Seen {
    lease_until: Option<Instant>,
    full_pass: Option<Instant>,
    pass_began: Option<Instant>,
    listening: bool,
    writing: bool,
}

/// A pass takes seconds at the most, even when the engine hangs; one that takes this long is stuck.
const STUCK: Duration = Duration::from_secs(180);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let histogram = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        let counted = Counted { pass_times: Some(histogram.clone()), ..Counted::default() };
        let mut registry = Registry::with_prefix("registrator");
        let c = &counted;
        registry.register("services", "Keys of this host by state", c.services.clone());
        registry.register("containers", "Containers that run", c.containers.clone());
        registry.register("events", "Events of the engine that were looked at", c.events.clone());
        registry.register("event_streams", "How often events were subscribed to", c.streams.clone());
        registry.register("passes", "Passes by kind: events or full", c.passes.clone());
        registry.register("pass_duration_seconds", "Duration of a pass", histogram);
        registry.register("writes", "Keys written and deleted", c.writes.clone());
        registry.register(
            "docker_errors",
            "Questions that the engine did not answer",
            c.docker_errors.clone(),
        );
        registry.register(
            "etcd_errors",
            "Calls to etcd that failed, by what it means",
            c.etcd_errors.clone(),
        );
        registry.register("lease_ttl_seconds", "How long the lease lives without a sign", c.lease.clone());
        registry.register("leases_lost", "How often the lease was gone", c.lost_leases.clone());
        registry.register(
            "last_full_pass_timestamp_seconds",
            "When everything was looked at last",
            c.full_pass.clone(),
        );
        registry.register("in_step", "1 while etcd holds every key as it should", c.in_step.clone());
        registry.register("twins", "1 while another registrator runs for this host", c.twins.clone());
        Self { registry: Arc::new(registry), counted, seen: Arc::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many keys are wanted by two services of this host, and how many names and IDs make none.
    pub fn decided(&self, containers: usize, duplicates: usize, refused: usize) {
        let count = |state, number| {
            self.counted
                .services
                .get_or_create(&State { state })
                .set(i64::try_from(number).unwrap_or(i64::MAX));
        };
        self.counted.containers.set(i64::try_from(containers).unwrap_or(i64::MAX));
        count("duplicate", duplicates);
        count("refused", refused);
    }

    /// How many keys are in etcd as they should, and how many are somebody else's.
    pub fn written(&self, registered: usize, conflicts: usize) {
        for (state, number) in [("registered", registered), ("conflict", conflicts)] {
            self.counted
                .services
                .get_or_create(&State { state })
                .set(i64::try_from(number).unwrap_or(i64::MAX));
        }
    }

    /// Counts an event.
    pub fn heard(&self) {
        self.counted.events.inc();
    }

    /// Whether events are heard.
    pub fn listening(&self, listening: bool) {
        if listening {
            self.counted.streams.inc();
        }
        self.seen().listening = listening;
    }

    /// A pass begins.
    pub fn pass_begins(&self) {
        self.seen().pass_began = Some(Instant::now());
    }

    /// A pass has ended.
    pub fn passed(&self, full: bool) {
        let mut seen = self.seen();
        if let (Some(began), Some(times)) = (seen.pass_began.take(), &self.counted.pass_times) {
            times.observe(began.elapsed().as_secs_f64());
        }
        let kind = if full { "full" } else { "events" };
        self.counted.passes.get_or_create(&KindLabel { kind }).inc();
        if full {
            seen.full_pass = Some(Instant::now());
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            self.counted.full_pass.set(i64::try_from(now).unwrap_or(i64::MAX));
        }
    }

    /// Counts keys that were written and deleted.
    pub fn wrote(&self, puts: usize, deletes: usize) {
        for (kind, number) in [("put", puts), ("delete", deletes)] {
            self.counted.writes.get_or_create(&KindLabel { kind }).inc_by(number as u64);
        }
    }

    /// Whether all keys are in etcd as they should be.
    pub fn writing(&self, works: bool) {
        self.counted.in_step.set(i64::from(works));
        self.seen().writing = works;
    }

    /// Counts a question that the engine did not answer.
    pub fn docker_error(&self) {
        self.counted.docker_errors.inc();
    }

    /// Counts a call to etcd that failed.
    pub fn etcd_error(&self, kind: Kind) {
        self.counted.etcd_errors.get_or_create(&KindLabel { kind: kind.name() }).inc();
    }

    /// The lease was kept alive, for this many seconds.
    pub fn lease_ttl(&self, seconds: i64) {
        let time = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        self.seen().lease_until = Instant::now().checked_add(time);
    }

    /// The lease was gone.
    pub fn lease_lost(&self) {
        self.counted.lost_leases.inc();
        self.seen().lease_until = None;
    }

    /// Whether another registrator runs for this host.
    pub fn twin(&self, is_there: bool) {
        self.counted.twins.set(i64::from(is_there));
    }

    /// Whether passes come to an end.
    ///
    /// # Errors
    /// What does not, in words.
    pub fn healthy(&self) -> Result<(), String> {
        match self.seen().pass_began {
            Some(began) if began.elapsed() > STUCK => {
                Err(format!("the pass that began {} s ago hangs", began.elapsed().as_secs()))
            }
            _ => Ok(()),
        }
    }

    /// Whether etcd holds what it should: events are heard, everything was looked at, and it was written.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn ready(&self) -> Result<(), String> {
        let seen = self.seen();
        match (seen.full_pass, seen.listening, seen.writing) {
            (None, ..) => Err("the containers were not looked at yet".into()),
            (_, false, _) => Err("the engine's events are not heard".into()),
            (.., false) => Err("not everything could be written to etcd yet".into()),
            _ => Ok(()),
        }
    }

    /// All of it in the text format of Prometheus.
    ///
    /// # Errors
    /// When a metric can't be written as text.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let left = self.seen().lease_until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.map_or(0, |left| left.as_secs());
        self.counted.lease.set(i64::try_from(left).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
