//! What a member's process does: by its guard, or by what the kubelet says of its Pod where no guard answers.

use jiff::Timestamp;

use super::{
    Facts,
    clients::here,
    data::{ephemeral, started},
};
use crate::{
    kubernetes::views::{ContainerView, PodView},
    member::guard::words::{GuardState, Phase},
    plan::Process,
};

/// What it does, and if that is not to run, what is in the way and since when.
pub fn process(facts: &Facts<'_>) -> Process {
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
        Phase::Running => {
            Process::Running { since: guard.since.map_or(facts.now, |since| here(facts, since)) }
        }
        // It has the word already, and waits for something that it names.
        Phase::Waiting if guard.told.is_some() && guard.told == facts.member.object.spec.admission => {
            blocked(why())
        }
        Phase::Waiting if guard.unfit.is_some() => blocked(guard.unfit.clone().unwrap_or_default()),
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
    match facts.claim {
        _ if ephemeral(facts) => "its Pod is being made".into(),
        Some(claim) if claim.identity.deleting => format!("its claim {name} is being deleted"),
        Some(claim) if claim.phase == "Lost" => format!("the volume of its claim {name} is gone"),
        Some(claim) if claim.pending() => format!("the volume of its claim {name} is being made"),
        Some(_) => "its Pod is being made".into(),
        None if started(facts.member, facts.formed, facts.guard) => format!("its claim {name} is gone"),
        None => "its claim is being made".into(),
    }
}

fn on_node(pod: &PodView) -> String {
    pod.node.as_ref().map(|node| format!(" (on node {node})")).unwrap_or_default()
}

/// Since when a member is in the way of something: its Pod, or itself while it has none; not from before it was told to
/// drain, since another Pod follows then.
fn since(facts: &Facts<'_>) -> Timestamp {
    let made = facts.member.object.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let told = facts.member.object.spec.draining.as_deref().and_then(|text| text.parse().ok());
    facts.pod.and_then(|pod| pod.created).or(made).max(told).unwrap_or(facts.now)
}
