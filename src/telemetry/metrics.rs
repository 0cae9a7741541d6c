//! The metrics, in the Prometheus text format.

use std::{
    collections::BTreeMap,
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
        info::Info,
    },
    registry::Registry,
};

use super::{
    clusters::{Cluster, Clusters},
    operator::OperatorMetrics,
};
use crate::{
    etcd::{Call, Observer},
    plan::{Desired, status::ClusterStatus},
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

/// All metrics of the program, as one cluster counts into them.
pub struct Metrics {
    registry: Arc<Registry>,
    counted: Counted,
    operator: OperatorMetrics,
    clusters: Clusters,
    /// What is told of this cluster alone; nothing before it has a name.
    cluster: Option<Arc<Cluster>>,
    seen: Mutex<Seen>,
}

/// What all clusters count into.
#[derive(Clone)]
struct Counted {
    steps: Family<StepLabels, Counter>,
    passes: Histogram,
    failed_passes: Counter,
    members: Family<StateLabels, Gauge>,
    conditions: Family<ConditionLabels, Gauge>,
    leader_changes: Counter,
    calls: Family<CallLabels, Histogram, fn() -> Histogram>,
    errors: Family<ErrorLabels, Counter>,
}

/// What the metrics compare the next pass with.
#[derive(Debug, Default)]
struct Seen {
    leader: Option<String>,
    /// This cluster's part of the gauges, which are sums over all clusters.
    members: BTreeMap<&'static str, i64>,
    conditions: BTreeMap<String, i64>,
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
    /// For a program that looks after one cluster.
    fn default() -> Self {
        Self::new("condition", "1 while the condition is True", |_, _| {})
    }
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            steps: Family::default(),
            passes: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            failed_passes: Counter::default(),
            members: Family::default(),
            conditions: Family::default(),
            leader_changes: Counter::default(),
            calls: Family::new_with_constructor(call_histogram),
            errors: Family::default(),
        }
    }
}

impl Counted {
    fn register(&self, registry: &mut Registry) {
        registry.register("steps", "Steps by kind and result", self.steps.clone());
        registry.register("pass_duration_seconds", "Duration of a pass", self.passes.clone());
        registry.register(
            "failed_passes",
            "Passes that could not look at the cluster or show its status",
            self.failed_passes.clone(),
        );
        registry.register("members", "Members by state", self.members.clone());
        registry.register("leader_changes", "Changes of leader that were seen", self.leader_changes.clone());
        registry.register(
            "etcd_request_duration_seconds",
            "Duration of calls to members",
            self.calls.clone(),
        );
        registry.register("etcd_request_errors", "Failed calls to members by class", self.errors.clone());
    }
}

fn call_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 14))
}

impl Metrics {
    /// For the operator on Kubernetes, which looks after many clusters and has metrics of its own.
    pub fn of_operator() -> Self {
        Self::new("clusters", "Clusters whose condition is True", OperatorMetrics::register)
    }

    fn new(conditions: &str, help: &str, more: fn(&OperatorMetrics, &mut Registry)) -> Self {
        let (counted, operator) = (Counted::default(), OperatorMetrics::default());
        let clusters = Clusters::default();
        let mut registry = Registry::with_prefix("quorate");
        counted.register(&mut registry);
        registry.register(conditions, help, counted.conditions.clone());
        registry.register("build", "What runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        more(&operator, &mut registry);
        registry.register_collector(Box::new(clusters.clone()));
        Self {
            registry: Arc::new(registry),
            counted,
            operator,
            clusters,
            cluster: None,
            seen: Mutex::default(),
        }
    }

    /// The same metrics, for one more cluster. Its part of the gauges goes when the value is dropped. `namespace` is empty
    /// on one machine.
    pub fn of_cluster(&self, namespace: &str, name: &str) -> Arc<Self> {
        Arc::new(Self {
            registry: Arc::clone(&self.registry),
            counted: self.counted.clone(),
            operator: self.operator.clone(),
            clusters: self.clusters.clone(),
            cluster: Some(self.clusters.add(namespace, name)),
            seen: Mutex::default(),
        })
    }

    /// The metrics that only the operator has.
    pub fn operator(&self) -> &OperatorMetrics {
        &self.operator
    }

    /// Counts a step.
    pub fn step(&self, step: &'static str, result: &'static str) {
        self.counted.steps.get_or_create(&StepLabels { step, result }).inc();
    }

    /// Takes notice of a pass, of what it was to bring about, and of the status it led to.
    pub fn pass(&self, took: Duration, desired: &Desired, status: &ClusterStatus) {
        self.counted.passes.observe(took.as_secs_f64());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for state in ["leader", "voter", "learner", "unstarted"] {
            let count = status.members.iter().filter(|one| one.role == state).count();
            self.set_members(&mut seen, state, count);
        }
        let ready = status.members.iter().filter(|one| one.ready).count();
        self.set_members(&mut seen, "ready", ready);
        for condition in &status.conditions {
            let now = i64::from(condition.status == "True");
            let before = seen.conditions.insert(condition.kind.clone(), now).unwrap_or_default();
            self.condition(&condition.kind).inc_by(now - before);
        }
        seen.last_end = Some(Instant::now());
        seen.succeeded = true;
        let another = status.leader.is_some() && seen.leader != status.leader;
        let changed = another && seen.leader.is_some();
        if another {
            seen.leader.clone_from(&status.leader);
        }
        self.counted.leader_changes.inc_by(u64::from(changed));
        if let Some(cluster) = &self.cluster {
            cluster.pass(desired, status, changed);
        }
    }

    fn set_members(&self, seen: &mut Seen, state: &'static str, count: usize) {
        let now = i64::try_from(count).unwrap_or(i64::MAX);
        let before = seen.members.insert(state, now).unwrap_or_default();
        self.counted.members.get_or_create(&StateLabels { state }).inc_by(now - before);
    }

    fn condition(&self, kind: &str) -> Gauge {
        self.counted.conditions.get_or_create(&ConditionLabels { condition: kind.to_owned() }).clone()
    }

    /// Takes notice of a pass that failed.
    pub fn failed_pass(&self) {
        self.counted.failed_passes.inc();
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
            self.counted.calls.get_or_create(&CallLabels { call }).observe(took.as_secs_f64());
            if let Some(class) = class {
                self.counted.errors.get_or_create(&ErrorLabels { call, class: class.name() }).inc();
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

impl Drop for Metrics {
    /// A cluster that is gone is counted no longer.
    fn drop(&mut self) {
        let seen = std::mem::take(self.seen.get_mut().unwrap_or_else(PoisonError::into_inner));
        for (state, count) in seen.members {
            self.counted.members.get_or_create(&StateLabels { state }).dec_by(count);
        }
        for (kind, count) in seen.conditions {
            self.condition(&kind).dec_by(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{
        ClusterSize, EtcdOptions,
        status::{CertificatesStatus, Condition, MemberStatus, SideStatus},
    };

    fn desired() -> Desired {
        Desired {
            size: ClusterSize::new(3).unwrap(),
            version: "3.6.16".parse().unwrap(),
            options: EtcdOptions::default(),
            tls: Default::default(),
            client_plaintext: false,
            rotate: None,
            token: None,
            adopt: false,
            replaces_misplaced: false,
            paused: false,
            not_applied: Vec::new(),
            unfit: Vec::new(),
        }
    }

    #[test]
    fn a_pass_shows_up_in_the_text() {
        let metrics = Metrics::default();
        metrics.step("AddLearner", "done");
        let leader = |name: &str| ClusterStatus {
            leader: Some(name.into()),
            members: vec![MemberStatus { role: "leader".into(), ready: true, ..MemberStatus::default() }],
            ..ClusterStatus::default()
        };
        metrics.pass(Duration::from_millis(3), &desired(), &leader("a"));
        metrics.pass(Duration::from_millis(3), &desired(), &leader("b"));
        let text = metrics.render().unwrap();
        for line in [
            "quorate_steps_total{step=\"AddLearner\",result=\"done\"} 1",
            "quorate_leader_changes_total 1",
            "quorate_members{state=\"ready\"} 1",
            "quorate_pass_duration_seconds_count 2",
            "quorate_build_info{version=",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("quorate_queued"), "no operator runs here\n{text}");
    }

    #[test]
    fn clusters_are_summed_and_go_with_their_part() {
        let metrics = Metrics::of_operator();
        let status = |ready: bool| ClusterStatus {
            members: vec![MemberStatus { role: "voter".into(), ready, ..MemberStatus::default() }],
            conditions: vec![Condition {
                kind: "Ready".into(),
                status: if ready { "True" } else { "False" }.into(),
                reason: String::new(),
                message: String::new(),
                last_transition_time: String::new(),
                observed_generation: None,
            }],
            ..ClusterStatus::default()
        };
        let (one, other) = (metrics.of_cluster("a", "demo"), metrics.of_cluster("b", "demo"));
        let counted = |voters: u8, ready: u8| {
            let text = metrics.render().unwrap();
            for line in [
                format!("quorate_members{{state=\"voter\"}} {voters}\n"),
                format!("quorate_members{{state=\"ready\"}} {ready}\n"),
                format!("quorate_clusters{{condition=\"Ready\"}} {ready}\n"),
            ] {
                assert!(text.contains(&line), "{line} is not in\n{text}");
            }
        };
        one.pass(Duration::ZERO, &desired(), &status(true));
        other.pass(Duration::ZERO, &desired(), &status(true));
        counted(2, 2);
        one.pass(Duration::ZERO, &desired(), &status(false));
        counted(2, 1);
        drop(other);
        counted(1, 0);
        drop(one);
        counted(0, 0);
    }

    #[test]
    fn every_cluster_and_member_is_told_of_by_name_until_it_is_gone() {
        let metrics = Metrics::of_operator();
        let one = metrics.of_cluster("a", "demo");
        let member = |name: &str, db_size: Option<i64>| MemberStatus {
            name: name.into(),
            role: "voter".into(),
            ready: db_size.is_some(),
            db_size,
            ..MemberStatus::default()
        };
        let mut status = ClusterStatus {
            leader: Some("demo-1".into()),
            members: vec![member("demo-1", Some(20480)), member("demo-2", None)],
            certificates: Some(CertificatesStatus {
                client: Some(SideStatus {
                    expires: Some("1970-01-01T00:01:00Z".into()),
                    ..SideStatus::default()
                }),
                ..CertificatesStatus::default()
            }),
            ..ClusterStatus::default()
        };
        one.pass(Duration::ZERO, &desired(), &status);
        let text = metrics.render().unwrap();
        for line in [
            "quorate_cluster_size_wanted{etcd_namespace=\"a\",etcd_cluster=\"demo\"} 3\n",
            "quorate_cluster_quota_bytes{etcd_namespace=\"a\",etcd_cluster=\"demo\"} 2147483648\n",
            "quorate_cluster_has_leader{etcd_namespace=\"a\",etcd_cluster=\"demo\"} 1\n",
            "quorate_cluster_leader_changes_total{etcd_namespace=\"a\",etcd_cluster=\"demo\"} 0\n",
            "quorate_certificate_expiry_timestamp_seconds{etcd_namespace=\"a\",etcd_cluster=\"demo\",side=\"client\"} 60\n",
            "quorate_member_ready{etcd_namespace=\"a\",etcd_cluster=\"demo\",etcd_member=\"demo-2\"} 0\n",
            "quorate_member_db_size_bytes{etcd_namespace=\"a\",etcd_cluster=\"demo\",etcd_member=\"demo-1\"} 20480\n",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        status.leader = Some("demo-3".into());
        status.members = vec![member("demo-3", None)];
        // Made anew under its name, before what looked after the old one has ended.
        let again = metrics.of_cluster("a", "demo");
        one.pass(Duration::ZERO, &desired(), &status);
        assert!(
            !metrics.render().unwrap().contains("etcd_cluster=\"demo\""),
            "nothing is known of the new one"
        );
        drop(again);
        let text = metrics.render().unwrap();
        assert!(
            text.contains(
                "quorate_cluster_leader_changes_total{etcd_namespace=\"a\",etcd_cluster=\"demo\"} 1"
            )
        );
        assert!(!text.contains("demo-1") && !text.contains("quorate_member_db_size_bytes{"), "{text}");
        drop(one);
        assert!(!metrics.render().unwrap().contains("etcd_cluster="));
    }

    #[test]
    fn the_operator_counts_what_it_does() {
        let metrics = Metrics::of_operator();
        let operator = metrics.operator();
        operator.leader(true);
        operator.reconciled("cluster", "done");
        drop(operator.waiting("cluster"));
        let _waits = operator.waiting("cluster");
        operator.called("patch", "leases".into(), "200".into(), Duration::from_millis(3));
        operator.event("dropped");
        let text = metrics.render().unwrap();
        for line in [
            "quorate_leader 1",
            "quorate_reconciles_total{controller=\"cluster\",result=\"done\"} 1",
            "quorate_queued{controller=\"cluster\"} 1",
            "quorate_queue_wait_seconds_count{controller=\"cluster\"} 1",
            "quorate_kubernetes_calls_total{verb=\"patch\",kind=\"leases\",code=\"200\"} 1",
            "quorate_kubernetes_call_duration_seconds_count{verb=\"patch\"} 1",
            "quorate_events_total{result=\"dropped\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
