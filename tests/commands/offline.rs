//! Commands that need no cluster, and those that miss one.

use std::process::Command;

use super::{
    common::{etcd::binary, up::command},
    ends, says,
};

const COMMANDS: [&str; 13] = [
    "up",
    "status",
    "member",
    "scale",
    "replace",
    "restart",
    "explain",
    "validate",
    "crds",
    "down",
    "completions",
    "man",
    "version",
];

fn text(arguments: &[&str]) -> String {
    let output = command(arguments, None);
    assert_eq!(ends(&output, 0), "");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_definitions_are_the_checked_in_ones() {
    let mut checked_in = Vec::new();
    for plural in ["etcdclusters", "etcdmembers"] {
        let file = format!("{}/crds/quorate.dev_{plural}.yaml", env!("CARGO_MANIFEST_DIR"));
        checked_in.push(std::fs::read_to_string(file).unwrap());
        assert_eq!(Some(&text(&["crds", plural])), checked_in.last());
    }
    assert_eq!(text(&["crds"]), checked_in.join("---\n"));
    says(&ends(&command(&["crds", "pods"], None), 2), &["pods", "possible values", "etcdclusters"]);
}

#[test]
fn help_manual_and_completions_know_every_command() {
    let manual = text(&["man"]);
    let help = text(&["--help"]);
    says(&help, &["Exit codes:", "3  the manifest or the size is refused"]);
    says(&manual, &[".TH quorate", "quorate\\-up(1)"]);
    for shell in ["bash", "zsh", "fish"] {
        says(&text(&["completions", shell]), &COMMANDS);
    }
    for name in COMMANDS {
        says(&help, &[&format!("\n  {name} ")]);
        says(&manual, &[&format!("quorate\\-{name}(1)")]);
    }
    says(&ends(&command(&["completions", "tcl"], None), 2), &["tcl", "possible values", "bash"]);
}

#[test]
fn a_folder_without_a_cluster_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("nothing-here");
    let name = dir.display().to_string();
    for arguments in [
        &["status"][..],
        &["member", "list"],
        &["scale", "5"],
        &["replace", "demo-x"],
        &["restart", "demo-x"],
        &["explain"],
        &["down"],
        &["up"],
    ] {
        // By the environment and by the flag.
        says(&ends(&command(arguments, Some(&dir)), 4), &[&name]);
        let flag = [arguments, &["--dir", &name]].concat();
        says(&ends(&command(&flag, None), 4), &[&name]);
        assert!(!dir.exists(), "{arguments:?} made the folder");
    }
}

#[test]
fn programs_can_be_named_in_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/demo.yaml");
    let etcd = binary(quorate::plan::version::Minor::V3_6).path;
    // Several are separated by colons; the last one shows that it was looked at.
    let programs = format!("{}:/bin/true", etcd.display());
    let output = Command::new(env!("CARGO_BIN_EXE_quorate"))
        .args(["up", "-f", file])
        .env("QUORATE_DIR", folder.path().join("cluster"))
        .env("QUORATE_ETCD", programs)
        .output()
        .unwrap();
    says(&ends(&output, 1), &["/bin/true is not etcd"]);
}
