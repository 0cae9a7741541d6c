//! An etcd process: what it is started with (pure), the snapshots that are kept of its data, and the guard that starts it in
//! a Pod.

mod data;
mod flags;
pub mod guard;
mod snapshots;
mod spelling;

pub use data::{Closing, data_present, has_log};
pub use flags::{Addresses, CertificateFiles, Launch, render};
pub use snapshots::Snapshots;
pub use spelling::{judged_flags, unknown_flag, unknown_flags};
