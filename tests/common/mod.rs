//! What several tests share. Each test program uses a part of it.

#![allow(dead_code, reason = "every test program compiles this module and uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

pub mod clock;
pub mod etcd;
pub mod guard;
pub mod inside;
pub mod leader;
pub mod load;
pub mod ports;
pub mod rows;
pub mod up;
pub mod watch;

use std::time::{Duration, Instant};

pub const SECONDS: fn(u64) -> Duration = Duration::from_secs;
pub const MILLIS: fn(u64) -> Duration = Duration::from_millis;

/// A call that has to end within a time.
pub async fn within<T>(limit: Duration, call: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let result = call.await;
    assert!(began.elapsed() <= limit, "it took {:?}, not {limit:?}", began.elapsed());
    result
}
