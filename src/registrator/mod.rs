//! The registrator: keeps the published ports of this host's containers in etcd.
//!
//! ```text
//! Docker ──events wake──► look: list, inspect ──► known (containers → keys) ──► diff ──► etcd, on one lease
//! ```
//!
//! What decides is pure: [`service`] (container to services, with [`address`], [`metadata`], [`tags`]), [`layout`]
//! (services to keys), [`known`] and [`diff`]. `docker` and `etcd` are the edges. Nothing else of the crate is used but
//! telemetry, the signals, and how connections to etcd are made.

mod address;
pub mod cli;
pub mod container;
pub mod diff;
pub mod docker;
pub mod etcd;
pub mod host;
pub mod known;
pub mod layout;
pub mod metadata;
pub mod metrics;
pub mod run;
mod serve;
pub mod service;
pub mod tags;
pub mod template;
