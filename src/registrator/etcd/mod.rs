//! The side of etcd: one lease for the host, and its keys on it.

mod connect;
mod lease;
mod read;
mod store;
mod trouble;
mod write;
pub mod writer;

pub use trouble::{Kind, Trouble};
