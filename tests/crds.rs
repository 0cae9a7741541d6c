//! The checked-in custom resource definitions are those of the types.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails as a test does"
)]

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use quorate::{api, yaml};

#[test]
fn the_checked_in_definitions_are_those_of_the_types() {
    let mut all = Vec::new();
    for plural in api::crds::PLURALS {
        let path = format!("{}/crds/quorate.dev_{plural}.yaml", env!("CARGO_MANIFEST_DIR"));
        let checked_in = std::fs::read_to_string(&path).unwrap();
        let rendered = api::crds::render_one(plural).unwrap().unwrap();
        assert!(checked_in == rendered, "{path} is not that of src/api: run make crds");
        all.push(rendered);
    }
    assert_eq!(api::crds::render().unwrap(), all.join("---\n"));
    assert_eq!(api::crds::render_one("pods").unwrap(), None);
}

#[test]
fn what_is_written_reads_back_the_same() {
    for (plural, definition) in api::crds::PLURALS.iter().zip(api::crds::definitions().unwrap()) {
        let text = api::crds::render_one(plural).unwrap().unwrap();
        assert_eq!(yaml::from_str::<CustomResourceDefinition>(&text).unwrap(), definition);
        // kubectl reads YAML 1.1 with tabs refused and long lines allowed; documents must not be split.
        assert_eq!(yaml::documents(&text).len(), 1);
        assert!(!text.contains('\t'));
    }
}

#[test]
fn every_field_of_the_spec_is_described() {
    let mut bare = Vec::new();
    for definition in api::crds::definitions().unwrap() {
        let schema = &definition.spec.versions[0].schema;
        let schema = serde_json::to_value(schema.as_ref().unwrap().open_api_v3_schema.as_ref()).unwrap();
        describe("", &schema, &mut bare);
    }
    assert!(bare.is_empty(), "without a description: {}", bare.join(", "));
}

fn describe(path: &str, schema: &serde_json::Value, bare: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if field["description"].as_str().is_none_or(str::is_empty) && path != ".spec" && path != ".status" {
            bare.push(path.clone());
        }
        describe(&path, field, bare);
        describe(&format!("{path}[]"), &field["items"], bare);
    }
}
