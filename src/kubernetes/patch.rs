//! Merge patches (RFC 7386), which keep whatever they don't name.

use serde_json::Value;

/// The new value of an object for a merge patch that replaces the old one: what is gone, at any depth, is named as null.
pub(super) fn replacing(old: &Value, new: Value) -> Value {
    match (old, new) {
        (Value::Object(old), Value::Object(mut new)) => {
            for (name, old) in old {
                let value = new.remove(name).unwrap_or(Value::Null);
                new.insert(name.clone(), replacing(old, value));
            }
            Value::Object(new)
        }
        (_, new) => new,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_gone_is_named_at_any_depth() {
        let old = json!({ "same": 1, "gone": { "a": 1 }, "side": { "peer": { "step": "Drop", "source": "Managed" } } });
        let new = json!({ "same": 1, "new": [1], "side": { "peer": { "source": "Managed" } } });
        let patch = json!({
            "same": 1, "gone": null, "new": [1], "side": { "peer": { "step": null, "source": "Managed" } },
        });
        assert_eq!(replacing(&old, new.clone()), patch);
        assert_eq!(replacing(&Value::Null, new.clone()), new);
    }
}
