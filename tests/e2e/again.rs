//! A cluster that is deleted and made again, and things of other people's in its way.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{ResourceExt, api::ListParams};

use crate::{
    common::{SECONDS, load::connect},
    place::Place,
    tls::{DISABLED, MOVED},
};

const ADOPT: &str = "size: 3\nbootstrap: {adopt: true}";

/// What etcdctl says in the Pod of a member, without being told how to reach it.
fn etcdctl(place: &Place, args: &[&str]) -> String {
    let member = place.follower();
    let exec = ["exec", &member, "--container=etcd", "--", "etcdctl"];
    place.kubectl.must(&[&exec[..], args].concat(), "").trim().to_owned()
}

fn put(place: &Place, key: &str) {
    let url = place.endpoints("demo");
    let start = std::time::Instant::now();
    loop {
        let done = place.wait_for(async {
            let url = url().first().cloned()?;
            connect(&url).await?.put(key, "kept", None).await.ok()
        });
        if done.is_some() {
            return;
        }
        assert!(start.elapsed() < SECONDS(20), "{key} could not be put");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

fn has(place: &Place, key: &str) -> bool {
    let url = place.endpoints("demo");
    let start = std::time::Instant::now();
    loop {
        let found = place.wait_for(async {
            let url = url().first().cloned()?;
            connect(&url).await?.get(key, None).await.ok()
        });
        if let Some(found) = found {
            return !found.kvs().is_empty();
        }
        assert!(start.elapsed() < SECONDS(20), "{key} could not be read");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

fn delete(place: &Place) {
    place.kubectl.must(&["delete", "etcd", "demo", "--timeout=60s"], "");
    let start = std::time::Instant::now();
    while !place.pods().is_empty() || !place.members().is_empty() {
        assert!(start.elapsed() < SECONDS(60), "{:?} are left", place.pods());
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn a_cluster_made_again_comes_back_with_its_data_if_a_person_says_so() {
    // Under TLS, since nothing is said of it.
    let place = Place::new("quorate-again");
    place.apply_spec("demo", "size: 3");
    place.wait_ready("demo", 3);
    assert_eq!(etcdctl(&place, &["put", "before", "kept"]), "OK");
    let (id, names) = (place.status("demo").cluster_id, place.names());
    delete(&place);
    assert_eq!(place.claims().len(), 3, "the volumes stay");

    place.apply("demo", DISABLED);
    place.wait("demo", "VolumesLeft", SECONDS(20), |status| {
        status.condition("SpecApplied").is_some_and(|one| one.reason == "VolumesLeft")
    });
    std::thread::sleep(SECONDS(3));
    assert!(place.members().is_empty(), "nothing is made over old data");

    // Its members know each other by URLs under TLS, so they come back that way, and only then leave it.
    place.apply("demo", &format!("{DISABLED}\nbootstrap: {{adopt: true}}"));
    let took = place.wait("demo", "the former cluster", SECONDS(60), |status| {
        status.is("Available") && status.cluster_id.is_some()
    });
    println!("back over its volumes after {:.1} s", took.as_secs_f64());
    assert_eq!(place.status("demo").cluster_id, id);
    assert_eq!(place.names(), names);
    let took = place.wait("demo", "in plain text as its spec says", MOVED, |status| {
        status.is("Ready")
            && status.is("SpecApplied")
            && status.updated_members == 3
            && status.members.iter().all(|one| one.peer_url.starts_with("http://"))
            && status.members.iter().all(|one| one.client_url.starts_with("http://"))
    });
    println!("in plain text after another {:.1} s", took.as_secs_f64());
    assert_eq!(place.names(), names, "nobody was replaced");
    assert_eq!(etcdctl(&place, &["get", "before", "--print-value-only"]), "kept");
    assert!(has(&place, "before"));
}

#[test]
fn one_volume_that_is_left_is_enough() {
    let place = Place::with_cluster("quorate-one", 3);
    put(&place, "before");
    let names = place.names();
    delete(&place);
    place.kubectl.must(&["delete", "pvc", &names[0], &names[1]], "");
    place.apply("demo", ADOPT);
    let took = place.wait_ready("demo", 3);
    println!("three members from one volume after {:.1} s", took.as_secs_f64());
    assert!(has(&place, "before"));
    let status = place.status("demo");
    assert!(status.members.iter().any(|one| one.name == names[2]), "{status:?}");
}

/// What a person edits of what the operator made is put back, and what it left open is theirs.
#[test]
fn what_is_edited_by_hand_is_put_back() {
    let place = Place::with_cluster("quorate-edited", 3);
    let pods = place.pod_uids();
    let patch = |kind: &str, name: &str, change: &str| {
        place.kubectl.must(&["patch", kind, name, "--type=merge", &format!("--patch={change}")], "");
    };
    let field = |kind: &str, name: &str, path: &str| {
        place.kubectl.must(&["get", kind, name, &format!("--output=jsonpath={{.{path}}}")], "")
    };
    let put_back = |kind: &str, name: &str, path: &str, value: &str| {
        let start = std::time::Instant::now();
        while field(kind, name, path) != value {
            assert!(start.elapsed() < SECONDS(15), "{kind} {name}: {path} is {}", field(kind, name, path));
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        println!("{kind} {name}: {path} is {value} again after {:.1} s", start.elapsed().as_secs_f64());
    };
    patch("pdb", "demo", r#"{"spec":{"minAvailable":0}}"#);
    put_back("pdb", "demo", "spec.minAvailable", "2");
    patch("service", "demo-peers", r#"{"spec":{"publishNotReadyAddresses":false}}"#);
    put_back("service", "demo-peers", "spec.publishNotReadyAddresses", "true");
    patch("service", "demo", r#"{"spec":{"selector":{"app":"other"}}}"#);
    put_back("service", "demo", "spec.selector.app", "");
    patch("service", "demo", r#"{"spec":{"sessionAffinity":"ClientIP"}}"#);
    place.kubectl.must(&["delete", "pdb", "demo"], "");
    let start = std::time::Instant::now();
    while !place.kubectl.run(&["get", "pdb", "demo"], "").ok {
        assert!(start.elapsed() < SECONDS(15), "nobody makes the PodDisruptionBudget again");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(field("service", "demo", "spec.sessionAffinity"), "ClientIP", "what it says nothing of stays");
    assert_eq!(place.pod_uids(), pods);
}

#[test]
fn volumes_go_with_the_cluster_or_stay_as_the_policy_says_at_last() {
    let place = Place::with_cluster("quorate-policy", 3);
    let owned = || {
        let list = place.wait_for(place.api::<PersistentVolumeClaim>().list(&ListParams::default()));
        list.expect("an answer").items.iter().filter(|one| !one.owner_references().is_empty()).count()
    };
    assert_eq!(owned(), 0, "they stay where nothing is said");
    for (policy, expected) in [("Delete", 3), ("Retain", 0), ("Delete", 3)] {
        place.apply("demo", &format!("size: 3\ndeletionPolicy: {policy}"));
        place.wait("demo", policy, SECONDS(10), |status| owned() == expected && status.is("SpecApplied"));
    }
    delete(&place);
    let start = std::time::Instant::now();
    while !place.claims().is_empty() {
        assert!(start.elapsed() < SECONDS(60), "{:?} are left", place.claims());
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[test]
fn a_service_of_somebody_else_is_not_touched() {
    let place = Place::new("quorate-foreign");
    place.kubectl.must(&["create", "service", "clusterip", "demo", "--tcp=80:80"], "");
    place.apply("demo", "size: 3");
    place.wait("demo", "the Service is named", SECONDS(20), |status| {
        status
            .conditions
            .iter()
            .any(|one| one.message.contains("Service demo is there and is not the operator's"))
    });
    let ports =
        place.kubectl.must(&["get", "service", "demo", "--output=jsonpath={.spec.ports[*].port}"], "");
    assert_eq!(ports, "80");
    place.kubectl.must(&["delete", "service", "demo"], "");
    place.wait_ready("demo", 3);
}

#[test]
fn a_namespace_goes_without_hanging_even_when_etcd_is_dead() {
    let place = Place::with_cluster("quorate-namespace", 3);
    for name in &place.names()[..2] {
        place.delete_with_data(name);
    }
    place.wait("demo", "QuorumLost", SECONDS(20), |status| status.is("QuorumLost"));
    place.kubectl.must(&["delete", "namespace", place.kubectl.name(), "--timeout=60s"], "");
}

#[test]
fn a_member_object_deleted_by_hand_is_made_again_over_its_volume() {
    let place = Place::with_cluster("quorate-object", 3);
    let name = place.follower();
    place.kubectl.must(&["delete", "etcdmember", &name], "");
    place.wait("demo", "the same three again", SECONDS(60), |status| {
        status.is("Ready") && status.members.iter().any(|one| one.name == name) && place.members().len() == 3
    });
}

#[test]
fn evictions_never_take_the_quorum() {
    let place = Place::with_cluster("quorate-evict", 3);
    let names = place.names();
    let evict = |name: &str| place.evict(name);
    // Kubernetes counts the healthy Pods a moment after they are.
    let start = std::time::Instant::now();
    while !evict(&names[0]).ok {
        assert!(start.elapsed() < SECONDS(20), "no eviction is granted although all are healthy");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let second = evict(&names[1]);
    assert!(!second.ok && second.err.contains("disruption budget"), "{}", second.err);
    place.wait_ready("demo", 3);
    assert_eq!(place.names(), names);
}
