//! Quorate runs etcd clusters.
//!
//! * [`plan`] — deciding, pure: a look at the cluster goes in, a decision comes out.
//! * [`yaml`] — the one reader and writer of YAML.

pub mod plan;
pub mod yaml;
