//! Whether a person's template fits the type it is merged into, and where it does not.

use k8s_openapi::{
    api::core::v1::{PodTemplateSpec, ServiceSpec},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::merge;

/// Checks that `spec.podTemplate` is the template of a Pod.
///
/// # Errors
/// What is wrong and where: fields that a Pod does not have, values of another type, items of a list without a name.
pub fn check(template: &Value) -> Result<(), String> {
    fits::<PodTemplateSpec>(template)
}

/// Checks that `spec.services.client` is the template of a Service.
///
/// # Errors
/// As [`check`].
pub fn check_service(template: &Value) -> Result<(), String> {
    /// The part of a Service that people may give; its fields are read only to find those that it does not have.
    #[derive(Deserialize)]
    struct ServiceTemplate {
        #[serde(default, rename = "metadata")]
        _metadata: ObjectMeta,
        #[serde(default, rename = "spec")]
        _spec: ServiceSpec,
    }

    fits::<ServiceTemplate>(template)
}

fn fits<T: DeserializeOwned>(template: &Value) -> Result<(), String> {
    // Nulls delete, wherever they stand.
    let template = merge::without_nulls(template);
    if !template.is_object() {
        return Err("it is not an object with metadata and spec".into());
    }
    let unknown = read::<T>(&template).map_err(|why| match misfit::<T>(&template) {
        place if place.is_empty() => why,
        place => format!("{place}: {why}"),
    })?;
    if !unknown.is_empty() {
        let are = if unknown.len() == 1 { "is not a field" } else { "are not fields" };
        return Err(format!("{} {are} that Kubernetes knows", unknown.join(", ")));
    }
    let mut nameless = Vec::new();
    find_nameless("", "", &template, &mut nameless);
    if nameless.is_empty() { Ok(()) } else { Err(nameless.join("; ")) }
}

/// The fields that the type does not have, or why it can't be read at all.
fn read<T: DeserializeOwned>(template: &Value) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    let noted = |path: serde_ignored::Path<'_>| unknown.push(dotted(&path));
    serde_ignored::deserialize::<_, _, T>(template, noted).map_err(|error| error.to_string())?;
    Ok(unknown)
}

/// A path in the way of the other messages, `spec.containers[0].name`.
fn dotted(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;

    let join = |parent: &Path<'_>, name: &str| match dotted(parent) {
        parent if parent.is_empty() => name.to_owned(),
        parent => format!("{parent}.{name}"),
    };
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", dotted(parent)),
        Path::Map { parent, key } => join(parent, key),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            dotted(parent)
        }
    }
}

/// The smallest part of a template without which it could be read: a reader of values says what is wrong and not where.
fn misfit<T: DeserializeOwned>(template: &Value) -> String {
    let mut place = String::new();
    let mut pointer = String::new();
    loop {
        let children: Vec<(String, String)> = match template.pointer(&pointer) {
            Some(Value::Object(fields)) => fields
                .keys()
                .map(|name| {
                    let dot = if place.is_empty() { "" } else { "." };
                    (format!("{place}{dot}{name}"), name.replace('~', "~0").replace('/', "~1"))
                })
                .collect(),
            Some(Value::Array(items)) => {
                (0..items.len()).map(|index| (format!("{place}[{index}]"), index.to_string())).collect()
            }
            _ => return place,
        };
        let guilty = children.into_iter().find(|(_, token)| {
            let mut rest = template.clone();
            remove(&mut rest, &pointer, token);
            read::<T>(&rest).is_ok()
        });
        let Some((named, token)) = guilty else { return place };
        place = named;
        pointer = format!("{pointer}/{token}");
    }
}

fn remove(value: &mut Value, pointer: &str, token: &str) {
    match value.pointer_mut(pointer) {
        Some(Value::Object(fields)) => {
            fields.remove(&token.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => {
            let index = token.parse().unwrap_or(items.len());
            if index < items.len() {
                items.remove(index);
            }
        }
        _ => {}
    }
}

/// Items that can't be merged, since nothing says which one they are.
fn find_nameless(path: &str, field: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                find_nameless(&format!("{path}{dot}{name}"), name, value, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                let keys = merge::keys(field);
                if !keys.is_empty() && merge::key(field, item).is_none() {
                    found
                        .push(format!("{path} has no {}, which tells it from the others", keys.join(" or ")));
                }
                find_nameless(&path, "", item, found);
            }
        }
        _ => {}
    }
}
