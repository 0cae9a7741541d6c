//! Members in every state that their objects and their guard can tell of.

use jiff::Timestamp;

use super::{Facts, incarnation};
use crate::{
    api::{EtcdMember, EtcdMemberSpec},
    kubernetes::{
        store::Identity,
        views::{ClaimView, ContainerView, Ended, MemberView, PodView, Readiness},
    },
    member::guard::words::{GuardState, Phase},
    plan::{Data, Incarnation, PeerDomain, Process, Scheme},
};

const NOW: &str = "2026-01-01T00:01:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A member that joined a cluster that formed, its Pod and claim, and what its guard says.
struct Scene {
    member: MemberView,
    pod: Option<PodView>,
    claim: Option<ClaimView>,
    guard: Option<GuardState>,
    volume_gone: Option<String>,
}

fn scene() -> Scene {
    let spec: EtcdMemberSpec = serde_json::from_value(serde_json::json!({
        "cluster": "demo", "clusterUid": "c", "serial": 4, "version": "3.6.16", "image": "etcd",
        "admission": { "state": "existing", "token": "t", "initialCluster": [{ "name": "demo-b", "url": "http://b" }] },
    }))
    .unwrap();
    let identity = Identity { uid: "m".into(), name: "demo-a".into(), ..Identity::default() };
    let mut object = EtcdMember::new("demo-a", spec);
    object.status = Some(serde_json::from_value(serde_json::json!({ "started": true })).unwrap());
    let running = ContainerView { running: Some(at("2026-01-01T00:00:00Z")), ..ContainerView::default() };
    Scene {
        member: MemberView { identity, object },
        pod: Some(PodView {
            owner: Some("m".into()),
            phase: "Running".into(),
            container: running,
            ..PodView::default()
        }),
        claim: Some(ClaimView { phase: "Bound".into(), ..ClaimView::default() }),
        guard: Some(GuardState {
            phase: Phase::Running,
            why: None,
            started: true,
            present: true,
            since: Some(at("2026-01-01T00:00:00Z")),
            told: None,
            unfit: None,
            snapshots: Vec::new(),
        }),
        volume_gone: None,
    }
}

/// The scene after a change, in the words of the plan.
fn seen(change: impl FnOnce(&mut Scene)) -> Incarnation {
    let mut scene = scene();
    change(&mut scene);
    incarnation(&Facts {
        member: &scene.member,
        pod: scene.pod.as_ref(),
        claim: scene.claim.as_ref(),
        guard: scene.guard.as_ref(),
        ahead: None,
        formed: true,
        peers_placed: true,
        volume_gone: scene.volume_gone.as_deref(),
        setback: None,
        restart_all: None,
        behind: None,
        misplaced: None,
        clients: Scheme::Http,
        domain: &PeerDomain("demo-peer.ns.svc.cluster.local".into()),
        now: at(NOW),
    })
}

fn blocked(incarnation: &Incarnation) -> &str {
    match &incarnation.process {
        Process::Blocked { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

const SOUND: Data = Data { started: true, present: true };
const LOST: Data = Data { started: true, present: false };

#[test]
fn a_member_that_runs() {
    let one = seen(|_| {});
    assert_eq!(one.process, Process::Running { since: at("2026-01-01T00:00:00Z") });
    assert_eq!(one.data, SOUND);
    assert_eq!(one.peer_url, "http://demo-a.demo-peer.ns.svc.cluster.local:2380");
}

#[test]
fn data_count_as_lost_only_when_that_is_certain() {
    let gone = |scene: &mut Scene| (scene.pod, scene.guard) = (None, None);
    assert_eq!(seen(gone).data, SOUND, "a Pod that is deleted leaves its volume");
    let silent = |scene: &mut Scene| scene.guard = None;
    assert_eq!(seen(silent).data, SOUND, "a guard that does not answer is no proof");
    let claimless = |scene: &mut Scene| (scene.pod, scene.claim, scene.guard) = (None, None, None);
    assert_eq!(seen(claimless).data, LOST);
    assert!(blocked(&seen(claimless)).contains("its claim demo-a is gone"));
    let lost = |scene: &mut Scene| {
        (scene.pod, scene.guard) = (None, None);
        scene.claim = Some(ClaimView { phase: "Lost".into(), ..ClaimView::default() });
    };
    assert_eq!(seen(lost).data, LOST);
    let going = |scene: &mut Scene| {
        let identity = Identity { deleting: true, ..Identity::default() };
        scene.claim = Some(ClaimView { identity, phase: "Bound".into(), ..ClaimView::default() });
    };
    assert_eq!(seen(going).data, LOST, "nobody can keep a claim that is being deleted");
    let burnt = |scene: &mut Scene| scene.volume_gone = Some("its volume is on node x".into());
    assert_eq!(seen(burnt).data, LOST);
    let emptied = |scene: &mut Scene| scene.guard.as_mut().unwrap().present = false;
    assert_eq!(seen(emptied).data, LOST);
}

#[test]
fn a_process_of_a_moment_ago_may_not_have_made_its_files() {
    let young = seen(|scene| {
        let guard = scene.guard.as_mut().unwrap();
        (guard.present, guard.since) = (false, Some(at("2026-01-01T00:00:58Z")));
    });
    assert!(!young.data.started, "{:?}", young.data);
}

#[test]
fn what_the_kubelet_says_where_no_guard_answers() {
    let container = |change: fn(&mut PodView)| {
        seen(|scene| {
            scene.guard = None;
            let pod = scene.pod.as_mut().unwrap();
            pod.container = ContainerView::default();
            change(pod);
        })
    };
    let pull = container(|pod| pod.container.waiting = Some(("ErrImagePull".into(), "no such image".into())));
    assert_eq!(blocked(&pull), "ErrImagePull: no such image");
    let made = container(|pod| pod.container.waiting = Some(("ContainerCreating".into(), String::new())));
    assert_eq!(blocked(&made), "its Pod is being made");
    let nowhere = container(|pod| pod.unschedulable = Some("0/1 nodes".into()));
    assert!(blocked(&nowhere).contains("can't be scheduled: 0/1 nodes"));
    let killed = container(|pod| {
        let ended = Ended { at: None, code: 137, reason: "OOMKilled".into(), message: "words".into() };
        (pod.container.ended, pod.container.restarts) = (Some(ended), 2);
    });
    let Process::Exited { failures: 2, last_words, .. } = &killed.process else { panic!("{killed:?}") };
    assert!(last_words.contains("out of memory") && last_words.contains("words"));
}

#[test]
fn clients_have_left_and_are_back_when_kubernetes_sent_them() {
    let ready = |is, since: &str| Readiness { is, since: Some(at(since)), why: String::new() };
    let draining = |ready: Readiness| {
        let one = seen(|scene| {
            scene.member.object.spec.draining = Some("2026-01-01T00:00:55.400Z".into());
            scene.pod.as_mut().unwrap().ready = ready;
        });
        one.draining.unwrap().spread
    };
    assert_eq!(draining(ready(true, "2026-01-01T00:00:10Z")), None, "the kubelet has not heard of it");
    assert_eq!(draining(ready(false, "2026-01-01T00:00:55Z")), Some(at("2026-01-01T00:00:55.400Z")));
    assert_eq!(draining(ready(false, "2026-01-01T00:00:10Z")), Some(at("2026-01-01T00:00:55.400Z")));
    assert_eq!(draining(ready(false, "2026-01-01T00:00:57Z")), Some(at("2026-01-01T00:00:58Z")));
    let silent = seen(|scene| {
        scene.member.object.spec.draining = Some("2026-01-01T00:00:40Z".into());
        scene.pod.as_mut().unwrap().ready = ready(true, "2026-01-01T00:00:10Z");
    });
    assert_eq!(silent.draining.unwrap().spread, Some(at("2026-01-01T00:00:50Z")), "it waits for so long");

    let returned = |ready: Readiness| {
        let one = seen(|scene| {
            scene.member.object.spec.returned = Some("2026-01-01T00:00:55.400Z".into());
            let pod = scene.pod.as_mut().unwrap();
            (pod.ready, pod.in_service) = (ready, Some(true));
        });
        one.returned.unwrap()
    };
    assert_eq!(returned(ready(false, "2026-01-01T00:00:10Z")), at(NOW));
    assert_eq!(returned(ready(true, "2026-01-01T00:00:55Z")), at("2026-01-01T00:00:55.400Z"));
    assert_eq!(returned(ready(true, "2026-01-01T00:00:57Z")), at("2026-01-01T00:00:58Z"));
}

#[test]
fn a_pod_that_something_beside_etcd_keeps_from_being_ready() {
    let closed = |in_service, is, since: &str| {
        seen(|scene| {
            let pod = scene.pod.as_mut().unwrap();
            pod.in_service = in_service;
            let why = "containers with unready status: [sidecar]".to_owned();
            pod.ready = Readiness { is, since: Some(at(since)), why };
        })
        .closed
    };
    let long_ago = "2026-01-01T00:00:10Z";
    assert!(closed(Some(true), false, long_ago).unwrap().contains("[sidecar]"));
    assert_eq!(closed(Some(true), true, long_ago), None);
    assert_eq!(closed(Some(false), false, long_ago), None, "the operator itself keeps clients away");
    assert_eq!(closed(Some(true), false, "2026-01-01T00:00:58Z"), None, "it may just be coming up");
    let fresh = seen(|scene| {
        let pod = scene.pod.as_mut().unwrap();
        (pod.in_service, pod.in_service_since) = (Some(true), Some(at("2026-01-01T00:00:58Z")));
        pod.ready = Readiness { is: false, since: Some(at(long_ago)), why: String::new() };
    });
    assert_eq!(fresh.closed, None, "its gate was opened a moment ago");
    assert_eq!(fresh.returned, Some(at(NOW)), "and whoever goes next waits for its clients");
}

#[test]
fn a_pod_that_is_replaced_is_not_in_the_way_since_it_was_made() {
    let going = seen(|scene| {
        scene.member.object.spec.draining = Some("2026-01-01T00:00:55Z".into());
        let pod = scene.pod.as_mut().unwrap();
        (pod.identity.deleting, pod.created) = (true, Some(at("2026-01-01T00:00:00Z")));
    });
    let Process::Blocked { at: since, .. } = going.process else { panic!("{:?}", going.process) };
    assert_eq!(since, at("2026-01-01T00:00:55Z"));
}

#[test]
fn a_guard_that_could_not_start_etcd_is_no_place_for_a_member() {
    let unfit = seen(|scene| {
        let guard = scene.guard.as_mut().unwrap();
        (guard.phase, guard.started, guard.present) = (Phase::Waiting, false, false);
        guard.unfit = Some("its peer certificates can't be used".into());
        scene.member.object.status = None;
    });
    assert!(blocked(&unfit).contains("can't be used"));
}

#[test]
fn nobody_counts_on_a_pod_that_goes_or_on_a_foreign_one() {
    let going = seen(|scene| scene.pod.as_mut().unwrap().identity.deleting = true);
    assert!(blocked(&going).contains("is being deleted"));
    let foreign = seen(|scene| scene.pod.as_mut().unwrap().owner = Some("other".into()));
    assert!(blocked(&foreign).contains("not the operator's"));
}

#[test]
fn a_guard_that_waits_has_not_started_once_its_peers_are_placed() {
    let waiting = |scene: &mut Scene| {
        let guard = scene.guard.as_mut().unwrap();
        (guard.phase, guard.started, guard.present) = (Phase::Waiting, false, false);
        scene.member.object.status = None;
    };
    let one = seen(waiting);
    assert_eq!((one.process, one.data), (Process::NotStarted, Data { started: false, present: false }));
}
