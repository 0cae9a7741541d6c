//! What is generated is what is checked in.

use std::{fs, path::Path};

use crate::tree::{path, read, run, said, tool};

fn files(folder: &Path, below: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap().path();
        match entry.is_dir() {
            true => files(&entry, below, found),
            false => found.push(entry.strip_prefix(below).unwrap().to_str().unwrap().to_owned()),
        }
    }
}

#[test]
fn what_is_generated_is_what_is_checked_in() {
    if tool("helm").is_none() || tool("helm-docs").is_none() {
        return;
    }
    let made = tempfile::tempdir().unwrap();
    said(&run(&path("scripts/chart"), &[made.path().to_str().unwrap()])).unwrap();
    let mut names = Vec::new();
    files(made.path(), made.path(), &mut names);
    assert!(names.len() >= 7, "{names:?}");
    for name in &names {
        let new = fs::read_to_string(made.path().join(name)).unwrap();
        assert!(!new.is_empty() && read(name) == new, "{name} is out of date: run make deploy");
    }
    // A set of values that is gone leaves no golden file behind.
    let golden = fs::read_dir(path("tests/golden/chart")).unwrap().count();
    assert_eq!(golden, fs::read_dir(path("tests/chart/values")).unwrap().count());
}
