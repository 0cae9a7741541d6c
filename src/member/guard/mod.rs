//! The guard in front of an etcd process in a Pod: it starts etcd on the member's own data or, once, on nothing.
//!
//! It may touch the member's volume, a folder that lives as long as the Pod, the etcd process, and the network: its own
//! port, the peers' URLs and, to hand leadership over before it stops, their client URLs. It decides nothing about the
//! cluster.

mod certificates;
mod command;
mod desk;
mod etcd;
mod install;
mod judge;
mod leave;
mod names;
mod peers;
mod places;
mod run;
mod server;
pub mod words;

pub use command::{addresses, everywhere, flags};
pub use install::{InstallError, install};
pub use judge::{Facts, Owner, Peers, Verdict, VolumeMark, judge};
pub use run::{GuardError, Setup, run};
