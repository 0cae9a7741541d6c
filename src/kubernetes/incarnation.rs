//! A member on Kubernetes in the words of the plan: what its objects and its guard say, put together. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    render,
    views::{ClaimView, ContainerView, MemberView, PodView},
};
use crate::{
    member::guard::words::{GuardState, Phase},
    plan::{Admission, ClusterState, Data, Incarnation, MemberName, PeerDomain, Process, Scheme, elapsed},
};

/// All that is known of one member.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Its EtcdMember.
    pub member: &'a MemberView,
    /// Its Pod, if there is one.
    pub pod: Option<&'a PodView>,
    /// Its claim, if there is one.
    pub claim: Option<&'a ClaimView>,
    /// What its guard says, if it answered just now.
    pub guard: Option<&'a GuardState>,
    /// Whether its cluster formed.
    pub formed: bool,
    /// Whether the Pods of all members that it has to find at its first start have addresses.
    pub peers_placed: bool,
    /// Why its volume can never be reached again, if that is certain.
    pub volume_gone: Option<&'a str>,
    /// What kept its objects from being made, last.
    pub setback: Option<&'a str>,
    /// When a person asked for a restart of all members, last.
    pub restart_all: Option<Timestamp>,
    /// How it differs from what would be made now.
    pub behind: Option<String>,
    /// How its volume differs from one that would be made now.
    pub misplaced: Option<String>,
    /// Under which scheme clients are to reach it, if it listens so.
    pub clients: Scheme,
    /// The domain of the cluster's members.
    pub domain: &'a PeerDomain,
    /// Now.
    pub now: Timestamp,
}

/// The member as the plan sees it.
pub fn incarnation(facts: &Facts<'_>) -> Incarnation {
    let Facts { member, pod, .. } = facts;
    let spec = &member.object.spec;
    let name = MemberName(member.identity.name.clone());
    let made = member.object.metadata.creation_timestamp.as_ref().map(|time| time.0);
    // A learner's time counts from when etcd was told of it: what its Pod took before that is no fault of its.
    let told = spec.admitted.as_deref().and_then(|text| text.parse().ok());
    let annotations = member.object.metadata.annotations.as_ref();
    let annotation = |name: &str| annotations.and_then(|all| all.get(name));
    let (peer_url, second_peer_url) = facts.domain.peer_urls(&name, spec.transport.peer.listen);
    Incarnation {
        client_url: client_url(facts, &name),
        peer_url,
        second_peer_url,
        created: told.or(made).unwrap_or(facts.now),
        version: spec.version,
        options: spec.options.clone(),
        transport: spec.transport.clone(),
        admission: spec.admission.clone(),
        process: process(facts),
        data: data(facts),
        supervised: true,
        behind: facts.behind.clone(),
        misplaced: facts.misplaced.clone(),
        lost_since: None,
        draining: spec.draining.as_deref().and_then(|text| text.parse().ok()),
        returned: spec.returned.as_deref().and_then(|text| text.parse().ok()),
        restart_requested: annotation(super::labels::RESTART)
            .and_then(|text| text.parse().ok())
            .max(facts.restart_all),
        replace_requested: annotation(super::labels::REPLACE).is_some(),
        node: pod.and_then(|pod| pod.node.clone()).unwrap_or_default(),
        report: None,
        name,
    }
}

/// Where clients are told to reach it: as the spec wants, where it listens so.
fn client_url(facts: &Facts<'_>, name: &MemberName) -> String {
    let listen = facts.member.object.spec.transport.client.listen;
    let mut urls = render::client_urls(&name.0, &facts.domain.0, listen);
    let wanted = urls.iter().position(|url| Scheme::of(url) == facts.clients).unwrap_or_default();
    if wanted < urls.len() { urls.swap_remove(wanted) } else { String::new() }
}

/// Whether etcd is known to have been started on the member's volume: recorded, or said by its guard, or a member of
/// the first hour of a cluster that formed, or one that was made over a volume that was there.
pub fn started(member: &MemberView, formed: bool, guard: Option<&GuardState>) -> bool {
    let founder = |told: &Admission| told.state == ClusterState::New;
    member.started()
        || member.object.spec.admission.as_ref().is_some_and(Admission::is_over_data)
        || guard.is_some_and(|guard| guard.started)
        || (formed && member.object.spec.admission.as_ref().is_some_and(founder))
}

/// How long a process that was started a moment ago may take to make its files: until then an empty folder is none of
/// its doing.
const YOUNG: Duration = Duration::from_secs(3);

fn data(facts: &Facts<'_>) -> Data {
    let young = facts.guard.is_some_and(|guard| {
        guard.phase == Phase::Running
            && !guard.present
            && guard.since.is_some_and(|since| elapsed(since, facts.now) < YOUNG)
    });
    let started = !young && started(facts.member, facts.formed, facts.guard);
    let present = match (facts.guard, facts.volume_gone) {
        (_, Some(_)) => false,
        // It goes as soon as the Pod does, and nobody can keep it any more.
        _ if facts.claim.is_some_and(|claim| claim.identity.deleting) => false,
        (Some(guard), None) => guard.present,
        // Nobody can look into a volume from outside: as long as it is there, so is what was written on it.
        (None, None) => started && volume_there(facts),
    };
    Data { started, present }
}

fn volume_there(facts: &Facts<'_>) -> bool {
    let ephemeral =
        facts.member.object.spec.storage.as_ref().is_some_and(|storage| storage.empty_dir.is_some());
    match ephemeral {
        // It lives and dies with its Pod.
        true => facts.pod.is_some_and(|pod| !pod.identity.deleting),
        false => facts.claim.is_some_and(|claim| !claim.identity.deleting && claim.phase != "Lost"),
    }
}

fn process(facts: &Facts<'_>) -> Process {
    let blocked = |why: String| Process::Blocked { why, at: since(facts) };
    if let Some(why) = facts.volume_gone {
        return blocked(why.to_owned());
    }
    let Some(pod) = facts.pod else {
        let why = facts.setback.map(|why| format!("its Pod can't be made: {why}"));
        return blocked(why.unwrap_or_else(|| without_pod(facts)));
    };
    // It is about to end, so nobody may count on it any more.
    if pod.identity.deleting {
        return blocked(format!("its Pod is being deleted{}", on_node(pod)));
    }
    if pod.owner.as_ref() != Some(&facts.member.identity.uid) {
        return blocked(format!(
            "a Pod {} that is not the operator's is in its place; delete it",
            pod.identity.name
        ));
    }
    match facts.guard {
        Some(guard) if pod.container.running.is_some() => guarded(facts, guard),
        _ => unguarded(pod),
    }
}

/// What the guard in the Pod does.
fn guarded(facts: &Facts<'_>, guard: &GuardState) -> Process {
    let blocked = |why: String| Process::Blocked { why, at: since(facts) };
    let why = || guard.why.clone().unwrap_or_default();
    match guard.phase {
        Phase::Running => Process::Running { since: guard.since.unwrap_or(facts.now) },
        // It has the word already, and waits for something that it names.
        Phase::Waiting if guard.told.is_some() && guard.told == facts.member.object.spec.admission => {
            blocked(why())
        }
        Phase::Waiting if facts.peers_placed => Process::NotStarted,
        Phase::Waiting => blocked("the Pods of its peers have no addresses yet".into()),
        Phase::Resolving => blocked("it waits until the names of its peers resolve".into()),
        Phase::Refused => blocked(why()),
        Phase::Stopping => blocked("it is being stopped".into()),
    }
}

/// A Pod whose guard does not answer: what the kubelet says of it.
fn unguarded(pod: &PodView) -> Process {
    let at = pod.created.unwrap_or(Timestamp::UNIX_EPOCH);
    let blocked = |why: String| Process::Blocked { why, at };
    let ContainerView { running, waiting, ended, restarts } = &pod.container;
    if let Some(since) = running {
        return Process::Running { since: *since };
    }
    if let Some(ended) = ended {
        let killed = if ended.reason == "OOMKilled" { "out of memory: killed\n" } else { "" };
        return Process::Exited {
            at: ended.at.unwrap_or(at),
            failures: (*restarts).max(1),
            last_words: format!("{killed}{}", ended.message),
        };
    }
    if let Some(why) = &pod.unschedulable {
        return blocked(format!("its Pod can't be scheduled: {why}"));
    }
    match waiting {
        Some((reason, message)) if !message.is_empty() => blocked(format!("{reason}: {message}")),
        Some((reason, _)) if reason != "PodInitializing" && reason != "ContainerCreating" => {
            blocked(reason.clone())
        }
        _ => match &pod.message {
            Some(message) => blocked(format!("its Pod is {}: {message}", pod.phase)),
            None => blocked("its Pod is being made".into()),
        },
    }
}

fn without_pod(facts: &Facts<'_>) -> String {
    let name = &facts.member.identity.name;
    let ephemeral =
        facts.member.object.spec.storage.as_ref().is_some_and(|storage| storage.empty_dir.is_some());
    match facts.claim {
        _ if ephemeral => "its Pod is being made".into(),
        Some(claim) if claim.identity.deleting => format!("its claim {name} is being deleted"),
        Some(claim) if claim.phase == "Lost" => format!("the volume of its claim {name} is gone"),
        Some(_) => "its Pod is being made".into(),
        None if started(facts.member, facts.formed, facts.guard) => format!("its claim {name} is gone"),
        None => "its claim is being made".into(),
    }
}

fn on_node(pod: &PodView) -> String {
    pod.node.as_ref().map(|node| format!(" (on node {node})")).unwrap_or_default()
}

/// Since when a member is in the way of something: its Pod, or itself while it has none.
fn since(facts: &Facts<'_>) -> Timestamp {
    let made = facts.member.object.metadata.creation_timestamp.as_ref().map(|time| time.0);
    facts.pod.and_then(|pod| pod.created).or(made).unwrap_or(facts.now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{EtcdMember, EtcdMemberSpec},
        kubernetes::{store::Identity, views::Ended},
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
        let pull =
            container(|pod| pod.container.waiting = Some(("ErrImagePull".into(), "no such image".into())));
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
}
