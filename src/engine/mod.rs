//! One pass over any platform: observe, decide, act, report.
//!
//! The engine adds what the members say of themselves to what the platform sees, hands the whole to
//! [`plan`](crate::plan), carries the steps out through the same platform and the members' clients, and publishes the
//! status. It decides nothing itself, and remembers nothing that a step depends on.

mod act;
mod compare;
mod keeping;
mod observe;
mod patience;
mod platform;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{task::JoinHandle, time::Instant};
use tracing::{Instrument, debug, info, info_span, warn};

pub use self::{
    act::StepError,
    keeping::Kept,
    observe::{Clients, look},
    platform::{Observed, Platform},
};
use self::{keeping::Keeping, patience::Patience};
use crate::{
    plan::{self, Decision, Policy, Step, World, divergence::Divergence, status::ClusterStatus},
    telemetry::metrics::Metrics,
};

/// Looks after one cluster.
pub struct Engine<P> {
    platform: P,
    policy: Policy,
    metrics: Arc<Metrics>,
    clients: Clients,
    keeping: Keeping,
    divergence: Option<Divergence>,
    comparing: Option<JoinHandle<Divergence>>,
    published: Option<ClusterStatus>,
    at_rest: bool,
    shown_at: Option<Instant>,
    patience: Patience,
    complaint: Option<String>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The step.
    pub step: Step,
    /// Why it was not carried out.
    pub error: Option<String>,
}

/// What a pass came to.
#[derive(Debug)]
pub struct Pass {
    /// The status that was published.
    pub status: ClusterStatus,
    /// What was decided.
    pub decision: Decision,
    /// The steps that were tried.
    pub outcomes: Vec<Outcome>,
    /// How long to rest before the next pass, if nothing changes.
    pub rest: Duration,
}

impl<P: Platform> Engine<P> {
    /// Takes a platform. `published` is the status that was shown last, if it is known: it only keeps the times at
    /// which conditions changed.
    pub fn new(platform: P, policy: Policy, metrics: Arc<Metrics>, published: Option<ClusterStatus>) -> Self {
        Self {
            platform,
            policy,
            clients: Clients::new(Arc::clone(&metrics)),
            keeping: Keeping::default(),
            metrics,
            divergence: None,
            comparing: None,
            published,
            at_rest: false,
            shown_at: None,
            patience: Patience::default(),
            complaint: None,
        }
    }

    /// Shares the right to keep connections with engines of other clusters: those that get no permit make them anew in
    /// every pass.
    pub fn sharing(mut self, kept: Kept) -> Self {
        self.keeping = Keeping::sharing(kept);
        self
    }

    /// The platform it looks after.
    pub fn platform(&self) -> &P {
        &self.platform
    }

    /// The status that was published last.
    pub fn status(&self) -> Option<&ClusterStatus> {
        self.published.as_ref()
    }

    /// Looks, decides, carries the decision out and publishes the status.
    ///
    /// # Errors
    /// When the platform can't be looked at, or the status can't be published. A step that failed is no error: it is
    /// shown in the status, and the next pass looks again.
    pub async fn pass(&mut self) -> Result<Pass, P::Error> {
        let span = info_span!("pass");
        let pass = self.pass_in_span().instrument(span).await;
        self.at_rest = pass.as_ref().is_ok_and(|pass| pass.decision == Decision::Settled);
        if !self.keeping.goes_on(self.at_rest) {
            self.clients.hang_up();
        }
        pass
    }

    async fn pass_in_span(&mut self) -> Result<Pass, P::Error> {
        let started = Instant::now();
        let (world, generation, now, mut decision) = self.decide().await?;
        let mut setback = None;
        let mut outcomes = Vec::new();
        for step in decision.steps() {
            match self.carry_out(&world, step).await {
                Ok(()) => {
                    info!(step = step.kind(), member = step.member(), reason = decision.reason(), "done");
                    self.metrics.step(step.kind(), "done");
                    self.complaint = None;
                    outcomes.push(Outcome { step: step.clone(), error: None });
                }
                Err(error) => {
                    self.complain(step, &error);
                    outcomes.push(Outcome { step: step.clone(), error: Some(error.to_string()) });
                    self.metrics.step(step.kind(), error.result());
                    setback = Some(error);
                    break;
                }
            }
        }
        let rest = match &setback {
            Some(error) => {
                // A step that failed is something to wait for; the status says what it met.
                decision = Decision::Wait {
                    operation: decision.operation().cloned(),
                    reason: format!("{}; {error}", decision.reason()),
                    again: error.pause(),
                };
                error.pause()
            }
            None => self.patience.rest(&decision, self.policy.rest),
        };
        let status = plan::status::describe(&world, &decision, generation, self.published.as_ref(), now);
        if let Some(open) = plan::status::in_service(&world) {
            let names = world.incarnations.iter().map(|one| one.name.clone());
            // Only those that were looked at: who came since is the next look's concern.
            let closed: Vec<_> = names.filter(|name| !open.contains(name)).collect();
            self.platform.serve(&open, &closed).await?;
        }
        self.metrics.pass(started.elapsed(), &world.desired, &status);
        self.publish(status.clone()).await?;
        Ok(Pass { status, decision, outcomes, rest })
    }

    /// Looks, and decides. While a cluster is at rest the word of others is good enough to see that it still is; whatever is
    /// to be done is decided on what the members say themselves.
    async fn decide(&mut self) -> Result<(World, Option<i64>, Timestamp, Decision), P::Error> {
        let mut trusting = self.at_rest;
        loop {
            let (world, generation) = self.observe_with(trusting).await?;
            let now = Timestamp::now();
            self.collect_comparison(&world, now).await;
            let decision = plan::decide(&world, now);
            if !trusting || decision == Decision::Settled {
                return Ok((world, generation, now, decision));
            }
            trusting = false;
        }
    }

    /// One look at everything a decision needs, and the generation of the spec it saw.
    ///
    /// # Errors
    /// When the platform can't be looked at.
    pub async fn observe(&mut self) -> Result<(World, Option<i64>), P::Error> {
        self.observe_with(false).await
    }

    async fn observe_with(&mut self, trusting: bool) -> Result<(World, Option<i64>), P::Error> {
        let mut observed = self.platform.observe().await?;
        if !trusting {
            observed.vouched.clear();
        }
        let generation = observed.generation;
        let world = look(observed, &mut self.clients, self.policy, self.divergence.clone()).await;
        Ok((world, generation))
    }

    /// Carries one step out.
    ///
    /// # Errors
    /// When it was refused, or its answer got lost. It is never retried here: the next look tells what became of it.
    pub async fn carry_out(&mut self, world: &World, step: &Step) -> Result<(), StepError> {
        act::carry_out(&self.platform, &mut self.clients, world, step).await
    }

    /// A step that is refused again and again for the same reason is told once.
    fn complain(&mut self, step: &Step, error: &StepError) {
        let words = error.to_string();
        if self.complaint.as_ref() == Some(&words) {
            debug!(step = step.kind(), member = step.member(), error = words, "still not done");
        } else {
            warn!(step = step.kind(), member = step.member(), error = words, "not done");
            self.complaint = Some(words);
        }
    }

    /// Shows a status, on difference only; one that says little that is new may have to wait for a later pass.
    ///
    /// # Errors
    /// When the platform can't.
    pub async fn publish(&mut self, status: ClusterStatus) -> Result<(), P::Error> {
        if let Some(shown) = &self.published {
            let due = plan::status::notable::due_after(shown, &status, &self.policy);
            let waited = self.shown_at.map_or(Duration::MAX, |at| at.elapsed());
            if *shown == status || waited < due {
                return Ok(());
            }
        }
        self.platform.publish(&status).await?;
        self.published = Some(status);
        self.shown_at = Some(Instant::now());
        Ok(())
    }

    /// Takes the result of a finished comparison, and begins one when it is due. It runs beside the passes, since
    /// hashing a large database takes seconds.
    async fn collect_comparison(&mut self, world: &World, now: Timestamp) {
        match self.comparing.take_if(|task| task.is_finished()) {
            Some(task) => {
                if let Ok(result) = task.await {
                    compare::log(self.divergence.as_ref(), &result);
                    self.divergence = Some(result);
                }
            }
            None if self.comparing.is_some() => {}
            None => {
                if let Some(voters) = plan::divergence::due(world, now) {
                    self.comparing = compare::begin(world, voters, &mut self.clients);
                }
            }
        }
    }
}
