//! The rules of the fields that only mean something on Kubernetes.

use serde_json::Value;

use super::{Problems, rules};
use crate::api::EtcdClusterSpec;

pub(super) fn check(spec: &EtcdClusterSpec, problems: &mut Problems) {
    if let Some(image) = &spec.image {
        let printable = image.bytes().all(|byte| byte.is_ascii_graphic());
        if image.is_empty() || image.len() > rules::IMAGE_LENGTH || !printable {
            problems.add(
                "spec.image",
                format!(
                    "{image:?} is not an image: write one without spaces, of at most {} characters, such as \
                     quay.io/coreos/etcd:v3.6.16, or remove it",
                    rules::IMAGE_LENGTH
                ),
            );
        }
    }
    one_of(
        "spec.imagePullPolicy",
        spec.image_pull_policy.as_deref(),
        &rules::PULL_POLICIES,
        "when an image is pulled: use Always, IfNotPresent or Never",
        problems,
    );
    one_of(
        "spec.deletionPolicy",
        spec.deletion_policy.as_deref(),
        &rules::DELETION_POLICIES,
        "what becomes of the volumes: use Retain or Delete",
        problems,
    );
    if let Some(template) = &spec.pod_template {
        check_template("spec.podTemplate", template, problems);
    }
    if let Some(template) = spec.services.as_ref().and_then(|services| services.client.as_ref()) {
        check_template("spec.services.client", template, problems);
    }
}

fn one_of(field: &str, value: Option<&str>, allowed: &[&str], what: &str, problems: &mut Problems) {
    if let Some(value) = value.filter(|value| !allowed.contains(value)) {
        problems.add(field, format!("{value:?} does not say {what}"));
    }
}

/// The outer shape of a template. Whether its spec fits is for Kubernetes to say, whose fields differ between versions.
fn check_template(field: &str, template: &Value, problems: &mut Problems) {
    let Some(parts) = fields(field, template, &["metadata", "spec"], problems) else { return };
    if let Some(metadata) = parts.get("metadata") {
        let field = format!("{field}.metadata");
        let known = ["labels", "annotations"];
        let metadata = fields(&field, metadata, &known, problems);
        for (name, entries) in
            metadata.into_iter().flatten().filter(|(name, _)| known.contains(&name.as_str()))
        {
            let field = format!("{field}.{name}");
            let Some(entries) = object(&field, entries, problems) else { continue };
            for (key, value) in entries.iter().filter(|(_, value)| !value.is_string() && !value.is_null()) {
                problems.add(
                    format!("{field}.{key}"),
                    format!("a text is expected: write it in quotes, \"{value}\""),
                );
            }
        }
    }
    if let Some(spec) = parts.get("spec") {
        object(&format!("{field}.spec"), spec, problems);
    }
}

/// The fields of an object that has no others than the known ones.
fn fields<'a>(
    field: &str,
    value: &'a Value,
    known: &[&str],
    problems: &mut Problems,
) -> Option<&'a serde_json::Map<String, Value>> {
    let fields = object(field, value, problems)?;
    for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
        problems
            .add(format!("{field}.{name}"), format!("it is not a field here: use {}", known.join(" and ")));
    }
    Some(fields)
}

/// The object in a field; null is an absent one.
fn object<'a>(
    field: &str,
    value: &'a Value,
    problems: &mut Problems,
) -> Option<&'a serde_json::Map<String, Value>> {
    if !value.is_object() && !value.is_null() {
        problems.add(field, "an object with fields is expected");
    }
    value.as_object()
}
