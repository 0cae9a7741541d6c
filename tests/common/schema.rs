//! The part of an API server's verdict that is not CEL: types, required and unknown fields, bounds.

use serde_json::Value;

/// What a server would say of a value; empty when it would take it. Knows only what the definition uses.
pub fn check(schema: &Value, path: &str, value: &Value) -> Vec<String> {
    if value.is_null() && (schema["nullable"] == true || schema.get("default").is_some()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    if schema["x-kubernetes-int-or-string"] == true {
        if !value.is_i64() && !value.is_string() {
            found.push(format!("{path}: neither a number nor a text"));
        }
        return found;
    }
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64(),
        other => panic!("{path}: the schema has type {other:?}, which this check does not know"),
    };
    if !fits {
        return vec![format!("{path}: not of type {}", schema["type"])];
    }
    let mut bound = |key: &str, size: usize| {
        if schema[key].as_u64().is_some_and(|limit| size as u64 > limit) {
            found.push(format!("{path}: beyond {key}"));
        }
    };
    bound("maxLength", value.as_str().map_or(0, |text| text.chars().count()));
    bound("maxItems", value.as_array().map_or(0, Vec::len));
    bound("maxProperties", value.as_object().map_or(0, |fields| fields.len()));
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(required).is_none() {
            found.push(format!("{path}.{required}: required"));
        }
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let properties = &schema["properties"];
        match (properties.get(name), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema)) => found.extend(check(schema, &path, field)),
            // The definition leaves metadata to the server.
            (None, None) if schema.get("properties").is_none() => {}
            (None, None) => found.push(format!("{path}: unknown")),
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(check(&schema["items"], &format!("{path}[{index}]"), item));
    }
    found
}

/// The value without nulls, which CEL treats as absent.
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, field)| !field.is_null());
            Value::Object(fields.map(|(name, field)| (name.clone(), without_nulls(field))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}
