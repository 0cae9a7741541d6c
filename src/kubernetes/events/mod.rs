//! Events for people: what `kubectl describe` shows beside an EtcdCluster, by events.k8s.io/v1.
//!
//! What to tell is decided in [`news`], pure; the rest is a queue and a task. No pass ever waits for an Event.

pub mod news;
mod send;

#[cfg(test)]
mod tests;

use k8s_openapi::api::core::v1::ObjectReference;

pub use self::{
    news::{Kind, News},
    send::{Sender, Teller, channel},
};
use crate::{
    engine::Outcome,
    plan::{Decision, status::ClusterStatus},
};

/// What is told of one EtcdCluster.
#[derive(Debug)]
pub struct Story {
    teller: Teller,
    regarding: ObjectReference,
    told: news::Told,
}

impl Story {
    /// The story of the object that `regarding` names, with its UID: `kubectl describe` finds Events by it.
    pub fn new(teller: Teller, regarding: ObjectReference) -> Self {
        Self { teller, regarding, told: news::Told::default() }
    }

    /// Tells what a pass brought: the status before it and after it, what was decided, and what became of the steps.
    pub fn tell(
        &mut self,
        previous: Option<&ClusterStatus>,
        status: &ClusterStatus,
        decision: &Decision,
        outcomes: &[Outcome],
    ) {
        for news in self.told.news(previous, status, decision, outcomes) {
            self.teller.tell(&self.regarding, news);
        }
    }
}
