//! What of a Pod template changes Pods while they run, and what becomes of a change that no Pod takes.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::{place::Place, tell::planned};

const LIMIT: Duration = Duration::from_secs(30);

fn template(label: &str, memory: &str) -> String {
    format!(
        "size: 3\npodTemplate:\n  metadata: {{labels: {{team: {label}}}, annotations: {{note: {memory}}}}}\n  spec:\n    \
         containers: [{{name: etcd, resources: {{limits: {{memory: {memory}}}}}}}]"
    )
}

fn pods(place: &Place) -> Vec<Pod> {
    place.names().iter().map(|name| place.wait_for(place.api::<Pod>().get(name)).unwrap()).collect()
}

/// The limit of memory that the kubelet has set, which follows the spec of a Pod.
fn memory(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?.container_statuses.as_ref()?.iter().find(|one| one.name == "etcd")?;
    Some(status.resources.as_ref()?.limits.as_ref()?.get("memory")?.0.clone())
}

#[test]
fn labels_and_resources_restart_nobody_and_what_no_pod_takes_reaches_one_member() {
    let place = Place::new("quorate-soft");
    place.apply("demo", &template("red", "512Mi"));
    place.wait_ready("demo", 3);
    let uids = |pods: &[Pod]| pods.iter().map(|pod| pod.uid()).collect::<Vec<_>>();
    let before = uids(&pods(&place));
    let load = place.load(200);
    place.apply("demo", &template("blue", "768Mi"));
    let took = place.wait("demo", "labels and resources", LIMIT, |status| {
        let all = pods(&place);
        status.is("Ready")
            && status.is("SpecApplied")
            && all.iter().all(|pod| pod.labels().get("team").is_some_and(|team| team == "blue"))
            && all.iter().all(|pod| pod.annotations().get("note").is_some_and(|note| note == "768Mi"))
            && all.iter().all(|pod| memory(pod).as_deref() == Some("768Mi"))
    });
    planned("labels and resources", &load.finish());
    let after = pods(&place);
    assert_eq!(uids(&after), before, "no Pod is another one");
    let restarts = after.iter().flat_map(|pod| pod.status.clone().unwrap().container_statuses.unwrap());
    assert_eq!(restarts.map(|one| one.restart_count).sum::<i32>(), 0, "no container was restarted");
    println!("labels, annotations and memory of three Pods changed in place: {:.1} s", took.as_secs_f64());

    // A label whose value Kubernetes does not take: no Pod can be made with it.
    place.apply("demo", &template("'not a label'", "768Mi"));
    place.wait("demo", "the roll stops at one member", LIMIT, |status| {
        status.condition("Progressing").is_some_and(|one| one.reason == "RolloutStopped")
            && status.ready_members == 2
    });
    let kept = pods_left(&place).iter().filter(|uid| before.contains(*uid)).count();
    assert_eq!(kept, 2, "the others are as they were");
    place.apply("demo", &template("green", "768Mi"));
    place.wait("demo", "it heals", LIMIT, |status| {
        status.is("Ready")
            && status.is("SpecApplied")
            && pods(&place).iter().all(|pod| pod.labels().get("team").is_some_and(|team| team == "green"))
    });
}

fn pods_left(place: &Place) -> Vec<Option<String>> {
    place.names().iter().map(|name| place.pod_uid(name)).collect()
}
