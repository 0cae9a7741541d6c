//! The metrics, in the Prometheus text format.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
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

use crate::{
    etcd::{Call, Observer},
    plan::status::ClusterStatus,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    step: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabels {
    condition: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    call: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    call: &'static str,
    class: &'static str,
}

/// All metrics of the program.
pub struct Metrics {
    registry: Registry,
    steps: Family<StepLabels, Counter>,
    passes: Histogram,
    failed_passes: Counter,
    members: Family<StateLabels, Gauge>,
    conditions: Family<ConditionLabels, Gauge>,
    leader_changes: Counter,
    calls: Family<CallLabels, Histogram, fn() -> Histogram>,
    errors: Family<ErrorLabels, Counter>,
    seen: Mutex<Seen>,
}

/// What the metrics compare the next pass with.
#[derive(Debug, Default)]
struct Seen {
    leader: Option<String>,
    /// When a pass ended last, well or not.
    last_end: Option<Instant>,
    /// Whether one ended well.
    succeeded: bool,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("quorate"),
            steps: Family::default(),
            passes: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            failed_passes: Counter::default(),
            members: Family::default(),
            conditions: Family::default(),
            leader_changes: Counter::default(),
            calls: Family::new_with_constructor(call_histogram),
            errors: Family::default(),
            seen: Mutex::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("steps", "Steps by kind and result", metrics.steps.clone());
        registry.register("pass_duration_seconds", "Duration of a pass", metrics.passes.clone());
        registry.register(
            "failed_passes",
            "Passes that could not look at the cluster or show its status",
            metrics.failed_passes.clone(),
        );
        registry.register("members", "Members by state", metrics.members.clone());
        registry.register("condition", "1 while the condition is True", metrics.conditions.clone());
        registry.register(
            "leader_changes",
            "Changes of leader that were seen",
            metrics.leader_changes.clone(),
        );
        registry.register(
            "etcd_request_duration_seconds",
            "Duration of calls to members",
            metrics.calls.clone(),
        );
        registry.register("etcd_request_errors", "Failed calls to members by class", metrics.errors.clone());
        metrics
    }
}

fn call_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 14))
}

impl Metrics {
    /// Counts a step.
    pub fn step(&self, step: &'static str, result: &'static str) {
        self.steps.get_or_create(&StepLabels { step, result }).inc();
    }

    /// Takes notice of a pass and of the status it led to.
    pub fn pass(&self, took: Duration, status: &ClusterStatus) {
        self.passes.observe(took.as_secs_f64());
        for state in ["leader", "voter", "learner", "unstarted"] {
            let count = status.members.iter().filter(|one| one.role == state).count();
            self.set_members(state, count);
        }
        self.set_members("ready", status.members.iter().filter(|one| one.ready).count());
        for condition in &status.conditions {
            let labels = ConditionLabels { condition: condition.kind.clone() };
            self.conditions.get_or_create(&labels).set(i64::from(condition.status == "True"));
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.last_end = Some(Instant::now());
        seen.succeeded = true;
        if status.leader.is_some() && seen.leader != status.leader {
            if seen.leader.is_some() {
                self.leader_changes.inc();
            }
            seen.leader.clone_from(&status.leader);
        }
    }

    fn set_members(&self, state: &'static str, count: usize) {
        self.members.get_or_create(&StateLabels { state }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Takes notice of a pass that failed.
    pub fn failed_pass(&self) {
        self.failed_passes.inc();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).last_end = Some(Instant::now());
    }

    /// How long ago the last pass ended, well or not; `None` before the first.
    pub fn since_last_pass(&self) -> Option<Duration> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).last_end.map(|at| at.elapsed())
    }

    /// Whether a pass ended well since the start.
    pub fn passed(&self) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).succeeded
    }

    /// What a client of etcd calls after each call.
    pub fn call_observer(self: Arc<Self>) -> Observer {
        Arc::new(move |call: Call, took, class| {
            let call = call.name();
            self.calls.get_or_create(&CallLabels { call }).observe(took.as_secs_f64());
            if let Some(class) = class {
                self.errors.get_or_create(&ErrorLabels { call, class: class.name() }).inc();
            }
        })
    }

    /// All metrics as text.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::status::MemberStatus;

    #[test]
    fn a_pass_shows_up_in_the_text() {
        let metrics = Metrics::default();
        metrics.step("AddLearner", "done");
        let leader = |name: &str| ClusterStatus {
            leader: Some(name.into()),
            members: vec![MemberStatus { role: "leader".into(), ready: true, ..MemberStatus::default() }],
            ..ClusterStatus::default()
        };
        metrics.pass(Duration::from_millis(3), &leader("a"));
        metrics.pass(Duration::from_millis(3), &leader("b"));
        let text = metrics.render().unwrap();
        for line in [
            "quorate_steps_total{step=\"AddLearner\",result=\"done\"} 1",
            "quorate_leader_changes_total 1",
            "quorate_members{state=\"ready\"} 1",
            "quorate_pass_duration_seconds_count 2",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
