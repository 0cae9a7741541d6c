//! What the tests of the running program share: a scripted engine, a real etcd, and the program between them.

#![allow(dead_code, reason = "the tests and the benchmark each use a part of it")]
pub mod engine;
pub mod program;
pub mod registry;

use std::time::{Duration, Instant};

/// Waits for something to become true, with a deadline; says how long it took.
pub async fn eventually<F: Future<Output = bool>>(
    what: &str,
    limit: Duration,
    mut done: impl FnMut() -> F,
) -> Duration {
    let began = Instant::now();
    while !done().await {
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}
