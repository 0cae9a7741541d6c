//! What people get wrong, and what goes wrong around a cluster: each has an exit code or a condition, and a message that
//! names the thing and the way out. Nobody loses a member over it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test says that it failed")]

#[path = "../common/mod.rs"]
mod common;

mod disk;
mod edits;
mod folder;
mod manifest;
mod options;
mod ports;
mod programs;

use std::{process::Output, time::Duration};

use common::up::Up;
use quorate::plan::status::ClusterStatus;

/// How long something may take that takes a second or two.
const SOON: Duration = Duration::from_secs(60);

/// What a command wrote to standard error, after a check of how it ended.
#[track_caller]
fn ends(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}{}", String::from_utf8_lossy(&output.stdout));
    text
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in\n{text}");
    }
}

/// A manifest of a cluster with this spec, in flow style.
fn manifest_of(name: &str, spec: &str) -> String {
    format!("apiVersion: quorate.dev/v1alpha1\nkind: EtcdCluster\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

/// The message of a condition.
fn message(status: &ClusterStatus, kind: &str) -> String {
    status.condition(kind).map(|one| one.message.clone()).unwrap_or_default()
}

/// Waits until a condition has a status, and a message with all of these words.
#[track_caller]
fn wait_for(up: &Up, kind: &str, status: &str, words: &[&str]) -> ClusterStatus {
    up.wait(&format!("{kind} {status} with {words:?}"), SOON, |now| {
        let message = message(now, kind);
        now.condition(kind).is_some_and(|one| one.status == status)
            && words.iter().all(|word| message.contains(word))
    });
    up.status()
}

/// The members and their processes: what must not change when nothing is to be touched.
fn lives(up: &Up) -> Vec<(String, Option<i32>)> {
    let mut names: Vec<_> = std::fs::read_dir(up.dir().join("members"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), up.member_pid(&name))).collect()
}
