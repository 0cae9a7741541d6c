//! Quorate runs etcd clusters.
//!
//! * [`plan`] — deciding, pure: a look at the cluster goes in, a decision comes out.
//! * [`etcd`] — one client a member, with deadlines, and a class for every failure.
//! * [`member`] — an etcd process: the flags it gets, by its version.

pub mod etcd;
pub mod member;
pub mod plan;
