//! Carrying a step out: one call on the platform or one call to etcd.

use std::time::Duration;

use super::{
    observe::{Clients, spokesman},
    platform::Platform,
};
use crate::{
    etcd::{Class, Failure, MemberClient},
    plan::{MemberId, Step, World},
};

/// How long to rest after a step that failed for no reason that passes quickly.
const REST: Duration = Duration::from_secs(2);

/// Why a step was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// etcd refused, or its answer got lost.
    #[error(transparent)]
    Etcd(#[from] Failure),
    /// The platform refused.
    #[error("{0}")]
    Platform(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No member is fit to be asked.
    #[error("no member answers that could be asked")]
    NobodyToAsk,
}

impl StepError {
    /// How long to rest before the next look.
    pub fn pause(&self) -> Duration {
        match self {
            StepError::Etcd(Failure { class: Class::RetryAfter(pause), .. }) => *pause,
            // What became of it shows in the member list at once, if a quorum answers.
            StepError::Etcd(Failure { class: Class::Ambiguous, .. }) => Duration::ZERO,
            _ => REST,
        }
    }

    /// A metric's label.
    pub fn result(&self) -> &'static str {
        match self {
            StepError::Etcd(failure) => match failure.class {
                Class::RetryAfter(_) => "retry",
                Class::Ambiguous => "ambiguous",
                _ => "refused",
            },
            StepError::Platform(_) | StepError::NobodyToAsk => "failed",
        }
    }
}

pub(super) async fn carry_out<P: Platform>(
    platform: &P,
    clients: &mut Clients,
    world: &World,
    step: &Step,
) -> Result<(), StepError> {
    let refused = |error: P::Error| StepError::Platform(Box::new(error));
    if matches!(step, Step::Remove { .. } | Step::Discard { .. }) {
        platform.confirm(step).await.map_err(refused)?;
    }
    match step {
        Step::Reserve { name, serial, recipe, admission } => {
            platform.reserve(name, *serial, recipe, admission.as_ref()).await.map_err(refused)
        }
        Step::TakeUp { name, alone } => platform.take_up(name, *alone).await.map_err(refused),
        Step::Admit { name, admission } => platform.admit(name, admission).await.map_err(refused),
        Step::Start { name, check } => platform.start(name, *check).await.map_err(refused),
        Step::Stop { name } => platform.stop(name).await.map_err(refused),
        Step::Renew { name, recipe } => platform.renew(name, recipe).await.map_err(refused),
        Step::Snapshot { name, to } => platform.snapshot(name, *to).await.map_err(refused),
        Step::EnableDowngrade { to } => done(ask(clients, world, None)?.downgrade(Some(*to)).await),
        Step::CancelDowngrade => done(ask(clients, world, None)?.downgrade(None).await),
        Step::Drain { name } => platform.drain(name, true).await.map_err(refused),
        Step::Undrain { name } => platform.drain(name, false).await.map_err(refused),
        Step::Discard { name } => platform.discard(name).await.map_err(refused),
        Step::RecordFormed { cluster_id } => platform.record_formed(*cluster_id).await.map_err(refused),
        Step::AddLearner { peer_url, .. } => {
            done(ask(clients, world, None)?.add_learner(peer_url).await.map(|_| ()))
        }
        Step::Promote { id, .. } => done(ask(clients, world, None)?.promote(*id).await),
        Step::MoveLeader { from, to, .. } => {
            let leader =
                world.incarnations.iter().find(|one| one.report.as_ref().is_some_and(|r| r.id == *from));
            let client = leader.and_then(|one| clients.get(&one.name)).ok_or(StepError::NobodyToAsk)?;
            done(client.move_leader(*to).await)
        }
        // Another member is asked than the one that goes: its answer would end with its process.
        Step::Remove { id, .. } => done(ask(clients, world, Some(*id))?.remove(*id).await),
    }
}

fn ask<'c>(
    clients: &'c Clients,
    world: &World,
    not: Option<MemberId>,
) -> Result<&'c MemberClient, StepError> {
    spokesman(clients, world, not).ok_or(StepError::NobodyToAsk)
}

/// Some refusals say that the step was carried out before: its first answer got lost.
fn done(result: Result<(), Failure>) -> Result<(), StepError> {
    match result {
        Err(Failure { class: Class::Done | Class::MineAlready, .. }) | Ok(()) => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}
