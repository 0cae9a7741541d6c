//! The folder of a cluster: in use, of another cluster, read-only, or with damaged files.

use std::{fs, process::Command, time::Duration};

use quorate::plan::version::Minor;
use rustix::process::Signal;

use super::{
    SOON,
    common::{
        etcd::binary,
        up::{Up, command},
    },
    ends, lives, manifest_of, says, wait_for,
};

#[test]
fn files_of_a_running_cluster_that_are_lost_or_damaged() {
    let mut up = Up::start(&binary(Minor::V3_6), 3);
    up.wait_ready(3);
    two_on_one_folder(&up);
    a_record_gone_or_damaged(&up);
    a_member_file_damaged_or_gone(&up);
    at_the_next_start(&mut up);
}

fn two_on_one_folder(up: &Up) {
    let said = ends(&up.command(&["up"]), 1);
    says(
        &said,
        &["another `quorate up` runs on", &format!("process {}", up.pid()), "quorate down --dir", "--dir"],
    );
}

/// Without its record nothing is known about a cluster, so nothing is touched until it is back.
fn a_record_gone_or_damaged(up: &Up) {
    let was = lives(up);
    let record = up.dir().join("record.yaml");
    let text = fs::read_to_string(&record).unwrap();
    fs::remove_file(&record).unwrap();
    let words = [
        "record.yaml is missing although the folder has members",
        "restore it from a copy",
        "nothing is touched",
    ];
    wait_for(up, "Ready", "False", &words);
    wait_for(up, "Degraded", "True", &words);
    fs::write(&record, "serial: {").unwrap();
    wait_for(up, "Ready", "False", &["record.yaml is damaged", "line 1", "restore it from a copy"]);
    fs::write(&record, &text).unwrap();
    up.wait_ready(3);
    assert_eq!(lives(up), was, "nobody was touched");
    assert!(up.log().contains("record.yaml is missing"), "the log tells it too");
}

/// A member whose file can't be read is not looked after, and not replaced either; the others are looked after.
fn a_member_file_damaged_or_gone(up: &Up) {
    let victim = up.follower();
    let other = up.names().into_iter().find(|name| *name != victim && *name != up.leader()).unwrap();
    let was = lives(up);
    let file = up.member_dir(&victim).join("member.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let advice = format!("quorate replace {victim}");
    fs::write(&file, "ports: nonsense").unwrap();
    wait_for(up, "Degraded", "True", &[&victim, "member.yaml is damaged", "restore it from a copy", &advice]);
    up.succeed(&["explain"]);
    let pid = up.member_pid(&other);
    up.signal_member(&other, Signal::KILL);
    up.wait("the other to run again", SOON, |status| {
        up.member_pid(&other) != pid && status.members.iter().any(|one| one.name == other && one.ready)
    });
    fs::remove_file(&file).unwrap();
    wait_for(
        up,
        "Degraded",
        "True",
        &[&victim, "member.yaml is missing although its data is there", &advice],
    );
    // Long enough for a wrong decision to be taken.
    std::thread::sleep(Duration::from_secs(3));
    fs::write(&file, text).unwrap();
    up.wait_ready(3);
    let changed: Vec<_> = lives(up).into_iter().zip(was).filter(|(now, was)| now != was).collect();
    assert_eq!(changed.len(), 1, "only the killed one has another process: {changed:?}");
    // A person may give it up, with its file or without.
    fs::write(&file, "ports: nonsense").unwrap();
    wait_for(up, "Degraded", "True", &[&victim]);
    up.succeed(&["replace", &victim, "--wait", "--timeout", "60"]);
    assert!(!up.member_dir(&victim).exists());
}

fn at_the_next_start(up: &mut Up) {
    up.kill();
    let record = up.dir().join("record.yaml");
    let text = fs::read_to_string(&record).unwrap();
    fs::remove_file(&record).unwrap();
    let said = ends(&up.command(&["up"]), 1);
    says(&said, &["record.yaml is missing although the folder has members", "quorate down --wipe"]);
    fs::write(&record, "serial: {").unwrap();
    says(&ends(&up.command(&["up"]), 1), &["record.yaml is damaged", "restore it from a copy"]);
    fs::write(&record, text).unwrap();
    up.write_manifest("{size: 3, version: 3.5.1}");
    says(&ends(&up.command(&["up"]), 3), &["spec.version", "cannot become 3.5.1", "choose 3.5.32 or later"]);
    up.write_manifest(&format!("{{size: 3, version: {}}}", up.binary.version));
    up.run();
    up.wait_ready(3);
}

#[test]
fn a_read_only_folder_is_named_with_what_to_do() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not checked: only root can mount a file system read-only");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("demo.yaml");
    let dir = folder.path().join("cluster");
    fs::write(&file, manifest_of("demo", "{size: 3}")).unwrap();
    fs::create_dir(&dir).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "ro,size=1m", "tmpfs"]).arg(&dir).status();
    assert!(mounted.unwrap().success());
    let below = dir.join("deeper");
    let said = [&dir, &below].map(|dir| command(&["up", "-f", &file.display().to_string()], Some(dir)));
    assert!(Command::new("umount").arg(&dir).status().unwrap().success());
    for said in said {
        says(&ends(&said, 1), &[&dir.display().to_string(), "mount the file system writable"]);
    }
}
