//! Pods, volumes and data that are lost: what comes back by itself, what is replaced, and what only a person can mend.

use std::{path::PathBuf, time::Duration};

use crate::{
    agree::assert_one_state,
    common::SECONDS,
    place::Place,
    tell::{interrupted, unplanned},
};

/// Within this time a member whose data was lost is replaced.
const REPLACED: Duration = Duration::from_secs(20);

/// All members of a ready cluster of three, with `name` among them or not.
fn whole(place: &Place, name: &str, there: bool) -> impl Fn(&quorate::plan::status::ClusterStatus) -> bool {
    let (name, _) = (name.to_owned(), place);
    move |status| {
        status.is("Ready")
            && status.ready_members == 3
            && status.members.iter().any(|one| one.name == name) == there
    }
}

#[test]
fn a_deleted_pod_comes_back_on_its_data() {
    let place = Place::with_cluster("quorate-pod", 3);
    for role in ["follower", "leader"] {
        let name = if role == "leader" { place.leader() } else { place.follower() };
        let before = place.pod_uid(&name);
        let load = place.load(100);
        place.delete_pod(&name);
        let took = place.wait("demo", "another Pod of the same name", SECONDS(60), |status| {
            let uid = place.pod_uid(&name);
            uid.is_some() && uid != before && whole(&place, &name, true)(status)
        });
        unplanned(&format!("Pod of the {role} deleted"), took, &load.finish());
    }
}

#[test]
fn a_member_whose_volume_is_lost_is_replaced() {
    let place = Place::with_cluster("quorate-volume", 3);
    for role in ["follower", "leader"] {
        let name = if role == "leader" { place.leader() } else { place.follower() };
        let load = place.load(100);
        place.delete_with_data(&name);
        let took = place.wait("demo", "a new member", REPLACED, whole(&place, &name, false));
        unplanned(&format!("Pod and claim of the {role} deleted"), took, &load.finish());
    }
    assert_one_state(&place, "two volumes lost");
    assert_eq!(place.claims().len(), 3);
}

#[test]
fn without_a_quorum_of_data_nothing_is_touched_and_a_person_is_told() {
    let place = Place::with_cluster("quorate-quorum", 3);
    let mut before = place.names();
    before.sort();
    for name in &before[..2] {
        place.delete_with_data(name);
    }
    let took = place.wait("demo", "QuorumLost", SECONDS(15), |status| status.is("QuorumLost"));
    println!("quorum lost: said after {:.1} s", took.as_secs_f64());
    std::thread::sleep(SECONDS(10));
    let status = place.status("demo");
    let lost = status.condition("QuorumLost").unwrap();
    assert_eq!(lost.reason, "MajorityDataLost", "{lost:?}");
    assert!(
        lost.message.contains("nothing is removed or wiped") && lost.message.contains(&before[2]),
        "{lost:?}"
    );
    // Whose data is gone, and both ways out of it.
    for words in [before[0].as_str(), &before[1], "put them back", "restore that into a new cluster"] {
        assert!(lost.message.contains(words), "{words:?} is not in {lost:?}");
    }
    assert!(!status.is("Available") && !status.is("Ready"), "{status:?}");
    let mut members: Vec<_> = place.members().iter().filter_map(|one| one.metadata.name.clone()).collect();
    members.sort();
    assert_eq!(members, before, "no member was removed or added");
    assert_eq!(
        place.claims(),
        [before[2].clone()],
        "the data that is left is not touched, and none is made up"
    );
    assert!(place.events().iter().any(|event| event.contains("MajorityDataLost")), "{:?}", place.events());
}

#[test]
fn all_pods_deleted_at_once_come_back_with_the_data() {
    let place = Place::with_cluster("quorate-all", 3);
    let load = place.load(50);
    std::thread::sleep(SECONDS(1));
    let before = place.names();
    for name in &before {
        place.delete_pod(name);
    }
    let took = place.wait("demo", "not available", SECONDS(20), |status| !status.is("Ready"));
    let took = took + place.wait_ready("demo", 3);
    std::thread::sleep(SECONDS(1));
    interrupted("all Pods deleted", took, &load.finish());
    assert_one_state(&place, "all Pods deleted");
    assert_eq!(place.names(), before, "nobody was replaced");
}

/// Where a member's volume lies on this machine.
fn folder(place: &Place, member: &str) -> PathBuf {
    let volume = place.kubectl.must(&["get", "pvc", member, "--output=jsonpath={.spec.volumeName}"], "");
    let path = place.kubectl.must(&["get", "pv", &volume, "--output=jsonpath={.spec.hostPath.path}"], "");
    PathBuf::from(path)
}

fn empty(folder: &PathBuf) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap()
        } else {
            std::fs::remove_file(path).unwrap()
        }
    }
}

/// Kills a member's container, so that the kubelet starts it again in the same Pod.
fn kill(member: &str) {
    let pattern = format!("--name={member} ");
    let killed = std::process::Command::new("pkill").args(["-KILL", "-f", "--", &pattern]).status().unwrap();
    assert!(killed.success(), "no process of {member}");
}

#[test]
fn an_emptied_folder_never_loses_an_acknowledged_write() {
    let place = Place::with_cluster("quorate-emptied", 3);
    // The first that was made, then the leader: each replaced before the next.
    for (n, running) in [true, false].into_iter().enumerate() {
        let name = if n == 0 { first_made(&place) } else { place.leader() };
        let load = place.load(100);
        std::thread::sleep(SECONDS(1));
        let folder = folder(&place, &name);
        empty(&folder);
        if !running {
            kill(&name);
        }
        let what =
            if running { "folder emptied under a running etcd" } else { "folder emptied, etcd killed" };
        let took = place.wait("demo", what, SECONDS(30), whole(&place, &name, false));
        unplanned(what, took, &load.finish());
        assert_one_state(&place, what);
    }
}

/// The founder that was made first: with its data gone it could found a cluster of its own.
fn first_made(place: &Place) -> String {
    let first = place.members().into_iter().min_by_key(|one| one.spec.serial).expect("members");
    first.metadata.name.expect("a name")
}
