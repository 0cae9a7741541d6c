//! Quorate runs etcd clusters: scale, replace and repair members without losing a write.
//!
//! * [`api`] — the resources as people write them: types, rules, the manifest.
//! * [`plan`] — deciding, pure: a look at the cluster goes in, a decision comes out.
//! * [`engine`] — one pass over any platform: observe, decide, act, report.
//! * [`etcd`] — one client a member, with deadlines and errors by class.
//! * [`member`] — the exact flags of an etcd process.
//! * [`pki`] — making and reading certificates.
//! * [`process`] — the platform for one machine: child processes and their folders.
//! * [`kubernetes`] — the platform for Kubernetes: controllers, watches and the objects of a cluster.
//! * [`cli`] — the commands and what they show.
//! * [`registrator`] — the second program: published ports of containers, kept in etcd.
//! * [`telemetry`] — log lines, metrics, health.
//! * [`yaml`] — reading and writing YAML, in one place.
//! * [`shutdown`] — being told to stop.
//!
//! Data flows one way: `cli` starts passes; `engine` observes through a platform and `etcd`, hands a world to `plan`,
//! carries the steps out through the same two, and publishes the status. `plan` knows nobody.

pub mod api;
pub mod cli;
pub mod engine;
pub mod etcd;
pub mod kubernetes;
pub mod member;
pub mod pki;
pub mod plan;
pub mod process;
pub mod registrator;
pub mod shutdown;
pub mod telemetry;
pub mod yaml;
