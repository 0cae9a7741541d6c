//! Leader election by a Lease of coordination.k8s.io/v1, with the waits of client-go.
//!
//! Of several replicas one leads. It renews the Lease, and stops by itself when it could not for [`DEADLINE`], counted
//! from before the write was sent; another takes the Lease when it saw no change for [`TERM`], by its own clock. Every
//! write is refused by the server unless the Lease is as it was read, so nobody can take what was renewed meanwhile.
//! Only `get`, `create` and `patch` are used.

mod error;
mod verdict;
mod write;

use std::{
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tracing::{debug, info, warn};

use self::error::{CallError, call_error};
pub use self::{
    error::Lost,
    verdict::{Record, Verdict, evaluate},
};
use crate::telemetry::metrics::Metrics;

/// How long a Lease holds after its last renewal.
pub const TERM: Duration = Duration::from_secs(15);
/// How long a holder leads on without a renewal. What remains of the term is for stopping.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// How often a holder renews.
const PERIOD: Duration = Duration::from_secs(2);
/// How soon a holder tries again after a renewal that failed, and the shortest wait of one who wants to lead. With the
/// jitter of [`Elector::pause`] and the time of two calls, a lease that was given back is taken within 2 s.
const RETRY: Duration = Duration::from_secs(1);
/// How long one call may take: three fit into the deadline.
const CALL: Duration = Duration::from_secs(3);
/// How soon to look again at a Lease that changed since it was read.
const AGAIN: Duration = Duration::from_millis(100);
/// How long giving back may take: a program that was told to stop has 2 s in all.
const GIVE_BACK: Duration = Duration::from_millis(1500);

/// One who wants to lead.
pub struct Elector {
    api: Api<Lease>,
    namespace: String,
    name: String,
    me: String,
    metrics: Arc<Metrics>,
    seen: Option<Seen>,
    /// Whether what is in `seen` may be old: it is read before the next write.
    stale: bool,
    /// When the last write that made the lease ours was sent.
    renewed: Option<Instant>,
    /// Whether a write of ours may have made the lease ours.
    touched: bool,
    complaint: Option<String>,
    pauses: u64,
}

/// The Lease as it was read last.
struct Seen {
    record: Record,
    /// When it was first seen as it is.
    at: Instant,
    /// For the next write; `None` when the Lease is deleted.
    version: Option<String>,
}

impl Elector {
    /// One who wants to lead under the Lease of this name. `identity` must be unlike that of every other.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str, metrics: Arc<Metrics>) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            me: identity.to_owned(),
            metrics,
            seen: None,
            stale: true,
            renewed: None,
            touched: false,
            complaint: None,
            pauses: 0,
        }
    }

    /// Ready once this one leads. [`Elector::hold`] or [`Elector::lead`] must follow at once: nobody renews between.
    pub async fn acquire(&mut self) {
        loop {
            match self.attempt().await {
                Ok(true) => {
                    info!(lease = self.label(), identity = self.me, "leading");
                    self.complaint = None;
                    self.metrics.operator().leader(true);
                    return;
                }
                Ok(false) => self.complaint = None,
                Err(error) => self.complain(&error),
            }
            sleep(self.pause()).await;
        }
    }

    /// Renews the lease, and is ready once this one leads no longer. Whatever leading allows has to end then, at once.
    pub async fn hold(&mut self) -> Lost {
        let lost = loop {
            let Some(deadline) = self.renewed.map(|at| at + DEADLINE) else {
                break Lost::NotHeld(self.label());
            };
            // A program that was suspended comes back here late, with an answer or without one.
            let late = Instant::now() >= deadline;
            match timeout_at(deadline, self.renew_when_due()).await {
                Ok(Err(lost)) => break lost,
                Ok(Ok(())) if !late => {}
                _ => {
                    let why = self.complaint.take().unwrap_or_else(|| "no answer".to_owned());
                    break Lost::NotRenewed { lease: self.label(), why };
                }
            }
        };
        self.renewed = None;
        self.stale = true;
        self.metrics.operator().leader(false);
        lost
    }

    /// Works while this one leads. The work is dropped when the lease is lost.
    ///
    /// # Errors
    /// Why it leads no longer.
    pub async fn lead<F: Future>(&mut self, work: F) -> Result<F::Output, Lost> {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            lost = self.hold() => Err(lost),
            output = &mut work => Ok(output),
        }
    }

    /// Gives the lease back, so that another may take it at once. Only after all work has ended.
    pub async fn release(&mut self) {
        self.metrics.operator().leader(false);
        self.renewed = None;
        self.stale = true;
        if !self.touched {
            return;
        }
        match timeout(GIVE_BACK, self.give_back()).await {
            Ok(()) => info!(lease = self.label(), "no longer leading"),
            Err(_) => warn!(
                lease = self.label(),
                "the lease could not be given back in time; another replica takes it when it expires"
            ),
        }
    }

    async fn give_back(&mut self) {
        loop {
            match self.give_back_once().await {
                Ok(()) => return self.touched = false,
                Err(error) => debug!(lease = self.label(), error = error.to_string(), "not given back yet"),
            }
            sleep(AGAIN).await;
        }
    }

    async fn give_back_once(&mut self) -> Result<(), CallError> {
        self.look().await?;
        match &self.seen {
            Some(Seen { record, version: Some(version), .. }) if record.holder() == self.me => {
                let (spec, version) = (write::give_back(record, Timestamp::now()), version.clone());
                self.patch(&spec, &version).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// One attempt to lead.
    async fn attempt(&mut self) -> Result<bool, CallError> {
        self.look().await?;
        let now = Instant::now();
        let (record, at) = match &self.seen {
            Some(seen) => (Some(&seen.record), seen.at),
            None => (None, now),
        };
        match evaluate(record, &self.me, at, now) {
            Verdict::Theirs { .. } => Ok(false),
            Verdict::Mine | Verdict::Free => match self.claim().await {
                Ok(()) => Ok(true),
                // Another was faster.
                Err(CallError::Conflict) => Ok(false),
                Err(error) => Err(error),
            },
        }
    }

    async fn renew_when_due(&mut self) -> Result<(), Lost> {
        if let Some(at) = self.renewed {
            sleep_until(at + PERIOD).await;
        }
        loop {
            match self.renew().await? {
                Ok(()) => {
                    self.complaint = None;
                    return Ok(());
                }
                // Someone wrote into the Lease; who leads is seen by the next look.
                Err(CallError::Conflict) => sleep(AGAIN).await,
                Err(error) => {
                    self.complain(&error);
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Renews once. After a failure the Lease is read first: the write may have been carried out, and another's too.
    async fn renew(&mut self) -> Result<Result<(), CallError>, Lost> {
        if self.stale
            && let Err(error) = self.look().await
        {
            return Ok(Err(error));
        }
        match &self.seen {
            // Even if nobody holds it now: somebody may have led in between.
            Some(Seen { record, version: Some(_), .. }) if record.holder() != self.me => {
                Err(Lost::Taken { lease: self.label(), by: record.holder().to_owned() })
            }
            _ => Ok(self.claim().await),
        }
    }

    /// Writes this one into the Lease as it was read.
    async fn claim(&mut self) -> Result<(), CallError> {
        // From before the write: the server may carry it out any time later, and others count from then.
        let sent = Instant::now();
        let spec = write::claim(self.seen.as_ref().map(|seen| &seen.record), &self.me, Timestamp::now());
        let version = self.seen.as_ref().and_then(|seen| seen.version.clone());
        self.touched = true;
        self.stale = true;
        let lease = match version {
            Some(version) => self.patch(&spec, &version).await?,
            None => {
                let new = write::new(&self.name, spec);
                call(self.api.create(&PostParams::default(), &new)).await?
            }
        };
        self.notice(Some(lease));
        self.renewed = Some(sent);
        Ok(())
    }

    async fn patch(&self, spec: &LeaseSpec, version: &str) -> Result<Lease, CallError> {
        let patch = Patch::Merge(write::patch(spec, version));
        match call(self.api.patch(&self.name, &PatchParams::default(), &patch)).await {
            // Deleted since it was read: the next look sees that.
            Err(CallError::NotFound(_)) => Err(CallError::Conflict),
            other => other,
        }
    }

    async fn look(&mut self) -> Result<(), CallError> {
        let lease = call(self.api.get_opt(&self.name)).await?;
        self.notice(lease);
        Ok(())
    }

    fn notice(&mut self, lease: Option<Lease>) {
        self.stale = false;
        let Some(lease) = lease else {
            // A Lease deleted by hand does not end the term of its holder, who may not have noticed yet.
            if let Some(seen) = &mut self.seen {
                seen.version = None;
            }
            return;
        };
        let spec = lease.spec.unwrap_or_default();
        let record = Record { uid: lease.metadata.uid.unwrap_or_default(), spec };
        let version = lease.metadata.resource_version;
        match &mut self.seen {
            Some(seen) if seen.record == record => seen.version = version,
            seen => *seen = Some(Seen { record, at: Instant::now(), version }),
        }
    }

    /// Between one and one and a half times [`RETRY`], so that several who wait don't come all at once for ever.
    fn pause(&mut self) -> Duration {
        self.pauses += 1;
        let mut hasher = DefaultHasher::new();
        (&self.me, self.pauses).hash(&mut hasher);
        let share = f64::from((hasher.finish() % 1000) as u32) / 1000.0;
        RETRY.mul_f64(1.0 + 0.5 * share)
    }

    /// A failure that comes again and again for the same reason is told once.
    fn complain(&mut self, error: &CallError) {
        let words = error.to_string();
        if self.complaint.as_ref() != Some(&words) {
            warn!(
                lease = self.label(),
                error = words,
                "the lease could not be read or written; trying again"
            );
            self.complaint = Some(words);
        }
    }

    fn label(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

async fn call<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    match timeout(CALL, call).await {
        Ok(result) => result.map_err(call_error),
        Err(_) => Err(CallError::Silent),
    }
}
