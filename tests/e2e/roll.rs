//! Changes of a cluster that runs: flags, versions, an image that is none, a restart of all.

use std::time::Duration;

use jiff::Timestamp;

use crate::{place::Place, tell::planned};

/// Within this time three Pods are made anew, one after the other.
const ROLLED: Duration = Duration::from_secs(120);

/// Applies a spec under load, and waits until every member is made from it.
fn rolls(place: &Place, what: &str, spec: &str, done: impl Fn(&Place) -> bool) {
    let load = place.load(200);
    place.apply("demo", spec);
    let took = place.wait("demo", what, ROLLED, |status| {
        status.updated_members == 3 && status.is("Ready") && status.is("SpecApplied") && done(place)
    });
    std::thread::sleep(Duration::from_secs(1));
    println!("{what}: {:.1} s", took.as_secs_f64());
    planned(what, &load.finish());
}

fn flagged(place: &Place) -> bool {
    place.members().iter().all(|one| one.spec.options.snapshot_count == Some(5000))
}

#[test]
fn flags_and_versions_roll_under_load() {
    let place = Place::new("quorate-roll");
    place.apply("demo", "size: 3\nversion: 3.5.35");
    place.wait_ready("demo", 3);
    let names = place.names();
    let flags = "etcd: {snapshotCount: 5000}";
    rolls(&place, "a flag", &format!("size: 3\nversion: 3.5.35\n{flags}"), flagged);
    for version in ["3.6.16", "3.7.3"] {
        let runs = |place: &Place| place.status("demo").version.as_deref() == Some(version);
        rolls(&place, &format!("to {version}"), &format!("size: 3\nversion: {version}\n{flags}"), runs);
    }
    assert_eq!(place.names(), names, "nobody was replaced");
}

#[test]
fn all_are_restarted_one_by_one_and_a_wrong_image_stops_at_one() {
    let place = Place::with_cluster("quorate-again", 3);
    let uids = |place: &Place| place.names().iter().map(|name| place.pod_uid(name)).collect::<Vec<_>>();
    let was = uids(&place);
    let load = place.load(200);
    let now = format!("quorate.dev/restartedAt={}", Timestamp::now());
    place.kubectl.must(&["annotate", "etcd", "demo", &now], "");
    let took = place.wait("demo", "all restarted", ROLLED, |status| {
        status.is("Ready") && uids(&place).iter().all(|uid| uid.is_some() && !was.contains(uid))
    });
    println!("quorate.dev/restartedAt: {:.1} s", took.as_secs_f64());
    planned("all restarted", &load.finish());

    let was = uids(&place);
    place.apply("demo", "size: 3\nimage: quay.io/coreos/etcd:v0.0.0");
    place.wait("demo", "the roll stopped", ROLLED, |status| {
        status.condition("Progressing").is_some_and(|one| one.reason == "RolloutStopped")
    });
    let status = place.status("demo");
    assert!(status.is("Available") && status.ready_members == 2, "{status:?}");
    assert_eq!(uids(&place).iter().filter(|uid| was.contains(uid)).count(), 2, "two were not touched");
    place.apply("demo", "size: 3");
    let healed = place.wait("demo", "healed", Duration::from_secs(60), |status| {
        status.is("Ready") && status.is("SpecApplied") && status.ready_members == 3
    });
    println!(
        "a wrong image at a running cluster: healed {:.1} s after it was put back",
        healed.as_secs_f64()
    );
    assert_eq!(uids(&place).iter().filter(|uid| was.contains(uid)).count(), 2);
}
