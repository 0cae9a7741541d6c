//! The operator's rights are those that it uses: what it did in all tests before, by the API server's audit log.
//!
//! Without `QUORATE_AUDIT_LOG`, the path of that log, there is nothing to check.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

use std::collections::BTreeSet;

use quorate::yaml;
use serde_json::Value;

/// The namespace of the operator.
const NAMESPACE: &str = "quorate-system";

/// API group, resource with its subresource, and verb.
type Right = (String, String, String);

/// What the manifest grants by all roles of a kind.
fn granted(kind: &str) -> BTreeSet<Right> {
    let manifest = include_str!("../../deploy/quorate.yaml");
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let mut all = BTreeSet::new();
    for document in yaml::documents(manifest) {
        let object: Value = yaml::from_str(&document).unwrap();
        if object["kind"] != kind {
            continue;
        }
        for rule in object["rules"].as_array().unwrap() {
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    all.extend(
                        texts(&rule["verbs"]).into_iter().map(|verb| (group.clone(), resource.clone(), verb)),
                    );
                }
            }
        }
    }
    assert!(!all.is_empty(), "the manifest has no {kind}");
    all
}

/// What one line of the log says was done, and in which namespace; nothing for requests that are not for resources.
fn used(event: &Value) -> Vec<(Right, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &event["objectRef"];
    if object["resource"].is_null() {
        return Vec::new();
    }
    let resource = match text(&object["subresource"]) {
        none if none.is_empty() => text(&object["resource"]),
        sub => format!("{}/{sub}", text(&object["resource"])),
    };
    let right = |verb: &str| (text(&object["apiGroup"]), resource.clone(), verb.to_owned());
    let mut verbs = vec![text(&event["verb"])];
    // An apply of what is not there yet is a patch that needs the right to create.
    if verbs[0] == "patch" && event["responseStatus"]["code"] == 201 {
        verbs.push("create".to_owned());
    }
    verbs.iter().map(|verb| (right(verb), text(&object["namespace"]))).collect()
}

#[test]
fn what_is_granted_is_used_and_what_is_used_is_granted() {
    let Some(path) = std::env::var_os("QUORATE_AUDIT_LOG") else {
        println!("not checked: QUORATE_AUDIT_LOG names no audit log of the API server");
        return;
    };
    let log = std::fs::read_to_string(&path).unwrap();
    let (mut own, mut wide, mut refused) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for line in log.lines() {
        // The last line may be being written.
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        let allowed = event["annotations"]["authorization.k8s.io/decision"] == "allow";
        for (right, namespace) in used(&event) {
            match (allowed, namespace == NAMESPACE) {
                (false, _) => refused.insert(right),
                (true, true) => own.insert(right),
                (true, false) => wide.insert(right),
            };
        }
    }
    println!(
        "{} lines; rights used in its own namespace {}, elsewhere {}",
        log.lines().count(),
        own.len(),
        wide.len()
    );
    assert!(refused.is_empty(), "the operator asked for what it may not do: {refused:#?}");
    // It tells of the election in its own namespace, with the right to do so anywhere.
    let (leases, rest): (BTreeSet<_>, BTreeSet<_>) =
        own.into_iter().partition(|(_, resource, _)| resource == "leases");
    assert_eq!(leases, granted("Role"), "in its own namespace");
    assert!(rest.iter().all(|(group, ..)| group == "events.k8s.io"), "in its own namespace: {rest:#?}");
    let all = granted("ClusterRole");
    let missing: Vec<_> = all.difference(&wide).collect();
    assert!(missing.is_empty(), "granted and never used in any test: {missing:#?}");
    assert!(
        wide.is_subset(&all),
        "allowed by something else than the manifest: {:#?}",
        wide.difference(&all)
    );
}
