//! The definitions on a real API server.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    cases::{self, Case, Verdict},
    kubectl::Namespace,
};

const DEFINITION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/quorate.dev_etcdclusters.yaml");
/// A cluster that the operator only looks at.
const PAUSED: &str = "apiVersion: quorate.dev/v1alpha1\nkind: EtcdCluster\nmetadata: {name: demo}\n\
    spec: {size: 3, paused: true, tls: {peer: {mode: Disabled}, client: {mode: Disabled}}}\n";
const DEMO: &str = include_str!("../../examples/demo.yaml");

/// Installs the definition, and makes a namespace to use it in.
fn installed(prefix: &str) -> Namespace {
    // The tests run side by side, and on a fresh server each would try to create the definition.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    crate::place::beside_others();
    let namespace = Namespace::create(prefix);
    let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    namespace.must(&["apply", "--filename", DEFINITION], "");
    drop(alone);
    namespace
        .must(&["wait", "--for=condition=Established", "--timeout=30s", "crd/etcdclusters.quorate.dev"], "");
    // The definition is established some time before discovery lists it.
    namespace.eventually(&["get", "etcd"], Duration::from_secs(30));
    namespace
}

#[test]
fn the_server_gives_every_verdict_of_the_table() {
    let namespace = installed("quorate-e2e-rules");
    let queue = Mutex::new(cases::all().into_iter().enumerate());
    let wrong = Mutex::new(Vec::new());
    // Nearly all of the time is spent waiting for kubectl to start.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((number, case)) = queue.lock().unwrap().next() else { return };
                    if let Err(complaint) = judge(&namespace, number, case) {
                        wrong.lock().unwrap().push(complaint);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} wrong verdicts:\n{}", wrong.len(), wrong.join("\n"));
}

fn judge(namespace: &Namespace, number: usize, mut case: Case) -> Result<(), String> {
    if let Some(before) = &case.before {
        // Each has an object of its own, since they run at the same time.
        case.name = format!("change-{number}");
        // It is there for its spec only: dozens of clusters would have to share the node.
        let (before, after) = (only_looked_at(before), only_looked_at(&case.after));
        (case.before, case.after) = (Some(before.clone()), after);
        let before = &before;
        namespace.must(&["apply", "--filename", "-"], &case.manifest(before));
    }
    let said = namespace.run(&["apply", "--dry-run=server", "--filename", "-"], &case.manifest(&case.after));
    let right = match case.verdict {
        Verdict::Accepted | Verdict::Dropped(_) => said.ok,
        Verdict::Refused(words) => !said.ok && said.err.contains(words),
        // Found by the server, by kubectl's own check against the published schema, or by its reader of YAML.
        Verdict::Malformed(_) => {
            let complaints =
                ["is invalid", "error validating data", "unknown field", "error parsing", "BadRequest"];
            !said.ok && complaints.iter().any(|complaint| said.err.contains(complaint))
        }
    };
    let Case { before, after, verdict, .. } = case;
    right
        .then_some(())
        .ok_or_else(|| format!("{before:?} -> {after}\n  {verdict:?}\n  {}{}", said.out, said.err))
}

fn only_looked_at(spec: &str) -> String {
    let spec = spec.trim();
    match spec.strip_prefix('{') {
        Some(rest) if !spec.contains("paused") => format!("{{paused: true, {rest}"),
        _ => spec.to_owned(),
    }
}

#[test]
fn scaling_follows_the_rules() {
    let namespace = installed("quorate-e2e-scale");
    namespace.must(&["apply", "--filename", "-"], DEMO);
    namespace.must(&["scale", "etcd", "demo", "--replicas=5"], "");
    let size = ["get", "etcd", "demo", "--output", "jsonpath={.spec.size}"];
    assert_eq!(namespace.must(&size, ""), "5");
    let refused = namespace.run(&["scale", "etcd", "demo", "--replicas=4"], "");
    assert!(!refused.ok && refused.err.contains("use 3, 5, 7 or 9"), "{}", refused.err);
    assert_eq!(namespace.must(&size, ""), "5");
}

#[test]
fn people_see_the_status_and_the_fields() {
    let namespace = installed("quorate-e2e-columns");
    namespace.must(&["apply", "--filename", "-"], PAUSED);
    // The operator shows once that it touches nothing, and then no more.
    namespace.must(&["wait", "--for=condition=Paused", "etcd/demo", "--timeout=30s"], "");
    let status = serde_json::json!({ "status": {
        "size": 3, "readyMembers": 2, "ready": "2/3", "db": "20Ki", "version": "3.6.16", "leader": "demo-x4k2p",
        "selector": "quorate.dev/cluster=demo",
        "conditions": [{
            "type": "Ready", "status": "False", "reason": "MemberDown", "message": "one is down",
            "lastTransitionTime": "2026-11-22T15:00:00Z",
        }],
    }});
    let status = status.to_string();
    namespace
        .must(&["patch", "etcd", "demo", "--subresource=status", "--type=merge", "--patch", &status], "");
    for name in ["etcd", "etcdclusters"] {
        let table = namespace.must(&["get", name], "");
        let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["NAME", "READY", "VERSION", "LEADER", "STATUS", "DB", "AGE"], "{table}");
        assert_eq!(rows[1][..6], ["demo", "2/3", "3.6.16", "demo-x4k2p", "MemberDown", "20Ki"], "{table}");
    }
    let wide = namespace.must(&["get", "etcd", "--output=wide"], "");
    assert!(wide.lines().next().unwrap().contains("SIZE"), "{wide}");
    let scale = namespace.must(&["get", "etcd", "demo", "--subresource=scale", "--output=json"], "");
    let scale: serde_json::Value = serde_json::from_str(&scale).unwrap();
    assert_eq!(scale["spec"]["replicas"], 3);
    assert_eq!(scale["status"]["replicas"], 3);
    assert_eq!(scale["status"]["selector"], "quorate.dev/cluster=demo");
    let explained = namespace.must(&["explain", "etcd.spec"], "");
    for field in [
        "size",
        "version",
        "storage",
        "image",
        "imagePullPolicy",
        "podTemplate",
        "services",
        "deletionPolicy",
        "etcd",
        "bootstrap",
        "paused",
    ] {
        assert!(explained.contains(&format!("\n  {field}\t")), "{field}: {explained}");
    }
}

#[test]
fn a_status_of_quorate_is_kept_as_it_is() {
    let namespace = installed("quorate-e2e-status");
    namespace.must(&["apply", "--filename", "-"], PAUSED);
    let status = quorate::plan::status::ClusterStatus {
        observed_generation: Some(1),
        cluster_id: Some("9a2f1c07d3b4e655".into()),
        members: vec![quorate::plan::status::MemberStatus {
            name: "demo-x4k2p".into(),
            ..Default::default()
        }],
        operation: Some(Default::default()),
        ..Default::default()
    };
    let patch = serde_json::json!({ "status": status }).to_string();
    // Tried only, since the operator is about to write one of its own.
    let patch = ["patch", "etcd", "demo", "--subresource=status", "--type=merge", "--patch", &patch];
    let kept = namespace.must(&[&patch[..], &["--dry-run=server", "--output=json"]].concat(), "");
    let kept: quorate::api::EtcdCluster = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept.status, Some(status));
    assert_eq!(kept.spec.size, 3);
}
