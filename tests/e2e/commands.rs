//! The program's own commands for clusters on Kubernetes, under its own name and as kubectl's plugin.

use std::{
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use quorate::plan::status::ClusterStatus;
use serde_json::Value;

use crate::place::Place;

const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");

fn run(program: &Path, args: &[&str]) -> Output {
    // A folder of the environment is no reason to look anywhere else.
    Command::new(program).args(args).env("QUORATE_DIR", "/nowhere").output().unwrap()
}

/// What a command printed, after a check that it ended well.
#[track_caller]
fn said(output: &Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command complained about, after a check of how it ended.
#[track_caller]
fn refused(output: &Output, code: i32, words: &[&str]) {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{complaint}{}", String::from_utf8_lossy(&output.stdout));
    for word in words {
        assert!(complaint.contains(word), "{word:?} is not in\n{complaint}");
    }
}

#[test]
fn the_commands_show_and_change_a_cluster() {
    let place = Place::with_cluster("quorate-commands", 3);
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kubectl-quorate");
    symlink(QUORATE, &plugin).unwrap();
    let namespace = place.kubectl.name().to_owned();
    let own = |args: &[&str]| run(Path::new(QUORATE), &[args, &["-n", &namespace]].concat());
    let as_plugin = |args: &[&str]| run(&plugin, &[args, &["-n", &namespace]].concat());
    println!("the cluster is there");

    shows(&place, &own, &as_plugin);
    println!("status, member list and explain: done");

    // Another Pod with the same member in it.
    let name = place.follower();
    let id = |place: &Place, name: &str| {
        place.status("demo").members.into_iter().find(|one| one.name == name).and_then(|one| one.id)
    };
    let (before, uid) = (id(&place, &name), place.pod_uid(&name));
    assert!(before.is_some() && uid.is_some());
    let text = said(&as_plugin(&["restart", &name, "--wait", "--timeout", "120"]));
    assert!(text.ends_with("done: 3 of 3 members are ready\n"), "{text}");
    assert_eq!(id(&place, &name), before, "{text}");
    assert_ne!(place.pod_uid(&name), uid, "{text}");
    println!("restart: done");

    // Another member, another name.
    let text = said(&own(&["replace", &name, "--wait", "--timeout", "120"]));
    assert!(text.starts_with(&format!("{name} will be replaced by a new member\n")), "{text}");
    assert!(!place.names().contains(&name), "{text}");
    assert_eq!(place.names().len(), 3, "{text}");
    assert!(!place.claims().contains(&name), "its data is gone with it");
    println!("replace: done");

    let text = said(&own(&["scale", "demo", "5", "--wait", "--timeout", "120"]));
    assert!(text.starts_with("cluster demo: size 3 → 5\n"), "{text}");
    assert_eq!(place.names().len(), 5);
    refused(&own(&["scale", "demo", "4"]), 3, &["use 3 or 5"]);
    println!("scale: done");

    errors(&namespace, &own);
}

fn shows(place: &Place, own: &dyn Fn(&[&str]) -> Output, as_plugin: &dyn Fn(&[&str]) -> Output) {
    let names = place.names();
    for table in [said(&own(&["status"])), said(&own(&["status", "demo"])), said(&as_plugin(&["status"]))] {
        assert!(
            table.contains("ready 3/3") && table.contains("PEER URL") && table.contains("AllMembersReady"),
            "{table}"
        );
        assert!(names.iter().all(|name| table.contains(name)), "{table}");
    }
    // The status moves on by itself, so it is compared with what stood there before or after.
    let same = (0..10).any(|_| {
        let before = place.status("demo");
        let printed: ClusterStatus = serde_json::from_str(&said(&own(&["status", "-o", "json"]))).unwrap();
        printed == before || printed == place.status("demo")
    });
    assert!(same, "the status in JSON is that of the resource");

    let all = said(&run(Path::new(QUORATE), &["status", "-A"]));
    let line =
        all.lines().find(|line| line.starts_with(place.kubectl.name())).expect("a line of the cluster");
    assert!(line.contains("demo") && line.contains("3/3"), "{all}");

    let list = said(&as_plugin(&["member", "list", "demo"]));
    assert_eq!(list.lines().filter(|line| line.contains(", started, demo-")).count(), 3, "{list}");
    let list: Value = serde_json::from_str(&said(&own(&["member", "list", "-w", "json"]))).unwrap();
    assert_eq!(list["members"].as_array().map(Vec::len), Some(3), "{list}");

    let text = said(&as_plugin(&["explain", "demo"]));
    assert!(text.starts_with("cluster demo: ") && text.contains("\nas the operator saw it at "), "{text}");
    let explained: Value = serde_json::from_str(&said(&own(&["explain", "-o", "json"]))).unwrap();
    assert!(explained["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{explained}");
    for name in &names {
        // What stands behind `etcd` in the Pod's process is what is shown.
        let running = place.kubectl.must(&["logs", name, "--container=etcd"], "");
        let member = explained["members"].as_array().unwrap().iter().find(|one| one["name"] == name.as_str());
        let flags = member.expect("the member")["flags"].as_array().expect("its flags");
        for flag in [
            format!("--name={name}"),
            "--data-dir=/var/lib/etcd/data".into(),
            "--initial-cluster-state=existing".into(),
        ] {
            assert!(flags.contains(&flag.clone().into()), "{flag} is not in {flags:?}");
        }
        let url = |flag: &Value| {
            flag.as_str().and_then(|flag| flag.strip_prefix("--advertise-client-urls=")).map(str::to_owned)
        };
        let url = flags.iter().find_map(url).expect("a client URL");
        assert!(running.contains(&url), "{name} does not advertise {url}");
    }
}

fn errors(namespace: &str, own: &dyn Fn(&[&str]) -> Output) {
    let quorate = |args: &[&str]| run(Path::new(QUORATE), args);
    refused(
        &quorate(&["status", "-n", "no-such-namespace"]),
        4,
        &["there is no namespace no-such-namespace"],
    );
    refused(&own(&["status", "other"]), 4, &["there is no EtcdCluster other", namespace, "there are demo"]);
    refused(&own(&["explain", "../pods"]), 4, &["there is no EtcdCluster ../pods"]);
    for verb in ["restart", "replace"] {
        refused(
            &own(&[verb, "demo-nobody"]),
            4,
            &["there is no member demo-nobody", namespace, "there are demo-"],
        );
    }
    refused(&own(&["status", "--context", "no-such-context"]), 1, &["no-such-context", "--context"]);
    refused(&own(&["status", "--kubeconfig", "/no/such/file"]), 1, &["--kubeconfig /no/such/file"]);
    let nobody = tempfile::NamedTempFile::new().unwrap();
    let server = "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n\
                  contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\n";
    std::fs::write(nobody.path(), server).unwrap();
    let start = std::time::Instant::now();
    let output = own(&["status", "--kubeconfig", &nobody.path().display().to_string()]);
    refused(&output, 1, &["no answer from http://127.0.0.1:9", "refused"]);
    assert!(start.elapsed() < Duration::from_secs(10));
}
