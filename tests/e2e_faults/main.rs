//! The operator as it is, on a real Kubernetes, behind an API server that does everything a bad day can bring.
//!
//! A proxy in this process stands between the two: it kills the operator at a chosen write, loses answers, makes up
//! errors, cuts watches and gives out old lists. What there is in the end is looked at past it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

#[path = "../common/mod.rs"]
mod common;
mod kills;
#[path = "../common/kubectl.rs"]
#[allow(dead_code, reason = "the other test program that uses this module uses more of it")]
mod kubectl;
mod link;
mod lives;
mod look;
mod operator;
mod pages;
#[path = "../e2e/place.rs"]
#[allow(dead_code, reason = "the other test program that uses this module uses more of it")]
mod place;
mod proxy;
mod quiet;
mod script;
mod stale;
mod storm;
mod two;
#[path = "../common/volumes.rs"]
mod volumes;
mod watches;
mod world;
