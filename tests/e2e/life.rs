//! The life of a cluster: made, scaled under load, its Pods and volumes lost, deleted and made again.

use std::time::{Duration, Instant};

use crate::{
    common::{SECONDS, load::connect},
    place::Place,
    served::Served,
    tell::{planned, unplanned},
};

#[test]
fn a_cluster_is_made_scaled_and_deleted() {
    let place = Place::new("quorate-life");
    let served = Served::watch(&place);
    let start = Instant::now();
    place.apply("demo", "size: 3");
    place.wait_ready("demo", 3);
    println!("apply to 3/3 ready: {:.1} s", start.elapsed().as_secs_f64());
    let load = place.load(200);
    served.wait_for(3);
    served.fewest();
    for size in [5, 3, 5, 3] {
        let (start, before) = (Instant::now(), place.pod_uids());
        place.scale(size);
        place.wait_ready("demo", size);
        println!("to {size}: {:.1} s", start.elapsed().as_secs_f64());
        served.wait_for(usize::try_from(size).unwrap());
        let after = place.pod_uids();
        let (few, many) = if size == 5 { (before, after) } else { (after, before) };
        assert!(few.iter().all(|uid| uid.is_some() && many.contains(uid)), "{few:?} and {many:?}");
    }
    std::thread::sleep(Duration::from_secs(1));
    planned("3 to 5 to 3, twice", &load.finish());
    place.wait_for_claims();
    served.assert_only_voters(7);
    let fewest = served.fewest();
    assert!(fewest >= 2, "the client Service had only {fewest} addresses");
    place.kubectl.must(&["delete", "etcd", "demo", "--timeout=60s"], "");
    let start = Instant::now();
    while !place.pods().is_empty() {
        assert!(start.elapsed() < SECONDS(60), "{:?} are left", place.pods());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(place.claims().len(), 3, "the volumes stay");
}

#[test]
fn the_leader_is_removed_without_a_gap() {
    let place = Place::with_cluster("quorate-leader", 3);
    place.scale(5);
    place.wait_ready("demo", 5);
    // Of members that are all well the youngest go first.
    let youngest = place.members().into_iter().max_by_key(|one| one.spec.serial).unwrap();
    let youngest = youngest.metadata.name.unwrap();
    let status = place.status("demo");
    let id = status.members.iter().find(|one| one.name == youngest).unwrap().id.clone().unwrap();
    if place.leader() != youngest {
        let url = format!("http://{}:2379", place.address(&place.leader()));
        let id = u64::from_str_radix(&id, 16).unwrap();
        place.wait_for(async {
            connect(&url).await.unwrap().move_leader(id).await.expect("the leader hands over");
        });
    }
    place.wait("demo", "the youngest leads", SECONDS(20), |status| status.leader.as_ref() == Some(&youngest));
    let load = place.load(200);
    let start = Instant::now();
    place.scale(3);
    place.wait_ready("demo", 3);
    println!("5 to 3, the leader among those that go: {:.1} s", start.elapsed().as_secs_f64());
    std::thread::sleep(Duration::from_secs(1));
    planned("5 to 3 with the leader", &load.finish());
    assert!(!place.names().contains(&youngest), "the leader was not among those that went");
    place.wait_for_claims();
}

/// Evicts every Pod that is there, one after the other, as `kubectl drain` does: again and again until it is granted.
fn drain(place: &Place) -> usize {
    let mut refused = 0;
    for name in place.pods() {
        let start = Instant::now();
        while place.pods().contains(&name) && !place.evict(&name).ok {
            refused += 1;
            assert!(start.elapsed() < SECONDS(60), "the eviction of {name} is never granted");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    refused
}

#[test]
fn a_drain_while_members_change_never_takes_the_quorum() {
    let place = Place::with_cluster("quorate-drain", 3);
    for (what, change) in [
        ("3 to 5", Box::new(|place: &Place| place.scale(5)) as Box<dyn Fn(&Place)>),
        ("5 to 3", Box::new(|place: &Place| place.scale(3))),
        ("a member replaced", Box::new(|place: &Place| place.delete_with_data(&place.follower()))),
    ] {
        let load = place.load(100);
        let start = Instant::now();
        change(&place);
        let refused = drain(&place);
        let size = if what == "3 to 5" { 5 } else { 3 };
        place.wait_ready("demo", size);
        std::thread::sleep(Duration::from_secs(1));
        let outcome = load.finish();
        let what = format!("{what}, every Pod evicted meanwhile, {refused} times refused");
        unplanned(&what, start.elapsed(), &outcome);
        // Without a quorum it is longer.
        outcome.assert_gap(&what, SECONDS(3));
    }
}
