//! Storage that grows: by expansion where the class can, by members on new volumes where it can't.

use std::cell::Cell;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use crate::{
    common::SECONDS,
    place::Place,
    storage::{Volumes, spec},
    tell::planned,
};

/// What the claims of a cluster ask for, and what their volumes offer.
fn sizes(place: &Place) -> Vec<(String, String)> {
    let claims = place.wait_for(place.api::<PersistentVolumeClaim>().list(&Default::default())).unwrap();
    let sizes = claims.items.into_iter().map(|claim| {
        let asked = claim.spec.unwrap().resources.unwrap().requests.unwrap();
        let offered = claim.status.unwrap().capacity.unwrap_or_default();
        (asked["storage"].0.clone(), offered.get("storage").map(|size| size.0.clone()).unwrap_or_default())
    });
    sizes.collect()
}

/// Waits until `SpecApplied` is false with these words.
fn told(place: &Place, words: &[&str]) {
    let took = place.wait("demo", &words.join(" … "), SECONDS(30), |status| {
        let applied = status.condition("SpecApplied");
        applied
            .is_some_and(|one| one.status == "False" && words.iter().all(|word| one.message.contains(word)))
    });
    println!("told after {:.1} s: {}", took.as_secs_f64(), words.join(" … "));
}

#[test]
fn members_are_replaced_one_by_one_for_larger_volumes_under_load() {
    let place = Place::new("quorate-larger");
    place.apply("demo", &spec("standard", "1Gi"));
    place.wait_ready("demo", 3);
    let names = place.names();
    place.apply("demo", &spec("standard", "2Gi"));
    told(&place, &["storage class \"standard\" can't expand", "1Gi", "2Gi", "storage.resizePolicy: Replace"]);
    assert!(place.status("demo").is("Available"));
    assert_eq!(place.names(), names, "nobody is replaced unasked");

    let load = place.load(200);
    let policy = format!("{}\n  resizePolicy: Replace", spec("standard", "2Gi"));
    place.apply("demo", &policy);
    told(&place, &["members have the storage of the spec; still to be replaced"]);
    let fewest = Cell::new(3);
    let took = place.wait("demo", "all on larger volumes", SECONDS(180), |status| {
        fewest.set(fewest.get().min(status.ready_members));
        status.is("Ready") && status.is("SpecApplied") && status.updated_members == 3
    });
    std::thread::sleep(SECONDS(1));
    println!("three members on larger volumes: {:.1} s", took.as_secs_f64());
    planned("larger volumes", &load.finish());
    assert!(fewest.get() >= 2, "only {} members were ready at a time", fewest.get());
    assert!(place.names().iter().all(|name| !names.contains(name)), "{names:?} → {:?}", place.names());
    let sizes = sizes(&place);
    assert!(sizes.len() == 3 && sizes.iter().all(|(asked, _)| asked == "2Gi"), "{sizes:?}");
}

#[test]
fn claims_grow_in_place_where_the_class_expands_volumes() {
    let place = Place::new("quorate-expand");
    let volumes = Volumes::expandable(&place);
    for number in 0..3 {
        volumes.add(number, None);
    }
    place.apply("demo", &volumes.spec());
    place.wait_ready("demo", 3);
    let uids = |place: &Place| place.names().iter().map(|name| place.pod_uid(name)).collect::<Vec<_>>();
    let (names, pods) = (place.names(), uids(&place));
    place.apply("demo", &format!("{}\n  resizePolicy: Replace", spec(place.kubectl.name(), "2Gi")));
    told(&place, &["asks for 2Gi and its volume still has 1Gi"]);
    // What the driver of the class does.
    for number in 0..3 {
        let (volume, claim) = (format!("{}-{number}", place.kubectl.name()), volumes.holder(number));
        let capacity = r#"{"capacity":{"storage":"2Gi"}}"#;
        place.kubectl.must(&["patch", "pv", &volume, "--patch", &format!("{{\"spec\":{capacity}}}")], "");
        let status = format!("{{\"status\":{capacity}}}");
        place.kubectl.must(&["patch", "pvc", &claim, "--subresource=status", "--patch", &status], "");
    }
    place.wait("demo", "all have grown", SECONDS(30), |status| {
        status.is("Ready") && status.is("SpecApplied") && status.updated_members == 3
    });
    assert_eq!(sizes(&place), vec![("2Gi".to_owned(), "2Gi".to_owned()); 3]);
    assert_eq!((place.names(), uids(&place)), (names, pods), "nobody was restarted");
}
