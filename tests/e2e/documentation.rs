//! The page for people who begin runs as it stands, and a real API server takes the examples.

use std::path::{Path, PathBuf};

use crate::{
    common::SECONDS,
    kubectl::{Namespace, program},
    pages::{Page, ROOT},
    shell::Shell,
};

/// The namespace that the page uses; here it gets one of its own.
const NAMESPACE: &str = "etcd-demo";

/// Deletes the namespace of the page, also when a command of it failed.
struct Left(String);

impl Drop for Left {
    fn drop(&mut self) {
        let arguments = ["delete", "namespace", &self.0, "--ignore-not-found", "--wait=false"];
        let _ = std::process::Command::new(program()).args(arguments).status();
    }
}

#[test]
fn the_page_for_people_who_begin_runs() {
    crate::place::beside_others();
    crate::volumes::keep_open();
    let name = format!("{NAMESPACE}-{}", std::process::id());
    let _left = Left(name.clone());
    let folder = tempfile::tempdir().unwrap();
    let kubectl = program().parent().unwrap().to_owned();
    Shell {
        folder: folder.path().to_owned(),
        programs: vec![kubectl],
        instead: vec![(NAMESPACE.to_owned(), name)],
        limit: SECONDS(540),
        variables: vec![],
    }
    .run(&Page::read("docs/getting-started/kubernetes.md"));
}

/// The manifests of a folder of the examples.
fn manifests(folder: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|one| one == "yaml")).collect()
}

#[test]
fn the_server_takes_every_example() {
    crate::place::beside_others();
    let namespace = Namespace::create("quorate-e2e-examples");
    // One of them names the namespace that it belongs to.
    let text = |path: &Path| {
        std::fs::read_to_string(path)
            .unwrap()
            .replace(&format!("namespace: {NAMESPACE}"), &format!("namespace: {}", namespace.name()))
    };
    let all: Vec<_> = ["examples", "examples/kubernetes"].into_iter().flat_map(manifests).collect();
    assert!(all.len() >= 8, "only {all:?}");
    for path in all {
        let said = namespace.run(&["apply", "--dry-run=server", "--filename", "-"], &text(&path));
        assert!(said.ok, "{}: {}", path.display(), said.err);
    }
}
