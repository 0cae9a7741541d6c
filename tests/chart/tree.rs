//! The files of the project, and the programs that are run over them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use quorate::yaml;
use serde_json::Value;

/// Objects by kind, namespace and name.
pub type Objects = BTreeMap<(String, String, String), Value>;

/// A path in the project.
pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// A file of the project.
pub fn read(relative: &str) -> String {
    fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// Runs a program in the project's folder.
pub fn run(program: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    output.unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

/// What a program printed on standard output, or, when it failed, what it complained about.
pub fn said(output: &Output) -> Result<String, String> {
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout.clone()).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// A developer tool; `None`, with a word about what is left out, where it can't be had.
pub fn tool(name: &str) -> Option<PathBuf> {
    match said(&run(&path("scripts/tool"), &[name])) {
        Ok(found) => Some(PathBuf::from(found.trim())),
        Err(error) => {
            println!("not checked: there is no {name} here: {}", error.trim());
            None
        }
    }
}

/// The objects of a manifest, each of which must be there once.
pub fn objects(manifest: &str) -> Objects {
    let mut all = Objects::new();
    for document in yaml::documents(manifest) {
        let object: Value = yaml::from_str(&document).unwrap();
        if object.is_null() {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        let key = (text(&object["kind"]), text(&metadata["namespace"]), text(&metadata["name"]));
        assert!(all.insert(key.clone(), object).is_none(), "{key:?} is there twice");
    }
    all
}

/// The one object of a kind.
pub fn only<'a>(objects: &'a Objects, kind: &str) -> &'a Value {
    let found: Vec<_> = objects.iter().filter(|((one, ..), _)| one == kind).collect();
    assert_eq!(found.len(), 1, "objects of kind {kind}");
    found[0].1
}
