//! Whether the operator works: what `/healthz` and `/readyz` say of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A pass takes seconds at the most, even when every member hangs; one that takes this long is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// What is known of the operator's tasks and passes.
#[derive(Debug, Default)]
pub struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    stage: Stage,
    ended: Vec<&'static str>,
    passes: BTreeMap<u64, (String, Instant)>,
    begun: u64,
}

/// How far the operator is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// It starts.
    #[default]
    Starting,
    /// Another replica leads; this one takes over when that one ends.
    Standby,
    /// It leads and reads what there is.
    Reading,
    /// Its watches are in step with the API server.
    Synced,
}

/// A task that must not end. When this value is dropped, the task has ended.
#[derive(Debug)]
pub struct TaskGuard {
    health: Arc<Health>,
    name: &'static str,
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.health.state().ended.push(self.name);
    }
}

/// A pass that has begun. When this value is dropped, the pass has ended.
#[derive(Debug)]
pub struct PassGuard {
    health: Arc<Health>,
    number: u64,
}

impl Drop for PassGuard {
    fn drop(&mut self) {
        self.health.state().passes.remove(&self.number);
    }
}

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells how far the operator is.
    pub fn stage(&self, stage: Stage) {
        self.state().stage = stage;
    }

    /// Watches over a task: it holds the value as long as it runs.
    pub fn task(self: &Arc<Self>, name: &'static str) -> TaskGuard {
        TaskGuard { health: Arc::clone(self), name }
    }

    /// Watches over a pass on one object: it holds the value until it ends.
    pub fn pass(self: &Arc<Self>, object: impl Into<String>) -> PassGuard {
        let mut state = self.state();
        state.begun += 1;
        let number = state.begun;
        state.passes.insert(number, (object.into(), Instant::now()));
        PassGuard { health: Arc::clone(self), number }
    }

    /// Whether every task runs and passes come to an end.
    ///
    /// # Errors
    /// What does not, in words.
    pub fn healthy(&self) -> Result<(), String> {
        let state = self.state();
        if let Some(name) = state.ended.first() {
            return Err(format!("the task {name} ended"));
        }
        // The numbers go up with the time, so the first is the oldest.
        match state.passes.values().next() {
            Some((object, since)) if since.elapsed() > STUCK => {
                Err(format!("the pass on {object} began {} s ago and hangs", since.elapsed().as_secs()))
            }
            _ => Ok(()),
        }
    }

    /// Whether this replica does its part: it leads and sees the cluster as it is, or it stands by.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn ready(&self) -> Result<(), String> {
        match self.state().stage {
            Stage::Starting => Err("the operator starts".into()),
            Stage::Reading => Err("the watches are not in step with the API server yet".into()),
            Stage::Standby | Stage::Synced => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_ends_is_no_health() {
        let health = Arc::new(Health::default());
        let clusters = health.task("clusters");
        let members = health.task("members");
        assert_eq!(health.healthy(), Ok(()));
        drop(members);
        assert_eq!(health.healthy(), Err("the task members ended".into()));
        drop(clusters);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_hangs_is_no_health_until_it_ends() {
        let health = Arc::new(Health::default());
        let hanging = health.pass("default/demo");
        tokio::time::advance(STUCK).await;
        assert_eq!(health.healthy(), Ok(()));
        let fresh = health.pass("default/other");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(health.healthy(), Err("the pass on default/demo began 61 s ago and hangs".into()));
        drop(hanging);
        assert_eq!(health.healthy(), Ok(()));
        drop(fresh);
    }

    #[test]
    fn who_stands_by_is_ready_and_who_leads_once_it_has_read() {
        let health = Health::default();
        let ready = |stage| {
            health.stage(stage);
            health.ready().is_ok()
        };
        assert!(
            !ready(Stage::Starting)
                && ready(Stage::Standby)
                && !ready(Stage::Reading)
                && ready(Stage::Synced)
        );
    }
}
