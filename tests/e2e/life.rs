//! The life of a cluster: made, scaled under load, its Pods and volumes lost, deleted and made again.

use std::time::{Duration, Instant};

use crate::{
    common::{SECONDS, load::Outcome},
    place::Place,
};

/// What is promised of every planned change.
fn check(what: &str, outcome: &Outcome) {
    let (gap, puts) = (outcome.longest_gap(), outcome.puts);
    println!(
        "{what}: {puts} puts, gap {} ms, first tries failed {}, after a retry {}, lost {}",
        gap.as_millis(),
        outcome.first_failed,
        outcome.failed,
        outcome.lost
    );
    assert_eq!(outcome.lost, 0, "{what}: acknowledged writes are gone");
    assert_eq!(outcome.failed, 0, "{what}: puts failed after a retry");
}

#[test]
fn a_cluster_is_made_scaled_and_deleted() {
    let place = Place::new("quorate-life");
    let start = Instant::now();
    place.apply("demo", "size: 3");
    place.wait_ready("demo", 3);
    println!("apply to 3/3 ready: {:.1} s", start.elapsed().as_secs_f64());
    let load = place.load(200);
    for size in [5, 3] {
        let start = Instant::now();
        place.scale(size);
        place.wait_ready("demo", size);
        println!("to {size}: {:.1} s", start.elapsed().as_secs_f64());
    }
    std::thread::sleep(Duration::from_secs(1));
    check("3 to 5 to 3", &load.finish());
    let mut claims = place.claims();
    claims.sort();
    assert_eq!(claims, place.names(), "the claims of members that left are gone");
    place.kubectl.must(&["delete", "etcd", "demo", "--timeout=60s"], "");
    let start = Instant::now();
    while !place.pods().is_empty() {
        assert!(start.elapsed() < SECONDS(60), "{:?} are left", place.pods());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(place.claims().len(), 3, "the volumes stay");
}
