//! Keeps etcd as it should be: takes the wish that came last, and writes what differs.
//!
//! A failure changes nothing but the time of the next try. What became of a write whose answer got lost is found out by
//! its guard: it holds again only if nothing was done.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    lease::lease_id,
    read::Ownership,
    store::Store,
    trouble::{Kind, Trouble},
    write::Outcome,
};
use crate::registrator::{
    cli::Settings,
    diff::{Difference, Entries, Mirror, OnConflict, Operation, Owner, applied, difference},
    layout::{Output, key::digest},
    metrics::Metrics,
};

/// The wish that came last; nothing before the containers were looked at for the first time.
pub type Wishes = watch::Receiver<Option<Arc<Entries>>>;

/// Keeps etcd as it should be.
pub struct Writer {
    store: Store,
    ownership: Ownership,
    ttl: Option<i64>,
    refresh: Duration,
    on_conflict: OnConflict,
    on_exit: bool,
    /// Tells this process from another one for the same host.
    instance: String,
    /// Whether the lease is held and the keys on it were read.
    ready: bool,
    mirror: Mirror,
    /// What stands in the log for a key that is removed.
    labels: BTreeMap<Arc<str>, Arc<str>>,
    conflicts: BTreeSet<Arc<str>>,
    failures: u32,
    ticks: u64,
}

/// How long leaving may take: whoever sent SIGTERM waits.
const LEAVE: Duration = Duration::from_millis(900);

/// How often keys are compared with what was seen, in ticks, when there is no lease that lists them.
const LOOK_EVERY: u64 = 6;

impl Writer {
    /// A writer for the outputs of a host; nothing is asked yet.
    pub fn new(settings: &Settings, outputs: Vec<Output>, host: &str, metrics: Metrics) -> Self {
        let lease = if settings.lease_ttl.is_some() { lease_id(&outputs, host) } else { 0 };
        Self {
            store: Store::new(settings.etcd.clone(), metrics),
            ownership: Ownership { lease, outputs },
            ttl: settings.lease_ttl,
            refresh: settings.refresh,
            on_conflict: settings.on_conflict,
            on_exit: settings.on_exit,
            instance: format!("{host} {}", uuid::Uuid::new_v4()),
            ready: false,
            mirror: Mirror::new(),
            labels: BTreeMap::new(),
            conflicts: BTreeSet::new(),
            failures: 0,
            ticks: 0,
        }
    }

    /// Takes the lease and reads what this host has in etcd.
    ///
    /// # Errors
    /// When etcd does not let it.
    pub async fn prepare(&mut self) -> Result<(), Trouble> {
        if let Some(ttl) = self.ttl {
            let adopted = self.store.hold_lease(self.ownership.lease, ttl).await?;
            if adopted {
                self.compare_ttl(ttl).await?;
            }
        }
        let prefixes: Vec<String> =
            self.ownership.outputs.iter().map(|output| output.prefix.as_str().to_owned()).collect();
        let mut mirror = Mirror::new();
        for prefix in prefixes {
            mirror.extend(self.store.load(&self.ownership, &prefix).await?);
        }
        if !mirror.is_empty() {
            tracing::info!("found {} keys of this host in etcd", mirror.len());
        }
        self.mirror = mirror;
        self.ready = true;
        self.sign().await
    }

    async fn compare_ttl(&mut self, wanted: i64) -> Result<(), Trouble> {
        let keys = self.store.lease_keys(self.ownership.lease).await?;
        if let Some((granted, _)) = keys.filter(|(granted, _)| *granted < wanted) {
            let words = format!(
                "the lease of this host was made for {granted} s and is kept, though {wanted} s are asked for: \
                 a lease can't be changed; it is made anew after it has ended"
            );
            self.store.warn_once("ttl", words);
        }
        Ok(())
    }

    /// Writes until it is told to leave. `leave` ends when it should; then keys go, if that was asked for.
    pub async fn run(mut self, mut wishes: Wishes, mut leave: oneshot::Receiver<()>) {
        let mut tick = Instant::now() + self.refresh;
        let mut retry: Option<Instant> = Some(Instant::now());
        let mut closed = false;
        loop {
            let next = retry.map_or(tick, |retry| retry.min(tick));
            tokio::select! {
                biased;
                _ = &mut leave => break,
                changed = wishes.changed(), if retry.is_none() && !closed => closed = changed.is_err(),
                () = sleep_until(next) => {}
            }
            let work = async {
                let mut result = Ok(());
                if Instant::now() >= tick {
                    tick = Instant::now() + self.refresh;
                    result = self.tick().await;
                }
                let wish = wishes.borrow_and_update().clone();
                match (result, wish) {
                    (Ok(()), Some(wish)) => self.converge(&wish).await,
                    (result, _) => result,
                }
            };
            let result = tokio::select! {
                biased;
                _ = &mut leave => break,
                result = work => result,
            };
            retry = self.judge(result).map(|pause| Instant::now() + pause);
            if wishes.borrow().is_none() {
                // Nothing is written before the containers were looked at.
                self.store.metrics.writing(false);
            }
        }
        if timeout(LEAVE, self.leave()).await.is_err() {
            tracing::warn!("etcd did not answer in time: the keys of this host go when their lease ends");
        }
    }

    /// How long to wait before the next try, if one is needed.
    fn judge(&mut self, result: Result<(), Trouble>) -> Option<Duration> {
        let trouble = match result {
            Ok(()) => {
                if self.failures > 0 {
                    tracing::info!("etcd answers again, and holds what it should");
                    self.store.said.remove("trouble");
                }
                self.failures = 0;
                self.store.metrics.writing(true);
                return None;
            }
            Err(trouble) => trouble,
        };
        self.store.metrics.writing(false);
        if trouble.kind == Kind::LeaseGone {
            self.lost();
            return Some(Duration::ZERO);
        }
        self.store.warn_once("trouble", trouble.to_string());
        self.failures = self.failures.saturating_add(1);
        let longest = if trouble.kind == Kind::Away || trouble.kind == Kind::Login { 2_000 } else { 5_000 };
        let base = 50_u64.saturating_mul(1 << self.failures.min(10)).min(longest);
        // Hosts that lost one etcd together don't come back to it at one moment.
        let jitter = digest(&format!("{}{}", self.instance, self.failures)) % (base / 2 + 1);
        Some(Duration::from_millis(base / 2 + jitter))
    }

    fn lost(&mut self) {
        tracing::warn!("the lease of this host is gone, with its keys: making both anew");
        self.store.metrics.lease_lost();
        self.mirror.clear();
        self.ready = false;
    }

    /// Keeps the lease alive, and looks whether everything is still there.
    async fn tick(&mut self) -> Result<(), Trouble> {
        self.ticks += 1;
        if !self.ready {
            return Ok(());
        }
        let lease = self.ownership.lease;
        let mut look: BTreeSet<Arc<str>> = self.conflicts.clone();
        if lease == 0 {
            if self.ticks.is_multiple_of(LOOK_EVERY) {
                look.extend(self.mirror.keys().cloned());
            }
        } else {
            if !self.store.keep_alive(lease, self.ttl.unwrap_or_default()).await? {
                self.lost();
                return Ok(());
            }
            let Some((_, attached)) = self.store.lease_keys(lease).await? else {
                self.lost();
                return Ok(());
            };
            let attached: BTreeSet<Arc<str>> =
                attached.into_iter().filter(|key| *key != self.sign_key()).map(Arc::from).collect();
            let held: BTreeSet<Arc<str>> = self
                .mirror
                .iter()
                .filter(|(_, seen)| seen.owner == Owner::Mine)
                .map(|(key, _)| key.clone())
                .collect();
            look.extend(attached.symmetric_difference(&held).cloned());
            self.sign().await?;
        }
        let keys: Vec<String> = look.iter().map(|key| key.to_string()).collect();
        let wanted = |_: &str| None;
        let seen = self.store.look(&self.ownership, &keys, &wanted).await?;
        self.learn(seen);
        Ok(())
    }

    fn learn(&mut self, seen: Vec<(Arc<str>, Option<super::super::diff::Seen>)>) {
        for (key, seen) in seen {
            match seen {
                Some(seen) => self.mirror.insert(key, seen),
                None => self.mirror.remove(&key),
            };
        }
    }

    /// Writes what differs from the wish.
    async fn converge(&mut self, wish: &Entries) -> Result<(), Trouble> {
        if !self.ready {
            self.prepare().await?;
        }
        // A guard that does not hold tells what is there, so that the next round knows; a few rounds are enough unless
        // somebody else writes the same keys all the time.
        for _ in 0..8 {
            self.mirror.retain(|key, seen| seen.owner != Owner::Foreign || wish.contains_key(key));
            let found = difference(wish, &self.mirror, self.on_conflict);
            self.tell_conflicts(&found, wish);
            if found.batches.is_empty() {
                let mine = self.mirror.values().filter(|seen| seen.owner == Owner::Mine).count();
                self.store.metrics.written(mine, found.conflicts.len());
                return Ok(());
            }
            let mut full = None;
            for batch in &found.batches {
                match self.carry_out(batch, wish).await {
                    Err(trouble) if trouble.kind == Kind::NoSpace => {
                        full = Some(trouble);
                        // etcd refuses a transaction that writes, and would still carry out one that only deletes.
                        let deletes: Vec<Operation> =
                            batch.iter().filter(|one| one.value.is_none()).cloned().collect();
                        if !deletes.is_empty() {
                            self.carry_out(&deletes, wish).await?;
                        }
                    }
                    result => result?,
                }
            }
            if let Some(trouble) = full {
                return Err(trouble);
            }
        }
        Err(Trouble::odd(
            "write the keys",
            self.store.endpoint(),
            "somebody else writes them too, all the time",
        ))
    }

    async fn carry_out(&mut self, batch: &[Operation], wish: &Entries) -> Result<(), Trouble> {
        let wanted = |key: &str| wish.get(key).map(|wanted| wanted.value.clone());
        match self.store.carry_out(&self.ownership, batch, &wanted).await? {
            Outcome::Done(revision) => {
                self.tell(batch, wish);
                applied(&mut self.mirror, batch, revision);
            }
            Outcome::Guarded(seen) => self.learn(seen),
        }
        Ok(())
    }

    /// One line for each change.
    fn tell(&mut self, batch: &[Operation], wish: &Entries) {
        for one in batch {
            match (wish.get(&one.key), &one.value) {
                (Some(wanted), Some(_)) => {
                    let verb = if self.mirror.contains_key(&one.key) { "refreshed" } else { "added" };
                    tracing::info!("{verb}: {} {} = {}", wanted.service, one.key, wanted.value);
                    self.labels.insert(one.key.clone(), wanted.service.clone());
                }
                _ => {
                    let service = self.labels.remove(&one.key);
                    tracing::info!("removed: {} {}", service.as_deref().unwrap_or("-"), one.key);
                }
            }
        }
    }

    fn tell_conflicts(&mut self, found: &Difference, wish: &Entries) {
        let now: BTreeSet<Arc<str>> = found.conflicts.iter().cloned().collect();
        for key in now.difference(&self.conflicts) {
            let service = wish.get(key).map(|wanted| wanted.service.as_ref()).unwrap_or_default();
            tracing::warn!(
                "conflict: {service} is not registered: {key} was written by somebody else and is left alone; give the \
                 service another ID, or start with -on-conflict=take to overwrite"
            );
        }
        self.conflicts = now;
    }

    /// Takes this host's keys out of etcd, unless another registrator of this host has taken over.
    async fn leave(&mut self) {
        if !self.on_exit || !self.ready {
            return;
        }
        let result = match self.ownership.lease {
            0 => self.converge(&Entries::new()).await,
            lease => match self.signed_by().await {
                Ok(Some(other)) if other != self.instance => {
                    tracing::info!("another registrator has taken over: its keys stay");
                    return;
                }
                _ => self.store.revoke(lease).await,
            },
        };
        match result {
            Ok(()) => tracing::info!("removed: the {} keys of this host", self.mirror.len()),
            Err(trouble) => tracing::warn!("the keys of this host stay until their lease ends: {trouble}"),
        }
    }

    /// The key that tells two registrators of one host of each other. It is outside of all prefixes: consumers read
    /// those.
    fn sign_key(&self) -> String {
        format!("quorate/registrator/{:016x}", self.ownership.lease)
    }

    async fn signed_by(&mut self) -> Result<Option<String>, Trouble> {
        let key = self.sign_key();
        let seen = self.store.look(&self.ownership, &[key], &|_| None).await?;
        Ok(seen.into_iter().find_map(|(_, seen)| seen).map(|seen| seen.value.to_string()))
    }

    /// Signs as the registrator of this host, and says so if another one has signed since.
    async fn sign(&mut self) -> Result<(), Trouble> {
        if self.ownership.lease == 0 || self.store.said.contains_key("sign") {
            return Ok(());
        }
        let key = self.sign_key();
        let result = self.try_sign(&key).await;
        match result {
            // A user that may only write below the prefixes of the outputs.
            Err(trouble) if trouble.kind == Kind::Denied => {
                let words = format!("two registrators for one host will not be noticed: {trouble} ({key})");
                self.store.warn_once("sign", words);
                Ok(())
            }
            // It is no reason to leave the keys of services unwritten.
            Err(trouble) if trouble.kind == Kind::NoSpace => Ok(()),
            result => result,
        }
    }

    async fn try_sign(&mut self, key: &str) -> Result<(), Trouble> {
        let seen = self.store.look(&self.ownership, &[key.to_owned()], &|_| None).await?;
        let seen = seen.into_iter().find_map(|(_, seen)| seen);
        let other = seen.as_ref().map(|seen| seen.value.clone()).filter(|value| **value != *self.instance);
        // At the first signing the other one may be a predecessor that was killed.
        let twin = other.as_ref().filter(|_| self.ticks > 0);
        self.store.metrics.twin(twin.is_some());
        if let Some(twin) = twin {
            let words = format!(
                "another registrator runs for this host: {twin:?} beside {:?}; end one of them, or give hosts names of \
                 their own with -host-name",
                self.instance
            );
            tracing::error!("{words}");
        }
        if seen.is_some() && other.is_none() {
            return Ok(());
        }
        let operation = Operation {
            key: key.into(),
            value: Some(self.instance.as_str().into()),
            expects: seen.map_or(0, |seen| seen.revision),
        };
        // If the guard does not hold, the other one was quicker; the next tick sees it.
        self.store.carry_out(&self.ownership, &[operation], &|_| None).await.map(|_| ())
    }
}
