//! The platform for Kubernetes: controllers, watches and the objects of a cluster.

pub mod client;
pub mod clusters;
pub mod control;
mod ending;
mod ensure;
pub mod error;
pub mod events;
pub mod guards;
pub mod hands;
pub mod incarnation;
pub mod labels;
pub mod lease;
mod look;
pub mod members;
mod owned;
mod patch;
mod pause;
pub mod platform;
pub mod render;
mod slim;
mod soften;
pub mod store;
pub mod tls;
pub mod upkeep;
mod verbs;
pub mod views;
mod volumes;
pub mod watch;

use std::sync::Arc;

use crate::telemetry::{health::Health, metrics::Metrics};

/// What the controllers work with.
#[derive(Clone)]
pub struct Context {
    /// The connection to the API server.
    pub client: kube::Client,
    /// The namespaces to look after; all of them when empty.
    pub namespaces: Vec<String>,
    /// The operator's own image, which brings the guard into the members' Pods.
    pub image: String,
    /// The domain of the Kubernetes cluster, as in `demo.default.svc.<domain>`.
    pub cluster_domain: String,
    /// Who this replica is: the name of its Pod.
    pub identity: String,
    /// How many clusters are looked after at the same time.
    pub workers: usize,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What `/healthz` and `/readyz` say.
    pub health: Arc<Health>,
}

/// Why the controllers ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A task ended that must not.
    #[error("the task {0} ended; this is a fault of the program, and the log may say more")]
    TaskEnded(&'static str),
}

/// Runs the controllers. They stop when the future is dropped.
///
/// # Errors
/// When one of them ended.
pub async fn run(context: Context) -> Result<(), RunError> {
    control::run(context).await
}
