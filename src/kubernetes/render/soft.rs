//! What of a Pod template reaches a Pod that runs, so that no member is restarted for it: labels and annotations, and the
//! processor and memory of containers, which Kubernetes changes in place
//! (<https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/>).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What can be changed in place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Soft {
    /// The labels of the Pod; null takes one away.
    #[serde(skip_serializing_if = "Map::is_empty")]
    labels: Map<String, Value>,
    /// Its annotations.
    #[serde(skip_serializing_if = "Map::is_empty")]
    annotations: Map<String, Value>,
    /// Processor and memory, by the name of the container.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    resources: BTreeMap<String, Value>,
}

impl Soft {
    /// Reads it from a template.
    pub fn of(template: Option<&Value>) -> Self {
        let entries = |field: &str| {
            let found = template.and_then(|template| template.pointer(&format!("/metadata/{field}")));
            found.and_then(Value::as_object).cloned().unwrap_or_default()
        };
        let resources = containers(template).filter_map(|one| Some((name(one)?, resizable(one)?.clone())));
        Self {
            labels: entries("labels"),
            annotations: entries("annotations"),
            resources: resources.collect(),
        }
    }

    /// As the annotation [`labels::SOFT`](crate::kubernetes::labels::SOFT) of a Pod has it; nothing of a template that has
    /// nothing of it.
    pub fn written(&self) -> Option<String> {
        let written = (*self != Self::default()).then(|| serde_json::to_string(self));
        written.and_then(Result::ok)
    }

    /// Reads what [`Self::written`] wrote.
    pub fn read(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// The containers whose processor and memory differ.
    pub fn resized(&self, other: &Self) -> Vec<String> {
        let names = self
            .resources
            .keys()
            .chain(other.resources.keys().filter(|name| !self.resources.contains_key(*name)));
        names.filter(|name| self.resources.get(*name) != other.resources.get(*name)).cloned().collect()
    }

    /// The names of labels and of annotations that the other has and this one does not.
    pub fn without(&self, other: &Self) -> (Vec<String>, Vec<String>) {
        let gone = |old: &Map<String, Value>, new: &Map<String, Value>| {
            old.keys().filter(|name| !new.contains_key(*name)).cloned().collect()
        };
        (gone(&other.labels, &self.labels), gone(&other.annotations, &self.annotations))
    }
}

/// A template without what can be changed in place: whatever differs in it needs another Pod.
pub fn hard(template: Option<&Value>) -> Value {
    let mut rest = template.cloned().unwrap_or_default();
    if let Some(metadata) = rest.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("labels");
        metadata.remove("annotations");
    }
    for one in rest.pointer_mut("/spec/containers").and_then(Value::as_array_mut).into_iter().flatten() {
        if resizable(one).is_some()
            && let Some(fields) = one.as_object_mut()
        {
            fields.remove("resources");
        }
    }
    tidy(rest)
}

/// Whether two templates differ in what can be changed in place, and in nothing else: where something else differs too,
/// another Pod is made, and that has all of it.
pub fn differ_softly(old: Option<&Value>, new: Option<&Value>) -> bool {
    Soft::of(old) != Soft::of(new) && hard(old) == hard(new)
}

fn containers(template: Option<&Value>) -> impl Iterator<Item = &Value> {
    let list = template.and_then(|template| template.pointer("/spec/containers")).and_then(Value::as_array);
    list.into_iter().flatten()
}

fn name(container: &Value) -> Option<String> {
    container.get("name").and_then(Value::as_str).map(str::to_owned)
}

/// The resources of a container, if they can be changed while it runs: of other kinds than processor and memory they can't,
/// and where the template asks for a restart of the container, that is a roll's to do one by one.
fn resizable(container: &Value) -> Option<&Value> {
    let policies = container.get("resizePolicy").and_then(Value::as_array);
    let restarts =
        |policy: &Value| policy.get("restartPolicy").and_then(Value::as_str) == Some("RestartContainer");
    if policies.into_iter().flatten().any(restarts) {
        return None;
    }
    let resources = container.get("resources")?;
    let kinds =
        |of: &Value| of.as_object().is_some_and(|of| of.keys().all(|kind| kind == "cpu" || kind == "memory"));
    let plain = |(field, of): (&String, &Value)| (field == "requests" || field == "limits") && kinds(of);
    resources.as_object()?.iter().all(plain).then_some(resources)
}

/// Without what is left empty where something was taken out.
fn tidy(mut template: Value) -> Value {
    let named_only =
        |one: &Value| one.as_object().is_some_and(|fields| fields.keys().all(|field| field == "name"));
    if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut)
        && let Some(list) = spec.get_mut("containers").and_then(Value::as_array_mut)
    {
        list.retain(|one| !named_only(one));
        if list.is_empty() {
            spec.remove("containers");
        }
    }
    if let Some(fields) = template.as_object_mut() {
        fields.retain(|_, value| value.as_object().is_none_or(|fields| !fields.is_empty()));
    }
    if template.as_object().is_some_and(Map::is_empty) { Value::Null } else { template }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn template(text: &str) -> Value {
        yaml::from_str(text).unwrap()
    }

    fn same_pod(old: &str, new: &str) -> bool {
        hard(Some(&template(old))) == hard(Some(&template(new)))
    }

    #[test]
    fn what_needs_another_pod_and_what_does_not() {
        let etcd = |fields: &str| format!("{{spec: {{containers: [{{name: etcd, {fields}}}]}}}}");
        for (old, new) in [
            ("{metadata: {labels: {a: b}}}", "{}"),
            ("{metadata: {labels: {a: b}, annotations: {c: d}}}", "{metadata: {labels: {a: c}}}"),
            (
                &etcd("resources: {limits: {memory: 1Gi}}"),
                &etcd("resources: {limits: {memory: 2Gi}, requests: {cpu: 1}}"),
            ),
            (&etcd("resources: {limits: {memory: 1Gi}}"), "{}"),
        ] {
            assert!(same_pod(old, new), "{old} → {new}");
        }
        let restarts = "resizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]";
        for (old, new) in [
            ("{metadata: {labels: {a: b}}, spec: {priorityClassName: x}}", "{metadata: {labels: {a: b}}}"),
            (&etcd("resources: {limits: {memory: 1Gi}}"), &etcd("resources: {limits: {hugepages-2Mi: 1Gi}}")),
            (
                &etcd(&format!("resources: {{limits: {{memory: 1Gi}}}}, {restarts}")),
                &etcd(&format!("resources: {{limits: {{memory: 2Gi}}}}, {restarts}")),
            ),
            ("{}", "{spec: {containers: [{name: sidecar, image: x, resources: {limits: {memory: 1Gi}}}]}}"),
        ] {
            assert!(!same_pod(old, new), "{old} → {new}");
        }
        assert_eq!(
            hard(None),
            hard(Some(&template("{metadata: {labels: {a: b}}}"))),
            "nothing is left of it"
        );
    }

    #[test]
    fn a_member_takes_over_what_can_be_changed_in_place() {
        let old = template("{metadata: {labels: {a: b}}, spec: {priorityClassName: x}}");
        let new = template("{metadata: {labels: {a: c}}, spec: {priorityClassName: x}}");
        assert!(differ_softly(Some(&old), Some(&new)));
        assert!(!differ_softly(Some(&new), Some(&new)) && !differ_softly(None, None));
        let other = template("{metadata: {labels: {a: c}}, spec: {priorityClassName: y}}");
        assert!(!differ_softly(Some(&old), Some(&other)), "another Pod brings both");
        let labels = template("{metadata: {labels: {a: b}}}");
        assert!(differ_softly(Some(&labels), None), "what is gone is taken away");
    }

    #[test]
    fn differences_are_found_in_what_was_written() {
        let soft = |text: &str| Soft::of(Some(&template(text)));
        let old = soft(
            "{metadata: {labels: {a: b, c: d}, annotations: {e: f}}, spec: {containers: [{name: etcd, resources: \
             {limits: {memory: 1Gi}}}]}}",
        );
        let new = soft(
            "{metadata: {labels: {a: x}}, spec: {containers: [{name: other, resources: {limits: {cpu: 1}}}]}}",
        );
        let read = Soft::read(old.written().as_deref());
        assert_eq!(read, old);
        assert_eq!(new.without(&read), (vec!["c".to_owned()], vec!["e".to_owned()]));
        assert_eq!(new.resized(&read), ["other", "etcd"]);
        assert_eq!(Soft::default().written(), None);
        assert_eq!(Soft::read(Some("nonsense")), Soft::default());
    }
}
