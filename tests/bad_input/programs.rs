//! The etcd program: none, something else, too old, or not the one the spec asks for.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use quorate::plan::version::Minor;

use super::{
    common::{etcd::binary, up::Up},
    ends, manifest_of, says,
};

/// Starts `up` with these programs and nothing else in PATH.
fn up_with(dir: &Path, manifest: &Path, programs: &[&Path], path: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    command
        .args(["up", "--dir"])
        .arg(dir)
        .arg("-f")
        .arg(manifest)
        .env("PATH", path)
        .env_remove("QUORATE_ETCD");
    for program in programs {
        command.arg("--etcd").arg(program);
    }
    command.output().unwrap()
}

fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_program_that_cannot_be_used_is_named_with_what_to_give_instead() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, empty) = (folder.path().join("cluster"), folder.path().join("empty"));
    fs::create_dir(&empty).unwrap();
    let wanted = folder.path().join("demo.yaml");
    fs::write(&wanted, manifest_of("demo", "{size: 3, version: 3.6.16}")).unwrap();
    let start = |programs: &[&Path], path: &Path| ends(&up_with(&dir, &wanted, programs, path), 1);

    says(&start(&[], &empty), &["no etcd binary was found", "--etcd PATH", "QUORATE_ETCD", "PATH"]);
    // What lies in PATH under that name and is no program is passed over, as a shell does.
    fs::write(empty.join("etcd"), "").unwrap();
    says(&start(&[], &empty), &["no etcd binary was found"]);

    let missing = folder.path().join("no-such-etcd");
    says(&start(&[&missing], &empty), &["no-such-etcd cannot be run", "No such file", "--etcd"]);
    let other = script(folder.path(), "other", "#!/bin/sh\necho hello\n");
    says(&start(&[&other], &empty), &["other is not etcd", "\"hello\"", "--etcd"]);
    says(&start(&[Path::new("/bin/true")], &empty), &["/bin/true is not etcd", "--etcd"]);
    let old = script(folder.path(), "old", "#!/bin/sh\necho etcd Version: 3.4.30\n");
    says(&start(&[&old], &empty), &["old: etcd 3.4.30 is not supported", "3.5, 3.6 and 3.7", "--etcd"]);
    assert!(!dir.join("members").exists() || fs::read_dir(dir.join("members")).unwrap().next().is_none());
}

#[test]
fn a_version_nobody_has_is_named_and_the_corrected_manifest_is_taken() {
    let mut up = Up::prepare(&binary(Minor::V3_5), 3);
    let wanted = up.dir().with_file_name("demo.yaml");
    // A later version first: nothing exists yet, so that going back is no downgrade.
    fs::write(&wanted, manifest_of("other", "{size: 5, version: 3.7.0}")).unwrap();
    let said = ends(&up_with(&up.dir(), &wanted, &[&up.binary.path], Path::new("/usr/bin")), 1);
    says(&said, &["no etcd binary of version 3.7.0", "known: 3.5.", "--etcd PATH", "scripts/etcd 3.7.0"]);
    up.write_manifest(&format!("{{size: 3, version: {}}}", up.binary.version));
    up.run();
    up.wait_ready(3);
}
