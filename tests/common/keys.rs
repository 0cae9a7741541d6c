//! Private keys, and where nobody may read one.

use k8s_openapi::{ByteString, api::core::v1::Secret};

use crate::kubectl::Namespace;

/// Checks that nothing of a private key of a namespace is in its objects, in what is said of its Secrets beside what they
/// hold, in the logs of its Pods, or in those of the operator in the namespace `operator`.
pub fn assert_told_nowhere(namespace: &Namespace, operator: &str) {
    let secrets = namespace.must(&["get", "secrets", "--output=json"], "");
    let secrets: serde_json::Value = serde_json::from_str(&secrets).unwrap();
    let secrets: Vec<Secret> = serde_json::from_value(secrets["items"].clone()).unwrap();
    let about: Vec<_> = secrets.iter().map(|secret| secret.metadata.clone()).collect();
    let entries = secrets.into_iter().flat_map(|secret| secret.data.unwrap_or_default());
    let keys = entries.filter(|(name, _)| name.ends_with(".key"));
    // The first line says only that it is a key.
    let line = |text: Vec<u8>| String::from_utf8(text).unwrap().lines().nth(1).map(str::to_owned);
    let lines: Vec<_> = keys.filter_map(|(_, bytes)| line(bytes.0)).collect();
    assert!(lines.len() > 3 && lines.iter().all(|line| line.len() > 40), "{}", lines.len());
    let canaries: Vec<_> = lines.iter().flat_map(|line| encoded(line)).chain(lines.clone()).collect();

    let said = |args: &[&str]| namespace.run(args, "").out;
    let objects =
        "pods,events,etcd,etcdmembers,services,configmaps,persistentvolumeclaims,poddisruptionbudgets";
    let mut texts = vec![said(&["get", objects, "--output=json"]), serde_json::to_string(&about).unwrap()];
    // Any of the operator's Pods may have been the one that led.
    for (of, selector) in [(operator, "app.kubernetes.io/name=quorate"), (namespace.name(), "")] {
        let pods = said(&["get", "pods", "--output=name", "--namespace", of, "--selector", selector]);
        let log = |pod| said(&["logs", pod, "--namespace", of, "--all-containers", "--tail=-1"]);
        texts.push(pods.lines().map(log).collect());
    }
    for text in texts {
        assert!(!text.is_empty() && !text.contains("PRIVATE KEY"));
        assert!(!canaries.iter().any(|canary| text.contains(canary)), "a key is told");
    }
}

/// What base64 makes of a text that stands in a longer one, as in the body of a call that writes a Secret: it depends on
/// what comes before, and the characters at both ends depend on their neighbours too.
fn encoded(text: &str) -> impl Iterator<Item = String> {
    (0..3).map(move |before| {
        let bytes = [&[0; 2][..before], text.as_bytes()].concat();
        let whole = bytes.len() * 8 / 6;
        let encoded = serde_json::to_value(ByteString(bytes)).unwrap();
        encoded.as_str().unwrap()[(before * 8).div_ceil(6)..whole].to_owned()
    })
}
