//! Quorate runs etcd clusters.
//!
//! * [`api`] — what people write: the resource, its rules, and the manifest it is read from.
//! * [`plan`] — deciding, pure: a look at the cluster goes in, a decision comes out.
//! * [`yaml`] — the one reader and writer of YAML.

pub mod api;
pub mod plan;
pub mod yaml;
