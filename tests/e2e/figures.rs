//! How long it takes, how many calls it needs and how much memory: printed, beside a plain StatefulSet of the same
//! three members. While these run, no other test does.

use std::time::{Duration, Instant};

use crate::{common::SECONDS, operator, place::Place};

/// How often each is made.
const RUNS: usize = 5;

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
fn beside_a_stateful_set() {
    let _alone = crate::place::alone();
    let (mut own, mut other, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        other.push(plain());
        let place = Place::new("quorate-figures");
        let before = operator::calls(&place.kubectl);
        let start = Instant::now();
        place.apply("demo", "size: 3");
        let ready = "--for=condition=Ready";
        place.kubectl.must(&["wait", ready, "--timeout=120s", "etcd/demo"], "");
        own.push(start.elapsed());
        std::thread::sleep(SECONDS(1));
        let made = operator::between(&before, &operator::calls(&place.kubectl));
        calls.push(operator::mutating(&made));
        if own.len() == 1 {
            println!("calls for one cluster: {made:?}");
        }
        assert!(own.iter().all(|time| *time < SECONDS(15)), "{own:?}");
    }
    calls.sort_unstable();
    let ratio = median(own.clone()).as_secs_f64() / median(other.clone()).as_secs_f64();
    println!(
        "apply to 3/3 ready: {own:.1?}; a StatefulSet: {other:.1?}; the median is {ratio:.2} times the other"
    );
    println!("mutating calls for one cluster: {calls:?}");
    assert!(calls[RUNS / 2] <= 30, "{calls:?}");
}

#[test]
fn an_idle_cluster_costs_nothing() {
    let _alone = crate::place::alone();
    let place = Place::with_cluster("quorate-idle", 3);
    std::thread::sleep(SECONDS(5));
    let (before, used) = (operator::calls(&place.kubectl), operator::used());
    std::thread::sleep(SECONDS(60));
    let made = operator::between(&before, &operator::calls(&place.kubectl));
    let after = operator::used();
    println!(
        "idle for a minute: calls {made:?}, processor {:.2} s, peak memory {:.1} MiB",
        (after.ticks - used.ticks) as f64 / 100.0,
        after.peak as f64 / 1024.0
    );
    assert_eq!(operator::mutating(&made), 0, "{made:?}");
}
