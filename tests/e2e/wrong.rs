//! Specs that can't work: the condition names what is wrong, nothing else is touched, and correcting the spec heals.

use std::time::Duration;

use crate::place::Place;

/// Within this time the status says what is wrong.
const TOLD: Duration = Duration::from_secs(30);
/// How long after it was applied a person corrects a spec, at the latest and as a rule. Late, the kubelet has begun to try
/// ever less often.
const LATE: Duration = Duration::from_secs(45);
const SOON: Duration = Duration::from_secs(15);
/// Within this time a corrected spec has healed.
const HEALED: Duration = Duration::from_secs(30);

/// Applies a spec, waits until a condition names the fault, and checks that the corrected spec heals.
fn told_and_healed(prefix: &str, wrong: &str, words: &[&str], right: &str, noticed: Duration) {
    let place = Place::new(prefix);
    place.apply("demo", wrong);
    let told = place.wait("demo", &format!("{words:?} in a condition"), TOLD, |status| {
        let said = status.conditions.iter().any(|one| words.iter().all(|word| one.message.contains(word)));
        said && !status.is("Ready") && !status.is("Available")
    });
    // As long as people take to see it and to look for the right one.
    std::thread::sleep(noticed.saturating_sub(told));
    place.apply("demo", right);
    let healed =
        place.wait("demo", "healed", HEALED, |status| status.is("Ready") && status.ready_members == 3);
    println!("{prefix}: told after {:.1} s, healed after {:.1} s", told.as_secs_f64(), healed.as_secs_f64());
    assert_eq!(place.claims().len(), 3, "nothing is left of the attempt that failed");
}

#[test]
fn an_image_that_can_not_be_pulled() {
    told_and_healed(
        "quorate-image",
        "size: 3\nimage: quay.io/coreos/etcd:v0.0.0",
        &["quay.io/coreos/etcd:v0.0.0"],
        "size: 3",
        LATE,
    );
}

#[test]
fn a_version_that_has_no_image() {
    let (wrong, right) = ("size: 3\nversion: 3.6.99", "size: 3\nversion: 3.6.16");
    told_and_healed("quorate-version", wrong, &["v3.6.99"], right, LATE);
}

#[test]
fn a_storage_class_that_does_not_exist() {
    let storage = |class: &str| {
        format!(
            "size: 3\nstorage:\n  volumeClaimTemplate:\n    spec:\n      storageClassName: {class}\n      resources: {{requests: {{storage: 1Gi}}}}"
        )
    };
    told_and_healed("quorate-class", &storage("no-such-class"), &["unbound"], &storage("standard"), SOON);
}

#[test]
fn a_pod_that_can_not_be_scheduled() {
    told_and_healed(
        "quorate-place",
        "size: 3\npodTemplate: {spec: {nodeSelector: {disk: made-of-cheese}}}",
        &["scheduled"],
        "size: 3",
        SOON,
    );
}

#[test]
fn a_pod_template_that_is_none() {
    told_and_healed(
        "quorate-template",
        "size: 3\npodTemplate: {spec: {containers: [{name: etcd, resources: {requests: {cpu: plenty}}}]}}",
        &["Pod can't be made", "quantities"],
        "size: 3",
        SOON,
    );
}

/// One more than are looked after at the same time.
const STUCK: usize = 17;

#[test]
fn clusters_that_are_stuck_keep_no_other_from_being_looked_at() {
    let place = Place::with_cluster("quorate-stuck", 3);
    let stuck: Vec<_> = (1..=STUCK).map(|number| format!("stuck-{number}")).collect();
    for name in &stuck {
        let nowhere =
            "size: 3\nstorage: {emptyDir: {}}\npodTemplate: {spec: {nodeSelector: {disk: made-of-cheese}}}";
        place.apply(name, nowhere);
    }
    for name in &stuck {
        place.wait(name, "waits for a node", TOLD, |status| {
            status.conditions.iter().any(|one| one.message.contains("scheduled"))
        });
    }
    place.scale(5);
    let noticed = place.wait("demo", "the new size is acted on", Duration::from_secs(2), |status| {
        status.operation.as_ref().is_some_and(|operation| operation.member.is_some())
    });
    place.wait_ready("demo", 5);
    println!("beside {STUCK} clusters that are stuck: acted on after {:.1} s", noticed.as_secs_f64());
}
