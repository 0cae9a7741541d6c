//! `quorate member list` beside the real `etcdctl member list` of the same cluster.

use std::{collections::BTreeSet, process::Command};

use super::common::{load::endpoints, up::Up};

pub fn lists_are_alike(up: &Up) {
    let etcdctl = up.binary.path.with_file_name("etcdctl");
    if !etcdctl.is_file() {
        eprintln!("not checked: there is no {}", etcdctl.display());
        return;
    }
    let tls = up.dir().join("tls");
    let theirs = |format: &str| {
        let output = Command::new(&etcdctl)
            .envs(
                [("CACERT", "ca.crt"), ("CERT", "client.crt"), ("KEY", "client.key")]
                    .map(|(name, file)| (format!("ETCDCTL_{name}"), tls.join(file))),
            )
            .args(["--endpoints", &endpoints(&up.dir())[0], "member", "list", "-w", format])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for format in ["simple", "table"] {
        let ours = up.succeed(&["member", "list", "-w", format]);
        let theirs = theirs(format);
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        // etcdctl sorts by the ID or not at all, depending on its version.
        assert_eq!(lines(&ours), lines(&theirs), "{ours}\n{theirs}");
    }
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let (mut ours, mut theirs) =
        (json(&up.succeed(&["member", "list", "-o", "json"])), json(&theirs("json")));
    for list in [&mut ours, &mut theirs] {
        // Which member answered differs.
        assert!(list["header"]["member_id"].take().is_u64());
        list["members"].as_array_mut().unwrap().sort_by_key(|one| one["ID"].as_u64());
    }
    assert_eq!(ours, theirs);
}
