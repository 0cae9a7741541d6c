//! Starting members again on the data they have: cheap, and always right to try.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    evidence::{shorten, telling_line},
    quorum::quorum,
    step::{Decision, Operation, OperationKind, Step},
    world::{Incarnation, Process, World, waited},
};

/// How long a member that could not be started is left alone. Longer than the rest after a failed step, so that other
/// members get their turn in between.
const BLOCKED: Duration = Duration::from_secs(5);

/// Starts every one of `members` that may run and does not, once its back-off is over.
pub(super) fn decide(world: &World, members: &[&Incarnation], now: Timestamp) -> Option<Decision> {
    let mut due: Vec<_> =
        members.iter().filter(|one| one.admission.is_some() && is_due(world, one, now)).collect();
    // Steps stop at the first that fails, so one that could not start comes last and holds nobody up.
    due.sort_by_key(|one| match one.process {
        Process::Blocked { at, .. } => Some(at),
        _ => None,
    });
    let first = due.first()?;
    let reason = match &first.process {
        _ if due.iter().all(|one| one.process == Process::NotStarted) => {
            let are = if due.len() == 1 { "is" } else { "are" };
            format!("{} {are} started for the first time", names(&due))
        }
        _ if due.len() > 1 => {
            format!("{} members that do not run are started on the data they have", due.len())
        }
        Process::Exited { failures: 0, .. } => {
            format!("{} was stopped and is started again on its data", first.name)
        }
        Process::Exited { failures, last_words, .. } => {
            format!(
                "{} {} and is started again on its data{}",
                first.name,
                ended(*failures),
                quote(last_words)
            )
        }
        Process::Blocked { why, .. } => {
            format!("{} could not start before ({why}) and is tried again", first.name)
        }
        _ => format!("{} is started", first.name),
    };
    Some(Decision::Act {
        steps: due
            .iter()
            .map(|one| Step::Start { name: one.name.clone(), check: can_check(world, one) })
            .collect(),
        operation: Operation { kind: OperationKind::Recover, member: Some(first.name.clone()), since: None },
        reason,
    })
}

/// Whether the initial corruption check can be answered. It waits 7 s for each peer that does not answer (measured), and
/// when a whole cluster starts again, every member would wait for every other one. Without data there is no comparing.
fn can_check(world: &World, one: &Incarnation) -> bool {
    let answering = world.incarnations.iter().filter(|other| other.report.is_some()).count();
    !one.data.present || answering >= quorum(world.incarnations.len())
}

fn is_due(world: &World, one: &Incarnation, now: Timestamp) -> bool {
    // The guard: a member whose data is gone must not vote again under its old ID.
    if one.data_fault().is_some() {
        return false;
    }
    match &one.process {
        Process::NotStarted => true,
        Process::Running { .. } => false,
        // The platform starts it again by itself.
        Process::Exited { .. } | Process::Blocked { .. } if one.supervised => false,
        Process::Exited { at, failures, .. } => waited(*at, now) >= world.policy.restart_after(*failures),
        Process::Blocked { at, .. } => waited(*at, now) >= BLOCKED,
    }
}

/// Why a member does not run, in words; `None` while it runs.
pub(super) fn obstacle(one: &Incarnation) -> Option<String> {
    match &one.process {
        Process::Running { .. } | Process::NotStarted => None,
        Process::Exited { failures: 0, .. } => Some(format!("{} was stopped", one.name)),
        Process::Exited { failures, last_words, .. } => {
            Some(format!("{} {}{}", one.name, ended(*failures), quote(last_words)))
        }
        Process::Blocked { why, .. } => Some(format!("{} cannot start: {why}", one.name)),
    }
}

fn ended(failures: u32) -> String {
    if failures == 1 { "ended".into() } else { format!("ended {failures} times in a row") }
}

fn names(members: &[&&Incarnation]) -> String {
    members.iter().map(|one| one.name.0.as_str()).collect::<Vec<_>>().join(", ")
}

fn quote(last_words: &str) -> String {
    match telling_line(last_words) {
        Some(line) => format!("; its last words: {}", shorten(line)),
        None => String::new(),
    }
}
