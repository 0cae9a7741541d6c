//! Manifests in the documentation and the examples fit the definition, offline.

use std::path::Path;

use kube::core::cel::{Validator, compile_schema};
use quorate::{
    api::{crds, manifest, validate},
    yaml,
};
use serde_json::Value;

use crate::{convention::all_pages, pages::ROOT, schema};

/// What the definition and Quorate's own check say of a manifest of an EtcdCluster; nothing when both take it.
fn complaints(text: &str) -> Vec<String> {
    let object: Value = yaml::from_str(text).unwrap();
    let definition = crds::definition().unwrap();
    let known = definition.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref();
    let rules = serde_json::to_value(known).unwrap();
    let mut shape = rules.clone();
    for (name, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
        shape["properties"][name] = serde_json::json!({ "type": kind });
    }
    let mut found = schema::check(&shape, "", &object);
    let verdict =
        Validator::new().validate_compiled(&compile_schema(&rules), &schema::without_nulls(&object), None);
    found.extend(verdict.err().into_iter().flatten().map(|error| error.to_string()));
    match manifest::read(text) {
        Ok(read) => {
            let problems = validate::check(&read.name, &read.spec).err().unwrap_or_default();
            found.extend(problems.iter().map(ToString::to_string));
        }
        Err(error) => found.push(error.to_string()),
    }
    found
}

/// The documents of a file or a block that are of kind EtcdCluster.
fn clusters(text: &str) -> Vec<String> {
    let all = yaml::documents(text).into_iter();
    let is_cluster =
        |one: &String| yaml::from_str::<Value>(one).is_ok_and(|one| one["kind"] == "EtcdCluster");
    all.filter(is_cluster).collect()
}

#[test]
fn every_manifest_of_the_documentation_fits() {
    let mut count = 0;
    for page in all_pages() {
        for block in page.blocks().iter().filter(|block| block.info == "yaml" || block.info == "sh run") {
            // Commands have theirs between two lines MANIFEST.
            let shell =
                block.text.split("<<'MANIFEST'").nth(1).map(|rest| rest.split("\nMANIFEST").next().unwrap());
            let text =
                shell.and_then(|rest| rest.split_once('\n')).map_or(block.text.as_str(), |(_, text)| text);
            if block.info == "sh run" && shell.is_none() {
                continue;
            }
            for text in clusters(text) {
                count += 1;
                let found = complaints(&text);
                assert!(found.is_empty(), "{}:{}: {found:?}", page.path.display(), block.line);
            }
        }
    }
    assert!(count >= 3, "only {count} manifests were found");
}

#[test]
fn every_example_fits() {
    let mut count = 0;
    let mut folders = vec![Path::new(ROOT).join("examples")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|one| one == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                for document in yaml::documents(&text) {
                    let read = yaml::from_str::<Value>(&document);
                    assert!(read.is_ok(), "{}: {read:?}", path.display());
                }
                for text in clusters(&text) {
                    count += 1;
                    let found = complaints(&text);
                    assert!(found.is_empty(), "{}: {found:?}", path.display());
                }
            }
        }
    }
    assert!(count >= 5, "only {count} clusters were found in the examples");
}

#[test]
fn a_manifest_that_does_not_fit_is_found() {
    let wrong =
        "apiVersion: quorate.dev/v1alpha1\nkind: EtcdCluster\nmetadata: {name: demo}\nspec: {size: 4}\n";
    assert!(!complaints(wrong).is_empty());
}
