//! The metrics that only the operator on Kubernetes has.

use std::time::{Duration, Instant};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    controller: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    verb: &'static str,
    kind: String,
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerbLabels {
    verb: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

/// Metrics of the operator. A copy counts into the same.
#[derive(Debug, Clone)]
pub struct OperatorMetrics {
    leader: Gauge,
    reconciles: Family<ReconcileLabels, Counter>,
    queued: Family<ControllerLabels, Gauge>,
    waits: Family<ControllerLabels, Histogram, fn() -> Histogram>,
    calls: Family<CallLabels, Counter>,
    call_times: Family<VerbLabels, Histogram, fn() -> Histogram>,
    events: Family<ResultLabels, Counter>,
}

impl Default for OperatorMetrics {
    fn default() -> Self {
        Self {
            leader: Gauge::default(),
            reconciles: Family::default(),
            queued: Family::default(),
            waits: Family::new_with_constructor(histogram),
            calls: Family::default(),
            call_times: Family::new_with_constructor(histogram),
            events: Family::default(),
        }
    }
}

/// From 1 ms to 16 s.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}

impl OperatorMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("leader", "1 while this replica leads", self.leader.clone());
        registry.register("reconciles", "Passes by controller and result", self.reconciles.clone());
        registry.register("queued", "Objects that wait for a pass", self.queued.clone());
        registry.register(
            "queue_wait_seconds",
            "How long objects waited for their pass after they were due",
            self.waits.clone(),
        );
        registry.register(
            "kubernetes_calls",
            "Calls to the API server by verb, resource and HTTP status",
            self.calls.clone(),
        );
        registry.register(
            "kubernetes_call_duration_seconds",
            "Time to the head of the API server's answer",
            self.call_times.clone(),
        );
        registry.register(
            "events",
            "Events for people: sent, failed, or dropped since too many waited",
            self.events.clone(),
        );
    }

    /// Whether this replica leads.
    pub fn leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Counts a pass of a controller: `done`, `failed` or another short, stable word.
    pub fn reconciled(&self, controller: &'static str, result: &'static str) {
        self.reconciles.get_or_create(&ReconcileLabels { controller, result }).inc();
    }

    /// Counts an object that waits for a pass of a controller, until the answer is dropped.
    pub fn waiting(&self, controller: &'static str) -> Waiting<'_> {
        self.queued.get_or_create(&ControllerLabels { controller }).inc();
        Waiting { metrics: self, controller, since: Instant::now() }
    }

    /// Counts a call to the API server. `code` is the HTTP status, or a word when there was no answer.
    pub fn called(&self, verb: &'static str, kind: String, code: String, took: Duration) {
        self.calls.get_or_create(&CallLabels { verb, kind, code }).inc();
        self.call_times.get_or_create(&VerbLabels { verb }).observe(took.as_secs_f64());
    }

    /// Counts an event for people: `sent`, `failed` or `dropped`.
    pub fn event(&self, result: &'static str) {
        self.events.get_or_create(&ResultLabels { result }).inc();
    }
}

/// An object that waits for its pass.
#[derive(Debug)]
pub struct Waiting<'a> {
    metrics: &'a OperatorMetrics,
    controller: &'static str,
    since: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let labels = ControllerLabels { controller: self.controller };
        self.metrics.queued.get_or_create(&labels).dec();
        self.metrics.waits.get_or_create(&labels).observe(self.since.elapsed().as_secs_f64());
    }
}
