//! Whether clients are sent to a member: by its gate, which the operator opens and closes, and by what the kubelet made of
//! it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Facts;
use crate::{
    kubernetes::views::Readiness,
    plan::{Draining, elapsed},
};

/// How long the word that clients are to leave a member may take to reach them. A kubelet that is away never carries it.
const SPREADING: Duration = Duration::from_secs(10);

/// Whether clients are told to leave it, and have been sent elsewhere: the operator closes a gate of the Pod, the kubelet
/// calls the Pod not ready for that, and then it goes out of the Services. On a busy node each of them takes its time.
pub fn draining(facts: &Facts<'_>) -> Option<Draining> {
    let since: Timestamp = facts.member.object.spec.draining.as_deref()?.parse().ok()?;
    let spread = match facts.pod.filter(|pod| !pod.identity.deleting).map(|pod| &pod.ready) {
        Some(Readiness { is: true, .. }) => {
            since.checked_add(SPREADING).ok().filter(|limit| *limit <= facts.now)
        }
        Some(Readiness { since: Some(told), .. }) => Some(end_of_second(here(facts, *told), since)),
        Some(Readiness { since: None, .. }) | None => Some(since),
    };
    Some(Draining { since, spread })
}

/// When clients were sent to it, last: for the first time, or again after they were told that they may come back.
pub fn returned(facts: &Facts<'_>) -> Option<Timestamp> {
    let told: Option<Timestamp> =
        facts.member.object.spec.returned.as_deref().and_then(|text| text.parse().ok());
    let open = facts.pod.filter(|pod| !pod.identity.deleting && pod.in_service == Some(true));
    match open.map(|pod| &pod.ready) {
        Some(Readiness { is: true, since: Some(since), .. }) => {
            let since = here(facts, *since);
            Some(told.map_or(since, |told| end_of_second(since, told)))
        }
        // Not before now.
        Some(Readiness { is: false, .. }) => Some(facts.now),
        Some(Readiness { is: true, since: None, .. }) | None => told,
    }
}

/// How long a Pod may take to become ready after its gate was opened, until that is told.
const OPENING: Duration = Duration::from_secs(10);

/// Why Kubernetes sends nobody to a Pod whose gate is open: another container of it, or another gate.
pub fn closed(facts: &Facts<'_>) -> Option<String> {
    let pod = facts.pod.filter(|pod| !pod.identity.deleting && pod.in_service == Some(true))?;
    let Readiness { is, since, why } = &pod.ready;
    let opened = (*since).max(pod.in_service_since)?;
    (!is && elapsed(opened, facts.now) >= OPENING).then(|| format!("its Pod is not ready: {why}"))
}

/// A moment that the kubelet wrote down, by the operator's clock.
pub fn here(facts: &Facts<'_>, there: Timestamp) -> Timestamp {
    // The guard tells whole seconds, too.
    let ahead = facts.ahead.filter(|ahead| ahead.abs() > SignedDuration::from_secs(2));
    ahead.and_then(|ahead| there.checked_sub(ahead).ok()).unwrap_or(there)
}

/// When something came true that `cause` brought about. Kubernetes tells only in which second that was.
fn end_of_second(second: Timestamp, cause: Timestamp) -> Timestamp {
    match second.checked_add(Duration::from_secs(1)) {
        Ok(end) if second > cause => end,
        _ => cause,
    }
}
