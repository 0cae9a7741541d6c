//! The chart on a real Kubernetes, with the real helm: installed, upgraded, uninstalled and installed again under a cluster
//! that serves all the while. `make e2e` runs it last, since the operator of `deploy/quorate.yaml` has to go meanwhile.
//!
//! Where helm can't be had, nothing is checked, and the test says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

#[path = "../common/keys.rs"]
mod keys;
#[path = "../common/kubectl.rs"]
mod kubectl;
mod release;
#[path = "../common/volumes.rs"]
mod volumes;

use std::time::{Duration, Instant};

use kubectl::Namespace;
use release::{Other, Release};

/// A release that watches everything; what a machine has no time for is no fault of the chart.
const SOON: Duration = Duration::from_secs(120);
const CRD: &str = "crd/etcdclusters.quorate.dev";

/// Name and UID of every Pod of the cluster, by name.
fn pods(namespace: &Namespace) -> Vec<String> {
    let path = "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{\"\\n\"}{end}";
    let list =
        ["get", "pods", "--selector=quorate.dev/cluster=demo", "--sort-by=.metadata.name", "--output", path];
    namespace.must(&list, "").lines().map(str::to_owned).collect()
}

/// The name in a line of `pods`.
fn name(pod: &str) -> &str {
    pod.split(' ').next().unwrap()
}

/// Runs etcdctl in a member, which may be between two leaders.
fn etcdctl(namespace: &Namespace, pod: &str, arguments: &[&str]) -> String {
    let exec = ["exec", name(pod), "--container=etcd", "--", "/usr/local/bin/etcdctl"];
    namespace.eventually(&[&exec[..], arguments].concat(), SOON)
}

fn is_outdated(namespace: &Namespace) -> bool {
    let path = ["get", CRD, "--output=jsonpath={.spec.names.categories}"];
    namespace.must(&path, "").contains("outdated")
}

#[test]
fn a_release_comes_and_goes_and_the_cluster_stays() {
    let Some(helm) = release::helm() else { return };
    volumes::keep_open();
    let start = Instant::now();
    let done = |what: &str| println!("{:5.1} s  {what}", start.elapsed().as_secs_f64());
    let clusters = Namespace::create("quorate-helm-clusters");
    done(&format!("begins; the cluster will be in {}", clusters.name()));
    let _other = Other::put_away(&clusters);
    let release = Release::new(helm);

    // An older chart: its definition is not the one of this tree.
    let older = release::older_chart();
    // The definitions are there already, and are the manifest's.
    let first = ["--take-ownership", "--force-conflicts", "--set=replicas=1,log.level=trace"];
    release.run(
        &[&["install", "quorate", older.path().to_str().unwrap(), "--create-namespace"], &first[..]].concat(),
    );
    done("installed");
    assert!(is_outdated(&clusters), "the older definition is installed");
    clusters.must(&["apply", "--filename", "-"], include_str!("../../examples/demo.yaml"));
    clusters.must(&["wait", "etcd/demo", "--for=condition=Ready", "--timeout=120s"], "");
    let before = pods(&clusters);
    assert_eq!(before.len(), 3, "{before:?}");
    etcdctl(&clusters, &before[0], &["put", "kept", "through it all"]);
    keys::assert_told_nowhere(&clusters, release.namespace());
    done("a cluster of three serves, and no key is in the log of all there is to tell");

    release.run(&["upgrade", "quorate", "charts/quorate", "--set=replicas=2,log.format=json"]);
    assert!(!is_outdated(&clusters), "an upgrade brings the definitions up to date");
    let path = "jsonpath={.status.readyReplicas} {.spec.template.spec.containers[0].args}";
    let deployment = ["get", "deployment/quorate", "--namespace", release.namespace(), "--output", path];
    assert_eq!(clusters.must(&deployment, ""), r#"2 ["operator","--log-format=json"]"#);
    done("upgraded, with two replicas and the newer definition");
    release.run(&["test", "quorate"]);
    done("helm test");

    release.run(&["uninstall", "quorate"]);
    let gone = clusters.run(&deployment, "");
    assert!(!gone.ok && gone.err.contains("NotFound"), "{}{}", gone.out, gone.err);
    assert_eq!(pods(&clusters), before, "the Pods are the same ones");
    clusters.must(&["get", CRD, "etcd/demo"], "");
    assert!(etcdctl(&clusters, &before[1], &["get", "kept"]).contains("through it all"));
    done("uninstalled: the cluster serves on");

    // Without an operator nobody makes it again.
    clusters.must(&["delete", "pod", name(&before[0]), "--timeout=60s"], "");
    assert_eq!(pods(&clusters), before[1..]);
    release.run(&["install", "quorate", "charts/quorate"]);
    let after = back(&clusters, &before);
    assert!(etcdctl(&clusters, &after[0], &["get", "kept"]).contains("through it all"));
    done("installed again: the operator took over and brought the missing Pod back");

    let alone = format!("--set=watchNamespaces={{{}}},rbac.clusterReads=false", clusters.name());
    release.run(&["upgrade", "quorate", "charts/quorate", &alone]);
    let wide = format!("{}-quorate", release.namespace());
    for kind in ["clusterrole", "clusterrolebinding"] {
        let role = clusters.run(&["get", kind, &wide], "");
        assert!(!role.ok && role.err.contains("NotFound"), "{}{}", role.out, role.err);
    }
    clusters.must(&["delete", "pod", name(&after[0]), "--timeout=60s"], "");
    back(&clusters, &after);
    done("upgraded to one namespace: its rights there are enough");
}

/// Waits until the first of these Pods is another one, and the cluster is whole; the others must be the same.
fn back(clusters: &Namespace, before: &[String]) -> Vec<String> {
    clusters.eventually(&["get", "pod", name(&before[0])], SOON);
    // What the status says may be from before, so the Pod itself comes first.
    clusters.must(&["wait", "pod", name(&before[0]), "--for=condition=Ready", "--timeout=120s"], "");
    clusters.must(&["wait", "etcd/demo", "--for=condition=Ready", "--timeout=120s"], "");
    let after = pods(clusters);
    assert_eq!(after[1..], before[1..], "members that served were left alone");
    assert!(after[0] != before[0] && name(&after[0]) == name(&before[0]), "{after:?}");
    after
}
