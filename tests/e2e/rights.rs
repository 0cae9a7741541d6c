//! The operator's rights are those that it uses, all of them and no others. That none is missing shows in every other
//! test; that none is granted in vain is seen here, after all of them.

use std::collections::BTreeSet;

use quorate::kubernetes::render::install::{OWN_RULES, RULES};

use crate::{common::SECONDS, operator, place::Place};

/// Rights whose use does not show in the count.
const UNSEEN: &[(&str, &str)] = &[
    // A volume that is bound to a node which does not exist any more: this machine has only one.
    ("get", "nodes"),
    // An apply is a patch, and creates what is not there.
    ("create", "services"),
    ("create", "poddisruptionbudgets"),
];

#[test]
fn zz_no_right_is_granted_in_vain() {
    let _alone = crate::place::alone();
    let storage = |size: &str| {
        format!(
            "size: 3\nstorage: {{volumeClaimTemplate: {{spec: {{resources: {{requests: {{storage: {size}}}}}}}}}}}"
        )
    };
    let place = Place::new("quorate-rights");
    place.apply("demo", &storage("1Gi"));
    place.wait_ready("demo", 3);
    // The class of this Kubernetes can't.
    place.apply("demo", &storage("2Gi"));
    place.wait("demo", "the class can't expand volumes", SECONDS(30), |status| {
        status.condition("SpecApplied").is_some_and(|one| one.message.contains("can't expand volumes"))
    });
    place.kubectl.must(&["cordon", "node1"], "");
    let name = place.follower();
    place.delete_pod(&name);
    place.wait("demo", "the Pod can't be scheduled", SECONDS(60), |status| {
        status.conditions.iter().any(|one| one.message.contains("can't be scheduled"))
    });
    place.kubectl.must(&["uncordon", "node1"], "");
    place.wait("demo", "all serve again", SECONDS(60), |status| status.ready_members == 3);

    let used: BTreeSet<(String, String)> = operator::calls(&place.kubectl).into_keys().collect();
    let granted = RULES.iter().chain(OWN_RULES).flat_map(|rule| {
        rule.resources.iter().flat_map(|resource| rule.verbs.iter().map(|verb| (*verb, *resource)))
    });
    let vain: Vec<_> = granted
        .filter(|right| !UNSEEN.contains(right))
        .filter(|(verb, resource)| !used.contains(&((*verb).to_owned(), (*resource).to_owned())))
        .collect();
    assert!(vain.is_empty(), "granted and never used: {vain:?}\nused: {used:?}");
}
