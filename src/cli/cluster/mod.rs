//! The commands for clusters on Kubernetes: what the operator wrote down is shown, and what it is asked for is written.
//!
//! They talk to the API server only. The members' addresses are of a network that a laptop is not in.

mod ask;
mod explain;
mod fault;
mod server;
mod status;

pub(super) use ask::{replace, restart, rotate_certificates, scale};
pub(super) use explain::explain;
pub(super) use status::{member_list, status, status_of_all};
