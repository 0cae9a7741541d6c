//! Private keys, and where nobody may read one.

use k8s_openapi::api::core::v1::Secret;

use crate::kubectl::Namespace;

/// Checks that nothing of a private key of a namespace is in its objects, in the logs of its Pods, or in the log of the
/// operator in the namespace `operator`.
pub fn assert_told_nowhere(namespace: &Namespace, operator: &str) {
    let secrets = namespace.must(&["get", "secrets", "--output=json"], "");
    let secrets: serde_json::Value = serde_json::from_str(&secrets).unwrap();
    let secrets: Vec<Secret> = serde_json::from_value(secrets["items"].clone()).unwrap();
    let entries = secrets.into_iter().flat_map(|secret| secret.data.unwrap_or_default());
    let keys = entries.filter(|(name, _)| name.ends_with(".key"));
    // The first line says only that it is a key.
    let line = |text: Vec<u8>| String::from_utf8(text).unwrap().lines().nth(1).map(str::to_owned);
    let canaries: Vec<_> = keys.filter_map(|(_, bytes)| line(bytes.0)).collect();
    assert!(canaries.len() > 3 && canaries.iter().all(|line| line.len() > 40), "{}", canaries.len());

    let said = |args: &[&str]| namespace.run(args, "").out;
    let pods = said(&["get", "pods", "--output=name"]);
    let mut texts = vec![
        said(&["get", "pods,events,etcd,etcdmembers,services", "--output=json"]),
        said(&["logs", "--namespace", operator, "deployment/quorate", "--tail=-1"]),
    ];
    texts.extend(pods.lines().map(|pod| said(&["logs", pod, "--tail=-1"])));
    for text in texts {
        assert!(!text.is_empty() && !text.contains("PRIVATE KEY"));
        assert!(!canaries.iter().any(|canary| text.contains(canary)), "a key is told");
    }
}
