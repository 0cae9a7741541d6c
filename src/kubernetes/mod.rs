//! The platform for Kubernetes: controllers, watches and the objects of a cluster.

pub mod clusters;
pub mod control;
mod ensure;
pub mod guards;
pub mod hands;
pub mod incarnation;
pub mod labels;
pub mod members;
pub mod platform;
pub mod render;
pub mod store;
pub mod upkeep;
pub mod views;
mod volumes;
pub mod watch;
