//! What the operator tells of each cluster by name, which alerts and dashboard rest on.

use std::time::{Duration, Instant};

use crate::{common::SECONDS, operator, place::Place};

#[test]
fn each_cluster_and_member_is_told_of_until_it_is_gone() {
    let place = Place::with_cluster("quorate-metrics", 3);
    let of_cluster = format!(r#"etcd_namespace="{}",etcd_cluster="demo""#, place.kubectl.name());
    let told = || operator::metrics(&place.kubectl);
    let text = told();
    let mut wanted = vec![
        format!("quorate_cluster_size_wanted{{{of_cluster}}} 3\n"),
        format!("quorate_cluster_has_leader{{{of_cluster}}} 1\n"),
        format!("quorate_cluster_condition{{{of_cluster},condition=\"QuorumLost\"}} 0\n"),
    ];
    for name in place.names() {
        wanted.push(format!("quorate_member_ready{{{of_cluster},etcd_member=\"{name}\"}} 1\n"));
        wanted.push(format!("quorate_member_db_size_bytes{{{of_cluster},etcd_member=\"{name}\"}} "));
    }
    for line in wanted {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    place.kubectl.must(&["delete", "etcd", "demo", "--timeout=60s"], "");
    let start = Instant::now();
    while told().contains(&of_cluster) {
        assert!(start.elapsed() < SECONDS(60), "the cluster is gone, and the operator still tells of it");
        std::thread::sleep(Duration::from_millis(500));
    }
}
