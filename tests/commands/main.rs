//! The commands around a cluster, as a person and as a program use them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test says that it failed")]

#[path = "../common/mod.rs"]
mod common;

mod etcdctl;
mod live;
mod offline;
mod running;

use std::process::Output;

/// Standard error of a command, after a check of how it ended.
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
