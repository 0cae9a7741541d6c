//! Quorate runs etcd clusters.
//!
//! * [`plan`] — deciding, pure: a look at the cluster goes in, a decision comes out.

pub mod etcd;
pub mod plan;
