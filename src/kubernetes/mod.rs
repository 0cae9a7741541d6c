//! The platform for Kubernetes: controllers, watches and the objects of a cluster.

pub mod guards;
pub mod incarnation;
pub mod labels;
pub mod store;
pub mod upkeep;
pub mod views;
pub mod watch;
