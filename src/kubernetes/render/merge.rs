//! Merging a person's template into an object, strategically: by the rules of `kubectl patch`.
//!
//! Fields of objects merge deeply, and null deletes. Lists merge item by item where Kubernetes gives them a key, and are
//! replaced where it gives none.

use serde_json::Value;

/// Merges a template into an object.
pub(super) fn merge(base: &mut Value, overlay: &Value) {
    merge_field("", base, overlay);
}

fn merge_field(field: &str, base: &mut Value, overlay: &Value) {
    match (base, overlay) {
        (Value::Object(base), Value::Object(overlay)) => {
            for (name, value) in overlay {
                match base.get_mut(name) {
                    _ if value.is_null() => {
                        base.remove(name);
                    }
                    Some(base) => merge_field(name, base, value),
                    None => {
                        base.insert(name.clone(), without_nulls(value));
                    }
                }
            }
        }
        (Value::Array(base), Value::Array(overlay)) if !keys(field).is_empty() => {
            overlay.iter().for_each(|item| merge_item(field, base, item));
        }
        (base, overlay) => *base = without_nulls(overlay),
    }
}

fn merge_item(field: &str, base: &mut Vec<Value>, item: &Value) {
    let known = base
        .iter_mut()
        .find(|known| key(field, item).is_some_and(|key| Some(key) == self::key(field, known)));
    match known {
        // A variable has one source, and merging a value with a reference would make two.
        Some(known) if field == "env" => *known = without_nulls(item),
        Some(known) => merge_field("", known, item),
        None => base.push(without_nulls(item)),
    }
}

/// By which field the items of a list are told apart (`patchMergeKey` in the types of Kubernetes); none for a list that
/// is one value. Container ports and ports of a Service have the same name and different keys.
pub(super) fn keys(field: &str) -> &'static [&'static str] {
    match field {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" | "resourceClaims"
        | "schedulingGates" => &["name"],
        "volumeMounts" => &["mountPath"],
        "volumeDevices" => &["devicePath"],
        "ports" => &["containerPort", "port"],
        "hostAliases" => &["ip"],
        "topologySpreadConstraints" => &["topologyKey"],
        // The operator's own gate stays beside those of others, although Kubernetes would replace the list.
        "readinessGates" => &["conditionType"],
        _ => &[],
    }
}

/// What tells an item of a list from the others of it.
pub(super) fn key<'a>(field: &str, item: &'a Value) -> Option<&'a Value> {
    keys(field).iter().find_map(|key| item.get(key)).filter(|key| !key.is_null())
}

/// A value without its nulls, which only mean something where there is something to delete.
pub(super) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, field)| !field.is_null())
            .map(|(name, field)| (name.clone(), without_nulls(field)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn templates_merge_by_the_rules_of_kubernetes() {
        let cases = [
            (
                "objects deeply",
                json!({"a": {"b": 1}}),
                json!({"a": {"c": 2}}),
                json!({"a": {"b": 1, "c": 2}}),
            ),
            (
                "null deletes",
                json!({"a": {"b": 1}, "c": 1}),
                json!({"a": {"b": null}, "c": null}),
                json!({"a": {}}),
            ),
            ("null of nothing", json!({}), json!({"a": null, "b": {"c": null}}), json!({"b": {}})),
            ("scalars replace", json!({"a": 1}), json!({"a": "x"}), json!({"a": "x"})),
            (
                "containers by name",
                json!({"containers": [{"name": "etcd", "image": "a"}]}),
                json!({"containers": [{"name": "etcd", "tty": true}, {"name": "side", "image": "b"}]}),
                json!({"containers": [{"name": "etcd", "image": "a", "tty": true}, {"name": "side", "image": "b"}]}),
            ),
            (
                "a variable has one source",
                json!({"env": [{"name": "A", "value": "1"}]}),
                json!({"env": [{"name": "A", "valueFrom": {}}, {"name": "B", "value": "2"}]}),
                json!({"env": [{"name": "A", "valueFrom": {}}, {"name": "B", "value": "2"}]}),
            ),
            (
                "mounts by path",
                json!({"volumeMounts": [{"mountPath": "/a", "name": "x"}]}),
                json!({"volumeMounts": [{"mountPath": "/a", "readOnly": true}, {"mountPath": "/b", "name": "x"}]}),
                json!({"volumeMounts": [{"mountPath": "/a", "name": "x", "readOnly": true}, {"mountPath": "/b", "name": "x"}]}),
            ),
            (
                "container ports",
                json!({"ports": [{"containerPort": 1, "name": "a"}]}),
                json!({"ports": [{"containerPort": 1, "hostPort": 9}, {"containerPort": 2}]}),
                json!({"ports": [{"containerPort": 1, "name": "a", "hostPort": 9}, {"containerPort": 2}]}),
            ),
            (
                "ports of a Service",
                json!({"ports": [{"port": 1, "name": "a"}]}),
                json!({"ports": [{"port": 1, "nodePort": 30001}]}),
                json!({"ports": [{"port": 1, "name": "a", "nodePort": 30001}]}),
            ),
            (
                "spread by topology",
                json!({"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 1}, {"topologyKey": "host"}]}),
                json!({"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 2}]}),
                json!({"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 2}, {"topologyKey": "host"}]}),
            ),
            (
                "gates are added",
                json!({"readinessGates": [{"conditionType": "own"}]}),
                json!({"readinessGates": [{"conditionType": "theirs"}, {"conditionType": "own"}]}),
                json!({"readinessGates": [{"conditionType": "own"}, {"conditionType": "theirs"}]}),
            ),
            (
                "lists without a key replace",
                json!({"args": ["a"]}),
                json!({"args": ["b"]}),
                json!({"args": ["b"]}),
            ),
            (
                "tolerations are one value",
                json!({"tolerations": [{"key": "a"}]}),
                json!({"tolerations": [{"key": "b"}]}),
                json!({"tolerations": [{"key": "b"}]}),
            ),
        ];
        for (what, mut base, overlay, expected) in cases {
            merge(&mut base, &overlay);
            assert_eq!(base, expected, "{what}");
        }
    }
}
