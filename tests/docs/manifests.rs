//! Manifests in the documentation and the examples fit the definition, offline.

use std::path::Path;

use quorate::{
    api::{manifest, validate},
    kubernetes::render,
    yaml,
};
use serde_json::Value;

use crate::{convention::all_pages, definition::Definition, pages::ROOT};

/// What the definition and Quorate's own check say of a manifest of an EtcdCluster; nothing when both take it.
fn complaints(text: &str) -> Vec<String> {
    let object: Value = yaml::from_str(text).unwrap();
    let mut found = Definition::shared().judge(&object, None);
    match manifest::read(text) {
        Ok(read) => {
            let problems = validate::check(&read.name, &read.spec).err().unwrap_or_default();
            found.extend(problems.iter().map(ToString::to_string));
            // What a template says and stays the operator's own would be told in the status.
            found.extend(read.spec.pod_template.iter().flat_map(render::ignored));
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
