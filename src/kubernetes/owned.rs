//! How many fields of an object's spec are the operator's: those that somebody else changed since are not, by the API
//! server's own book-keeping (`metadata.managedFields` of server-side apply).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::{Map, Value};

use super::hands::MANAGER;

/// The number that the operator owns; `None` where nobody keeps books.
pub fn owned(meta: &ObjectMeta) -> Option<usize> {
    let entry = meta.managed_fields.iter().flatten().find(|entry| {
        entry.manager.as_deref() == Some(MANAGER)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.is_none()
    })?;
    let spec = entry.fields_v1.as_ref()?.0.get("f:spec")?.as_object()?;
    Some(spec.values().map(in_books).sum())
}

/// The number that the operator owns of an object once it applied it.
pub fn applied(object: &impl Serialize) -> Option<usize> {
    let object = serde_json::to_value(object).ok()?;
    Some(object.get("spec")?.as_object()?.values().map(in_object).sum())
}

/// A list whose items are told apart by keys counts by the fields of its items, anything else as one.
fn in_books(field: &Value) -> usize {
    let items = field.as_object().into_iter().flatten().filter(|(key, _)| key.starts_with("k:"));
    let of_item = |item: &Map<String, Value>| item.keys().filter(|key| key.starts_with("f:")).count();
    match items.filter_map(|(_, item)| item.as_object()).map(of_item).sum() {
        0 => 1,
        fields => fields,
    }
}

fn in_object(field: &Value) -> usize {
    match field.as_array().into_iter().flatten().filter_map(Value::as_object).map(Map::len).sum() {
        0 => 1,
        fields => fields,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As an API server writes it down for a Service, without the fields of `lost`.
    fn books(lost: &[&str]) -> ObjectMeta {
        let port = r#"k:{"port":2379,"protocol":"TCP"}"#;
        let mut spec = json!({
            "f:clusterIP": {}, "f:selector": {},
            "f:ports": { port: { ".": {}, "f:name": {}, "f:port": {}, "f:targetPort": {} } },
        });
        for pointer in lost {
            let (at, field) = pointer.rsplit_once('/').unwrap();
            spec.pointer_mut(at).unwrap().as_object_mut().unwrap().remove(field);
        }
        let entry = |manager: &str, operation: &str, fields: Value| json!({ "manager": manager, "operation": operation, "fieldsV1": fields });
        serde_json::from_value(json!({ "managedFields": [
            entry("kubectl-edit", "Update", json!({ "f:spec": { "f:type": {} } })),
            entry(MANAGER, "Apply", json!({ "f:spec": spec })),
        ]}))
        .unwrap()
    }

    #[test]
    fn what_somebody_else_changed_is_no_longer_owned() {
        let port = json!({ "name": "client", "port": 2379, "targetPort": 2379 });
        let service =
            json!({ "spec": { "clusterIP": "None", "selector": { "a": "b", "c": "d" }, "ports": [port] } });
        let all = applied(&service);
        assert_eq!(all, Some(5));
        assert_eq!(owned(&books(&[])), all);
        for lost in ["/f:selector", "/f:ports", r#"/f:ports/k:{"port":2379,"protocol":"TCP"}/f:targetPort"#] {
            assert_eq!(owned(&books(&[lost])), Some(if lost == "/f:ports" { 2 } else { 4 }), "{lost}");
        }
        assert_eq!(owned(&ObjectMeta::default()), None, "nobody keeps books");
    }
}
