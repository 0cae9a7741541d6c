//! Quorate runs etcd clusters: scale, replace and repair members without losing a write.
//!
//! * [`api`] — the resources as people write them: types, rules, the manifest.
//! * [`plan`] — deciding, pure: a look at the cluster goes in, a decision comes out.
//! * [`etcd`] — one client a member, with a deadline and a class of error for every call.
//! * [`member`] — the exact flags of an etcd process.
//! * [`yaml`] — reading and writing YAML, in one place.

pub mod api;
pub mod etcd;
pub mod member;
pub mod plan;
pub mod yaml;
