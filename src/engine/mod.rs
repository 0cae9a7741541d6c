//! One pass over any platform: observe, decide, act, report.
//!
//! The engine adds what the members say of themselves to what the platform sees, hands the whole to
//! [`plan`](crate::plan), carries the steps out through the same platform and the members' clients, and publishes the
//! status. It decides nothing itself, and remembers nothing that a decision depends on.

mod act;
mod compare;
mod observe;
mod platform;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::Instant,
};
use tracing::{Instrument, debug, info, info_span, warn};

pub use self::{
    act::StepError,
    observe::{Clients, look},
    platform::{Observed, Platform},
};
use crate::{
    plan::{self, Decision, Policy, Step, World, divergence::Divergence, status::ClusterStatus},
    telemetry::metrics::Metrics,
};

/// How soon a wait is looked at again at first; each further look takes half as long again, up to what the plan says.
const FIRST_LOOK: Duration = Duration::from_millis(150);

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
            shown_at: None,
            patience: Patience::default(),
            complaint: None,
        }
    }

    /// Shares the right to keep connections with engines of other clusters: those that get no permit make them anew in
    /// every pass.
    pub fn sharing(mut self, kept: Kept) -> Self {
        self.keeping.shared = Some(kept);
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
        let settled = pass.as_ref().is_ok_and(|pass| matches!(pass.decision, Decision::Settled));
        if !self.keeping.goes_on(settled) {
            self.clients.hang_up();
        }
        pass
    }

    async fn pass_in_span(&mut self) -> Result<Pass, P::Error> {
        let started = Instant::now();
        let (world, generation) = self.observe().await?;
        let now = Timestamp::now();
        self.collect_comparison(&world, now).await;
        let mut decision = plan::decide(&world, now);
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

    /// One look at everything a decision needs, and the generation of the spec it saw.
    ///
    /// # Errors
    /// When the platform can't be looked at.
    pub async fn observe(&mut self) -> Result<(World, Option<i64>), P::Error> {
        let observed = self.platform.observe().await?;
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

/// Which clusters' connections to their members stay open from one pass to the next. An operator may have hundreds of
/// clusters, and each connection takes 60 KiB.
#[derive(Debug, Clone)]
pub struct Kept {
    busy: Arc<Semaphore>,
    settled: Arc<AtomicBool>,
}

impl Kept {
    /// Those of so many clusters that something happens to, and of none at rest.
    pub fn new(busy: usize) -> Self {
        Self { busy: Arc::new(Semaphore::new(busy)), settled: Arc::default() }
    }

    /// Whether those of clusters at rest do, too.
    pub fn settled(&self, kept: bool) {
        self.settled.store(kept, Ordering::Relaxed);
    }
}

/// What one cluster has of that.
#[derive(Debug, Default)]
struct Keeping {
    shared: Option<Kept>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Keeping {
    /// Whether its connections stay open. One that is looked after alone keeps them while something happens to it.
    fn goes_on(&mut self, settled: bool) -> bool {
        let Some(shared) = &self.shared else { return !settled };
        if settled {
            self.permit = None;
            return shared.settled.load(Ordering::Relaxed);
        }
        if self.permit.is_none() {
            self.permit = Arc::clone(&shared.busy).try_acquire_owned().ok();
        }
        self.permit.is_some()
    }
}

/// How long to rest between passes: shortly while something is about to happen, longer the longer it takes.
#[derive(Debug, Default)]
struct Patience {
    waited: u32,
}

impl Patience {
    fn rest(&mut self, decision: &Decision, settled: Duration) -> Duration {
        match decision {
            Decision::Act { .. } => {
                self.waited = 0;
                Duration::ZERO
            }
            Decision::Wait { again, .. } => {
                let rest = FIRST_LOOK.mul_f64(1.5_f64.powi(self.waited.min(20).cast_signed()));
                self.waited += 1;
                rest.min(*again)
            }
            Decision::Settled => {
                self.waited = 0;
                settled
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(2);

    #[test]
    fn connections_are_kept_as_far_as_there_is_room() {
        let room = Kept::new(1);
        let [mut first, mut second] = [(); 2].map(|()| Keeping { shared: Some(room.clone()), permit: None });
        assert_eq!([first.goes_on(false), second.goes_on(false)], [true, false]);
        assert_eq!([first.goes_on(false), second.goes_on(false)], [true, false]);
        assert_eq!([first.goes_on(true), second.goes_on(false)], [false, true]);
        assert_eq!([first.goes_on(false), second.goes_on(false)], [false, true]);
        room.settled(true);
        assert_eq!([first.goes_on(true), second.goes_on(true)], [true, true]);
        assert_eq!([first.goes_on(false), second.goes_on(true)], [true, true], "those at rest take no room");
        let mut alone = Keeping::default();
        assert_eq!([alone.goes_on(false), alone.goes_on(true)], [true, false]);
    }

    #[test]
    fn a_wait_is_looked_at_soon_and_then_less_often() {
        let mut patience = Patience::default();
        let wait = Decision::Wait { operation: None, reason: String::new(), again: Duration::from_secs(1) };
        let rests: Vec<_> = (0..8).map(|_| patience.rest(&wait, REST).as_millis()).collect();
        assert_eq!(rests, [150, 225, 337, 506, 759, 1000, 1000, 1000]);
        assert_eq!(patience.rest(&Decision::Settled, REST), REST);
        assert_eq!(patience.rest(&wait, REST).as_millis(), 150);
    }
}
