//! Changes of a cluster that runs: flags, versions, wrong images and flags, a restart of all.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    common::{SECONDS, load::connect},
    place::Place,
    served::Served,
    tell::planned,
};

/// Within this time three Pods are made anew, one after the other.
const ROLLED: Duration = Duration::from_secs(120);
/// Within this time a spec that is put back has healed.
const HEALED: Duration = Duration::from_secs(60);
/// What one roll may do to the raft term: the leader hands over once, and one election may be needed beside.
const TERMS: u64 = 2;

/// Raft's term, by the leader.
fn term(place: &Place) -> u64 {
    let url = format!("http://{}:2379", place.address(&place.leader()));
    place.wait_for(async { connect(&url).await.unwrap().status().await.expect("an answer").raft_term() })
}

/// A cluster that is rolled, and what its clients are offered meanwhile.
struct Rolled<'a> {
    place: &'a Place,
    served: Served,
}

impl Rolled<'_> {
    /// Applies a spec under load, and waits until every member is made from it, one at a time.
    fn to(&self, what: &str, spec: &str, done: impl Fn(&Place) -> bool) {
        self.through(what, spec, |_| {}, done);
    }

    /// The same, with something that happens as soon as it has begun.
    fn through(&self, what: &str, spec: &str, meanwhile: impl FnOnce(&Place), done: impl Fn(&Place) -> bool) {
        let place = self.place;
        // It takes long, and other loads do not wait for it.
        let load = place.load_beside(50);
        let before = term(place);
        self.served.wait_for(3);
        self.served.fewest();
        place.apply("demo", spec);
        meanwhile(place);
        let took = place.wait("demo", what, ROLLED, |status| {
            status.updated_members == 3 && status.is("Ready") && status.is("SpecApplied") && done(place)
        });
        std::thread::sleep(SECONDS(1));
        let (fewest, terms) = (self.served.fewest(), term(place) - before);
        println!("{what}: {:.1} s, {terms} terms, at least {fewest} members open", took.as_secs_f64());
        planned(what, &load.finish());
        assert!(fewest >= 2, "{what}: only {fewest} members were open to clients at a time");
        assert!(terms <= TERMS, "{what}: {terms} terms of raft");
    }
}

/// How many members were made with the flag.
fn flagged(place: &Place) -> usize {
    place.members().iter().filter(|one| one.spec.options.snapshot_count == Some(5000)).count()
}

/// Pauses a roll that has reached a member, and lets it go on.
fn paused(place: &Place, spec: &str) {
    let begun = place.wait("demo", "the first member is changed", ROLLED, |_| flagged(place) > 0);
    place.apply("demo", &format!("{spec}\npaused: true"));
    let told = place.wait("demo", "paused", SECONDS(10), |status| status.is("Paused"));
    let (changed, pods) = (flagged(place), place.pod_uids());
    println!("paused {:.1} s after {begun:.1?}, {changed} changed", told.as_secs_f64());
    assert!((1..3).contains(&changed), "{changed} are changed");
    // Without the pause the next member would be changed by then.
    std::thread::sleep(SECONDS(8));
    assert_eq!(flagged(place), changed, "members are changed in a pause");
    assert!(place.pod_uids().iter().flatten().all(|uid| pods.contains(&Some(uid.clone()))), "Pods are made");
    place.apply("demo", spec);
}

#[test]
fn flags_and_versions_roll_under_load() {
    let place = Place::new("quorate-roll");
    let served = Served::watch(&place);
    place.apply("demo", "size: 3\nversion: 3.5.35");
    place.wait_ready("demo", 3);
    let (names, rolled) = (place.names(), Rolled { place: &place, served });
    let flags = "etcd: {snapshotCount: 5000}";
    let spec = format!("size: 3\nversion: 3.5.35\n{flags}");
    rolled.through("a flag, with a pause", &spec, |place| paused(place, &spec), |place| flagged(place) == 3);
    for version in ["3.6.16", "3.7.3", "3.6.16"] {
        let runs = |place: &Place| place.status("demo").version.as_deref() == Some(version);
        rolled.to(&format!("to {version}"), &format!("size: 3\nversion: {version}\n{flags}"), runs);
    }
    assert_eq!(place.names(), names, "nobody was replaced");
}

/// A container beside etcd, as restricted Pods may have one, whose image nobody has.
const BESIDE: &str = "size: 3
podTemplate:
  spec:
    containers:
    - name: beside
      image: quay.io/coreos/beside:v0.0.0
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}";

/// Applies a spec that can't work, which reaches one member; the words are in the condition beside that member's name. Then
/// it is put back.
fn stops_at_one(place: &Place, what: &str, spec: &str, words: &[&str]) {
    let was = place.pod_uids();
    let untouched = || place.pod_uids().iter().filter(|uid| uid.is_some() && was.contains(uid)).count();
    place.apply("demo", spec);
    // As it was then: a container that is tried again runs for a moment.
    let seen = std::cell::RefCell::default();
    let stopped = place.wait("demo", &format!("{what}: the roll stopped"), ROLLED, |status| {
        seen.replace(status.clone());
        let stopped = status.condition("Progressing").filter(|one| one.reason == "RolloutStopped");
        stopped.is_some_and(|one| words.iter().all(|word| one.message.contains(word)))
    });
    let status = seen.into_inner();
    let said = &status.condition("Progressing").unwrap().message;
    assert!(status.is("Available") && status.ready_members >= 2, "{what}: {status:?}");
    assert_eq!(untouched(), 2, "{what}: two were not touched");
    let uids = place.pod_uids();
    let at = place.names().into_iter().zip(&uids).find(|(_, uid)| !was.contains(uid)).unwrap().0;
    for word in words.iter().copied().chain([at.as_str()]) {
        assert!(said.contains(word), "{what}: {word:?} is not in {said:?}");
    }
    place.apply("demo", "size: 3");
    let healed = place.wait("demo", &format!("{what}: healed"), HEALED, |status| {
        status.is("Ready") && status.is("SpecApplied") && status.ready_members == 3
    });
    println!(
        "{what}, at a running cluster: stopped after {:.1} s, healed {:.1} s after it was put back",
        stopped.as_secs_f64(),
        healed.as_secs_f64()
    );
    assert_eq!(untouched(), 2, "{what}: two were not touched");
}

#[test]
fn all_are_restarted_one_by_one_and_what_is_wrong_stops_at_one() {
    let place = Place::with_cluster("quorate-again", 3);
    let was = place.pod_uids();
    let load = place.load(200);
    let now = format!("quorate.dev/restartedAt={}", Timestamp::now());
    place.kubectl.must(&["annotate", "etcd", "demo", &now], "");
    let took = place.wait("demo", "all restarted", ROLLED, |status| {
        status.is("Ready") && place.pod_uids().iter().all(|uid| uid.is_some() && !was.contains(uid))
    });
    println!("quorate.dev/restartedAt: {:.1} s", took.as_secs_f64());
    planned("all restarted", &load.finish());

    let ends = "size: 3\netcd: {extraArgs: {auth-token: nonsense}}";
    stops_at_one(&place, "an etcd that ends with 1", ends, &["auth: invalid auth options"]);
    let nowhere = "size: 3\nimage: quay.io/coreos/etcd:v0.0.0";
    stops_at_one(&place, "a wrong image", nowhere, &["quay.io/coreos/etcd:v0.0.0"]);
    // etcd itself serves beside it.
    stops_at_one(&place, "a second container that can't be had", BESIDE, &["[beside]"]);
}
