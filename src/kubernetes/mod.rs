//! The platform for Kubernetes: controllers, watches and the objects of a cluster.

pub mod labels;
pub mod render;
