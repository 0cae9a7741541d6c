//! The definition of EtcdCluster, applied as an API server does: types first, then rules.

use kube::core::cel::{CompiledSchema, Validator, compile_schema};
use quorate::api::crds;
use serde_json::Value;

use crate::schema;

/// The definition, ready to judge.
pub struct Definition {
    /// Its schema.
    pub schema: Value,
    rules: CompiledSchema,
    validator: Validator,
}

impl Definition {
    /// The one of the source.
    pub fn new() -> Self {
        let definition = crds::definition().unwrap();
        let schema = definition.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref();
        let schema = serde_json::to_value(schema).unwrap();
        Self { rules: compile_schema(&schema), schema, validator: Validator::new() }
    }

    /// One for many questions, since generating the schema takes longer than applying it.
    pub fn shared() -> &'static Self {
        thread_local! {
            static SHARED: &'static Definition = Box::leak(Box::new(Definition::new()));
        }
        SHARED.with(|shared| *shared)
    }

    /// What a server would say of an object, and of its change; empty when it would take it.
    pub fn judge(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        let mut known = self.schema.clone();
        for (name, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            known["properties"][name] = serde_json::json!({ "type": kind });
        }
        let malformed = schema::check(&known, "", new);
        if !malformed.is_empty() {
            return malformed;
        }
        let (new, old) = (schema::without_nulls(new), old.map(schema::without_nulls));
        let verdict = self.validator.validate_compiled(&self.rules, &new, old.as_ref());
        verdict.err().into_iter().flatten().map(|error| error.to_string()).collect()
    }
}
