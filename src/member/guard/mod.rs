//! The guard in front of an etcd process in a Pod.

pub mod words;
