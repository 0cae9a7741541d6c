//! A full disk: etcd does not survive it, the cluster does.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use quorate::plan::version::Minor;

use super::{
    SOON,
    common::{
        etcd::binary,
        load::{Load, connect},
        up::Up,
    },
    ends, says,
};

/// A small file system, gone when it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(path: PathBuf, size: &str) -> Self {
        let options = format!("size={size}");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).status();
        assert!(done.unwrap().success());
        Self(path)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    for size in [1 << 20, 4096] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[test]
fn a_full_disk_is_told_and_lived_through() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not checked: only root can mount a small file system");
        return;
    }
    let mut up = Up::prepare(&binary(Minor::V3_6), 3);
    // A member takes 128 MiB for its first two write-ahead log files at once.
    let _mounted = Mounted::new(up.dir(), "480m");
    up.write_manifest(&format!("{{size: 3, version: {}}}", up.binary.version));
    up.run();
    up.wait_ready(3);
    let before = up.status();
    let load = Load::start(&up.dir(), 50);
    std::thread::sleep(Duration::from_secs(1));
    let ballast = up.dir().join("ballast");
    let began = Instant::now();
    // A large value makes the databases grow, and ends the processes that can't write it.
    let url = before.members[0].client_url.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = |up: &Up| up.log().contains("No space left on device");
    while !told(&up) {
        assert!(began.elapsed() < SOON, "nothing was said about the disk:\n{}", up.log());
        fill(&ballast);
        runtime.block_on(async {
            if let Some(mut client) = connect(&url).await {
                let _ = client.put("large", vec![b'x'; 1 << 20], None).await;
            }
        });
    }
    says(
        &up.log(),
        &[".yaml failed: No space left on device", "free some space", "it goes on by itself then"],
    );
    // Long enough for a wrong decision to be taken.
    std::thread::sleep(Duration::from_secs(5));
    let shown = up.command(&["status"]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    if shown.status.success() {
        assert!(!text.contains("AllMembersReady"), "an old status says that all is well:\n{text}");
    } else {
        says(&ends(&shown, 1), &["has written no status yet", "its log says why"]);
    }
    fs::remove_file(&ballast).unwrap();
    let took = up.wait_ready(3);
    println!("ready again {took:.1?} after there was space");
    let after = up.status();
    assert_eq!(after.cluster_id, before.cluster_id);
    let ids = |status: &quorate::plan::status::ClusterStatus| -> Vec<_> {
        status.members.iter().map(|one| one.id.clone()).collect()
    };
    assert_eq!(ids(&after), ids(&before), "nobody was replaced");
    let outcome = load.finish();
    assert_eq!(outcome.lost, 0, "of {} acknowledged", outcome.acknowledged());
    for step in ["step=\"Remove\"", "step=\"Discard\""] {
        assert!(!up.log().contains(step), "{step} in\n{}", up.log());
    }
}
