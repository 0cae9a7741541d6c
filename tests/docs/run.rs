//! The pages about one machine run as they stand, with real etcd.

use std::{path::Path, time::Duration};

use quorate::plan::version::Minor;

use crate::{
    common::{etcd::binary, ports::free_port},
    pages::{Page, ROOT},
    shell::{self, Shell},
};

/// A shell in a folder of its own, with quorate and etcd in `PATH` and ports that are free.
fn shell(folder: &Path, ports: &[&str]) -> Shell {
    let etcd = binary(Minor::V3_6).path;
    let beside = |name: &str| etcd.with_file_name(name);
    let (etcdctl, etcdutl) = (beside("etcdctl"), beside("etcdutl"));
    let programs = shell::programs(
        folder,
        &[
            ("quorate", Path::new(env!("CARGO_BIN_EXE_quorate"))),
            ("etcd", &etcd),
            ("etcdctl", &etcdctl),
            ("etcdutl", &etcdutl),
        ],
    );
    std::os::unix::fs::symlink(Path::new(ROOT).join("examples"), folder.join("examples")).unwrap();
    Shell {
        folder: folder.to_owned(),
        programs: vec![programs],
        instead: ports.iter().map(|port| ((*port).to_owned(), free_port().to_string())).collect(),
        limit: Duration::from_secs(240),
        variables: vec![],
    }
}

#[test]
fn the_page_of_one_machine_runs() {
    let folder = tempfile::tempdir().unwrap();
    shell(folder.path(), &[]).run(&Page::read("docs/getting-started/one-machine.md"));
}

#[test]
fn the_page_of_what_is_done_by_hand_runs() {
    let folder = tempfile::tempdir().unwrap();
    let ports = ["12379", "12380", "22379", "22380", "32379", "32380", "42379", "42380"];
    shell(folder.path(), &ports).run(&Page::read("docs/by-hand.md"));
}
