//! What decides touches nothing: no I/O, no clock, no randomness, no types of the outside. Read from the source.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "this is a test, and failing is how a test says that something is wrong"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders and files that are pure; those that do not exist yet are skipped.
const PURE: &[&str] = &[
    "src/plan",
    "src/member/flags.rs",
    "src/member/guard/judge.rs",
    "src/kubernetes/render",
    "src/registrator/address.rs",
    "src/registrator/cli",
    "src/registrator/container.rs",
    "src/registrator/diff.rs",
    "src/registrator/known.rs",
    "src/registrator/layout",
    "src/registrator/metadata.rs",
    "src/registrator/service.rs",
    "src/registrator/tags.rs",
    "src/registrator/template",
];

/// Kubernetes' builders name Kubernetes' types; nothing else pure does.
const MAY_NAME_KUBERNETES: &str = "src/kubernetes/render";

/// Of `std`, the modules that reach out of the program, or tell the time.
const STD: &[&str] = &["fs", "net", "process", "env", "io", "thread", "os"];

/// Words that stand for an effect or a clock wherever they appear.
const WORDS: &[&str] = &[
    "SystemTime",
    "Instant",
    "tokio",
    "etcd_client",
    "reqwest",
    "hyper",
    "axum",
    "rustix",
    "rand",
    "uuid",
    "getrandom",
    "tracing",
    "println",
    "print",
    "eprintln",
    "eprint",
    "dbg",
    "include_str",
    "include_bytes",
];

/// Words that do so in one place only.
const PHRASES: &[&str] = &["Timestamp::now", "Zoned::now", "jiff::tz", "static mut", "thread_local"];

const KUBERNETES: &[&str] = &["kube", "k8s_openapi"];

/// The words of a source without its comments and strings, each with its line.
fn words(source: &str) -> Vec<(usize, String)> {
    let mut words = Vec::new();
    for (number, line) in source.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        // Every second part of a line is inside quotes; a quote inside a string does not matter for what is looked for.
        let code: Vec<_> = code.replace("\\\"", "").split('"').step_by(2).map(str::to_owned).collect();
        let spaced: String = code
            .join(" \" ")
            .chars()
            .flat_map(|c| {
                let part = c.is_alphanumeric() || c == '_';
                if part { vec![c] } else { vec![' ', c, ' '] }
            })
            .collect();
        words.extend(spaced.split_whitespace().map(|word| (number + 1, word.to_owned())));
    }
    words
}

/// What in a source is not pure: line and word.
fn impurities(source: &str, kubernetes: bool) -> Vec<(usize, String)> {
    let words = words(source);
    let mut found = Vec::new();
    let at = |index: usize| words.get(index).map_or("", |(_, word)| word.as_str());
    for (index, (line, word)) in words.iter().enumerate() {
        let forbidden =
            WORDS.contains(&word.as_str()) || (!kubernetes && KUBERNETES.contains(&word.as_str()));
        // A field or method of such a name is somebody's own.
        if forbidden && at(index.wrapping_sub(1)) != "." {
            found.push((*line, word.clone()));
        }
        if word == "std" && at(index + 1) == ":" {
            for reached in reached(&words[index + 3..]) {
                if STD.contains(&reached.as_str()) {
                    found.push((*line, format!("std::{reached}")));
                }
            }
        }
    }
    for (number, line) in source.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        found.extend(PHRASES.iter().filter(|p| code.contains(**p)).map(|p| (number + 1, (*p).to_owned())));
    }
    found
}

/// The first segments after `std::`: one, or those of a group.
fn reached(rest: &[(usize, String)]) -> Vec<String> {
    let mut segments = Vec::new();
    let (mut depth, mut first) = (0, true);
    for (_, word) in rest {
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," => first = depth == 1,
            name => {
                if first && name != ":" {
                    segments.push(name.to_owned());
                    first = false;
                }
            }
        }
        if depth == 0 || word == ";" {
            break;
        }
    }
    segments
}

fn sources(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            sources(&entry.unwrap().path(), found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") && path.exists() {
        found.push(path.to_owned());
    }
}

#[test]
fn what_decides_touches_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut read = 0;
    let mut found = Vec::new();
    for pure in PURE {
        let mut files = Vec::new();
        sources(&root.join(pure), &mut files);
        for file in files {
            let source = fs::read_to_string(&file).unwrap();
            read += 1;
            for (line, word) in impurities(&source, *pure == MAY_NAME_KUBERNETES) {
                found.push(format!("{}:{line}: {word}", file.strip_prefix(root).unwrap().display()));
            }
        }
    }
    assert!(read > 30, "only {read} files were found");
    assert!(found.is_empty(), "not pure:\n{}", found.join("\n"));
}

#[test]
fn the_scanner_finds_what_it_should() {
    let bad = [
        ("use std::fs;", "std::fs"),
        ("use std::{collections::BTreeMap, fs::File};", "std::fs"),
        ("use std::{\n    fmt,\n    net::TcpStream,\n};", "std::net"),
        ("use std::{fmt, time::{Duration, Instant}};", "Instant"),
        ("let now = std::time::SystemTime::now();", "SystemTime"),
        ("let now = jiff::Timestamp::now();", "Timestamp::now"),
        ("let home = std::env::var(\"HOME\");", "std::env"),
        ("tokio::spawn(async {});", "tokio"),
        ("fn f(client: &etcd_client::Client) {}", "etcd_client"),
        ("use kube::Api;", "kube"),
        ("use k8s_openapi::api::core::v1::Pod;", "k8s_openapi"),
        ("let id = uuid::Uuid::new_v4();", "uuid"),
        ("println!(\"{x}\");", "println"),
        ("std::process::exit(1)", "std::process"),
    ];
    for (source, word) in bad {
        let found = impurities(source, false);
        assert!(found.iter().any(|(_, one)| one == word), "{source}: {found:?}");
    }
}

#[test]
fn the_scanner_leaves_the_rest_alone() {
    let good = "//! No std::fs, no tokio here.\nuse std::{fmt, time::Duration};\nlet x = view.process; // println!\n\
                let s = \"quorate uses tokio\";\nstruct Process { since: Timestamp }\nlet y = one.rand();\n\
                use std::collections::BTreeMap as fs;";
    assert_eq!(impurities(good, false), []);
    assert_eq!(impurities("use k8s_openapi::api::core::v1::Pod;", true), []);
}
