//! Manifests: `validate -f` and `up -f` give the same verdict in the same words.

use std::{fs, process::Output};

use super::{common::up::command, ends, manifest_of, says};

#[test]
fn a_bad_manifest_is_refused_with_field_place_and_way_out() {
    let odd = "use 3, 5, 7 or 9";
    let spec = |text: &str| manifest_of("demo", text);
    let cases: &[(String, &[&str])] = &[
        (spec("{size: 0}"), &["line 4, column 14", "spec.size: 0", odd]),
        (spec("{size: 1}"), &["spec.size: 1", "survive no failure", odd]),
        (spec("{size: 2}"), &["spec.size: 2", odd]),
        (spec("{size: 4}"), &["spec.size: 4", "no more failures than 3", "use 3 or 5"]),
        (spec("{size: -3}"), &["spec.size: -3", odd]),
        (spec("{size: 11}"), &["spec.size: 11", "too many disks", odd]),
        (spec("{size: three}"), &["line 4, column 14", "spec.size: \"three\" is not a whole number", odd]),
        (spec("{}"), &["spec.size: it is missing", odd]),
        (spec("{size: 3, sise: 5}"), &["line 4, column 17", "spec.sise is not a field", "correct or remove"]),
        (spec("{sise: 3}"), &["line 4", "spec.size: it is missing"]),
        (spec("\n  sise: 3"), &["line 5", "spec.size: it is missing"]),
        (spec("{size: 3, size: 5}"), &["line 4, column 17", "size is there twice; remove one of them\n"]),
        (spec("{size: 3"), &["line 4, column 7", "unclosed"]),
        (spec("{size: 3, version: 3.4.30}"), &["spec.version", "3.5, 3.6 and 3.7"]),
        (spec("{size: 3, etcd: {extraArgs: {data-dir: /tmp}}}"), &["spec.etcd.extraArgs", "data-dir"]),
        (manifest_of("Demo", "{size: 3}"), &["metadata.name", "lower-case"]),
        ("apiVersion: apps/v1\nkind: Deployment\n".into(), &["Deployment of apps/v1", "kind: EtcdCluster"]),
        (
            "apiVersion: quorate.dev/v1\nkind: EtcdCluster\n".into(),
            &["quorate.dev/v1 is not", "apiVersion: quorate.dev/v1alpha1"],
        ),
        (String::new(), &["there is no document", "kind: EtcdCluster"]),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.yaml");
    let dir = folder.path().join("cluster");
    for (text, words) in cases {
        fs::write(&file, text).unwrap();
        let by_validate = ends(&run("validate", &file, &dir), 3);
        says(&by_validate, &["bad.yaml: "]);
        says(&by_validate, words);
        assert_eq!(ends(&run("up", &file, &dir), 3), by_validate);
        assert!(!dir.exists(), "a refused manifest leaves nothing behind");
    }
}

#[test]
fn a_missing_or_unreadable_manifest_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, file) = (folder.path().join("cluster"), folder.path().join("nowhere.yaml"));
    for verb in ["validate", "up"] {
        says(&ends(&run(verb, &file, &dir), 4), &["nowhere.yaml does not exist", "-f"]);
    }
    fs::write(&file, b"kind: \xff\n").unwrap();
    says(&ends(&run("validate", &file, &dir), 3), &["UTF-8"]);
    says(&ends(&run("validate", folder.path(), &dir), 1), &["directory"]);
    says(&ends(&command(&["up"], Some(&dir)), 4), &["cluster.yaml does not exist", "-f"]);
}

#[test]
fn a_flag_that_this_version_does_not_know_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flag.yaml");
    let args = "etcd: {extraArgs: {experimental-compact-hash-check-time: 1h}}";
    fs::write(&file, manifest_of("demo", &format!("{{size: 3, version: 3.7.3, {args}}}"))).unwrap();
    let warned = ends(&run("validate", &file, folder.path()), 0);
    says(&warned, &["warning", "etcd 3.7 does not know", "write compact-hash-check-time"]);
    fs::write(&file, manifest_of("demo", &format!("{{size: 3, version: 3.6.16, {args}}}"))).unwrap();
    assert_eq!(ends(&run("validate", &file, folder.path()), 0), "");
}

#[test]
fn options_of_etcd_that_are_refused_say_why_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("options.yaml");
    for (etcd, words) in [
        ("extraArgs: {wal-dir: /x}", &["--wal-dir", "where a member's data lies", "remove it"][..]),
        (
            "extraArgs: {corrupt-check-time: 1h}",
            &["--corrupt-check-time", "stops all writes", "from outside"],
        ),
        ("extraArgs: {log-level: debug}", &["--log-level", "use spec.etcd.logLevel"]),
        ("extraArgs: {max-request-bytes: '1'}", &["use spec.etcd.maxRequestBytes"]),
        ("extraArgs: {feature-gates: InitialCorruptCheck=false}", &["use spec.etcd.initialCorruptionCheck"]),
        ("logLevel: verbose", &["spec.etcd.logLevel", "debug, info, warn, error, panic, fatal"]),
        ("maxRequestBytes: 1", &["spec.etcd.maxRequestBytes", "from 65536 to 104857600"]),
        ("initialCorruptionCheck: 'off'", &["spec.etcd.initialCorruptionCheck", "is not true or false"]),
    ] {
        fs::write(&file, manifest_of("demo", &format!("{{size: 3, etcd: {{{etcd}}}}}"))).unwrap();
        says(&ends(&run("validate", &file, folder.path()), 3), words);
    }
    let storage = "{size: 3, storage: {emptyDir: {}, resizePolicy: Shrink}}";
    fs::write(&file, manifest_of("demo", storage)).unwrap();
    says(
        &ends(&run("validate", &file, folder.path()), 3),
        &["spec.storage.resizePolicy", "Expand or Replace"],
    );
}

fn run(verb: &str, file: &std::path::Path, dir: &std::path::Path) -> Output {
    command(&[verb, "-f", &file.display().to_string()], Some(dir))
}
