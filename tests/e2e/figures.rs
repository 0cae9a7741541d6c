//! How long it takes, how many calls it needs and how much memory: printed, beside a plain StatefulSet of the same
//! three members. While this runs, no other test does.

use std::time::{Duration, Instant};

use crate::{
    common::SECONDS,
    operator,
    place::{IN_PLAIN_TEXT, Place, until_all_gone},
};

/// How often each is made.
const RUNS: usize = 5;
/// How often a Pod of each is deleted.
const PODS: usize = 3;
/// After this time a cluster that formed is idle: sizes that changed meanwhile are written a minute after the last status,
/// at a look that comes 20 s later at the latest.
const IDLE: Duration = Duration::from_secs(85);

const STATEFUL_SET: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: plain}
spec: {clusterIP: None, publishNotReadyAddresses: true, selector: {app: plain}, ports: [{port: 2380}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: plain}
spec:
  replicas: 3
  serviceName: plain
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: plain}}
  template:
    metadata: {labels: {app: plain}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: etcd
        image: quay.io/coreos/etcd:v3.6.16
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        env: [{name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        command:
        - /usr/local/bin/etcd
        - --name=$(NAME)
        - --data-dir=/data/etcd
        - --listen-peer-urls=http://0.0.0.0:2380
        - --listen-client-urls=http://0.0.0.0:2379
        - --advertise-client-urls=http://$(NAME).plain:2379
        - --initial-advertise-peer-urls=http://$(NAME).plain:2380
        - --initial-cluster=plain-0=http://plain-0.plain:2380,plain-1=http://plain-1.plain:2380,plain-2=http://plain-2.plain:2380
        - --listen-metrics-urls=http://0.0.0.0:2381
        readinessProbe: {httpGet: {path: /readyz, port: 2381}, periodSeconds: 1}
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"#;

fn plain() -> Duration {
    let place = Place::new("quorate-plain");
    let start = Instant::now();
    place.kubectl.must(&["apply", "--filename", "-"], STATEFUL_SET);
    let ready = "--for=jsonpath={.status.readyReplicas}=3";
    place.kubectl.must(&["wait", ready, "--timeout=120s", "statefulset/plain"], "");
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn what_it_takes() {
    let _alone = crate::place::alone();
    // The peak of memory counts from the start of a process.
    operator::restart();
    let idle = Place::with_cluster("quorate-idle", 3);
    let formed = Instant::now();
    std::thread::sleep(SECONDS(5));
    let peak = operator::used().peak as f64 / 1024.0;
    println!("peak memory of the operator with one cluster: {peak:.1} MiB");
    assert!(peak <= 16.0, "the operator used {peak:.1} MiB for one cluster");
    // While that one comes to rest, others are made and go.
    beside_a_stateful_set();
    a_deleted_pod_beside_one_of_a_stateful_set();
    until_all_gone();
    std::thread::sleep(IDLE.saturating_sub(formed.elapsed()));
    one_idle_cluster_costs_nothing(&idle);
}

/// Clusters of one spec: how long each took until it was ready.
struct Made {
    what: &'static str,
    spec: String,
    took: Vec<Duration>,
}

impl Made {
    fn of(what: &'static str, spec: String) -> Self {
        Self { what, spec, took: Vec::new() }
    }

    /// Makes another one. The first one is there as long as what this answers: nothing else makes the operator work while
    /// its calls are counted.
    fn another(&mut self) -> Place {
        let place = Place::new("quorate-figures");
        let before = operator::calls(&place.kubectl);
        let start = Instant::now();
        place.apply_spec("demo", &self.spec);
        place.kubectl.must(&["wait", "--for=condition=Ready", "--timeout=120s", "etcd/demo"], "");
        self.took.push(start.elapsed());
        if self.took.len() == 1 {
            std::thread::sleep(SECONDS(1));
            let made = operator::between(&before, &operator::calls(&place.kubectl));
            let mutating = operator::mutating(&made);
            println!("a cluster {}: {mutating} mutating calls: {made:?}", self.what);
            assert!(mutating <= 30, "{}: {mutating} calls", self.what);
        }
        place
    }

    fn say(&self, other: &[Duration]) {
        let Self { what, took, .. } = self;
        let ratio = median(took.clone()).as_secs_f64() / median(other.to_vec()).as_secs_f64();
        println!(
            "apply to 3/3 ready {what}: {took:.1?}; a StatefulSet: {other:.1?}; the median is {ratio:.2} times the other"
        );
        assert!(took.iter().all(|time| *time < SECONDS(60)), "{took:?}");
    }
}

fn beside_a_stateful_set() {
    let mut other = Vec::new();
    let mut secured = Made::of("as by default, under TLS", "size: 3".into());
    let mut in_plain_text = Made::of("in plain text", format!("size: 3\n{IN_PLAIN_TEXT}"));
    for _ in 0..RUNS {
        other.push(plain());
        let _first = secured.another();
        drop(in_plain_text.another());
    }
    secured.say(&other);
    in_plain_text.say(&other);
}

/// Deletes a Pod of the StatefulSet, and answers how long it took until all three were ready again.
fn plain_again(place: &Place) -> Duration {
    let before = place.pod_uid("plain-0");
    let start = Instant::now();
    place.delete_pod("plain-0");
    while place.pod_uid("plain-0").is_none_or(|uid| Some(&uid) == before.as_ref())
        || !place.pod_ready("plain-0")
    {
        assert!(start.elapsed() < SECONDS(60), "the StatefulSet's Pod does not come back");
        std::thread::sleep(Duration::from_millis(50));
    }
    start.elapsed()
}

fn a_deleted_pod_beside_one_of_a_stateful_set() {
    let place = Place::with_cluster("quorate-pods", 3);
    place.kubectl.must(&["apply", "--filename", "-"], STATEFUL_SET);
    let ready = "--for=jsonpath={.status.readyReplicas}=3";
    place.kubectl.must(&["wait", ready, "--timeout=120s", "statefulset/plain"], "");
    let (mut own, mut other, mut absent) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PODS {
        other.push(plain_again(&place));
        let (name, start) = (place.follower(), Instant::now());
        let before = place.pod_uid(&name);
        place.delete_pod(&name);
        absent.push(place.absence(&name));
        place.wait("demo", "another Pod, ready", SECONDS(60), |status| {
            let uid = place.pod_uid(&name);
            uid.is_some() && uid != before && status.is("Ready") && place.pod_ready(&name)
        });
        own.push(start.elapsed());
    }
    let ratio = median(own.clone()).as_secs_f64() / median(other.clone()).as_secs_f64();
    println!(
        "a Pod deleted until it is ready again: {own:.1?}; a StatefulSet's: {other:.1?}; the median is {ratio:.2} times \
         the other; between the end of a Pod and the next one {absent:.0?}"
    );
}

fn one_idle_cluster_costs_nothing(place: &Place) {
    let (before, used) = (operator::calls(&place.kubectl), operator::used());
    let asked = |call| operator::asked(&place.kubectl, call);
    let (status, ready) = (asked("status"), asked("ready"));
    std::thread::sleep(SECONDS(60));
    assert!(asked("status") > status, "members are looked at");
    assert_eq!(asked("ready"), ready, "the kubelet asks whether they serve");
    let made = operator::between(&before, &operator::calls(&place.kubectl));
    let ticks = operator::used().ticks - used.ticks;
    println!("idle for a minute: calls {made:?}, processor {:.2} s", ticks as f64 / 100.0);
    assert_eq!(operator::mutating(&made), 0, "{made:?}");
}
