//! Talking to etcd: one client a member, with a deadline on every call and a class for every failure.
//!
//! This module may use the network and a clock. It decides nothing: it carries a question to one member and says what
//! came back. It never asks twice by itself, because a change whose answer got lost may have happened.

mod call;
pub mod class;
mod client;
mod connection;
mod credentials;
mod failure;
pub mod http;
mod peer;
pub mod snapshot;

pub use call::Call;
pub use class::{Answer, Class, classify};
pub use client::{Endpoint, MemberClient, Observer};
pub(crate) use connection::{connector, secured};
pub(crate) use credentials::speaking_h2;
pub use credentials::{Credentials, CredentialsError, config as tls_config};
pub use failure::Failure;
pub use peer::PeerMember;
