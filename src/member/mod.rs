//! An etcd process: what it is started with. Pure; starting it is the platform's part.

mod flags;
mod spelling;

pub use flags::{Addresses, Launch, render};
pub use spelling::{judged_flags, unknown_flag, unknown_flags};
