//! The registrator: the cases of the original as a table, its command line, its templates, and its life beside Docker
//! and etcd.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

mod cases;
mod command_line;
#[path = "../common/mod.rs"]
mod common;
mod consumers;
mod faults;
mod hostile;
mod life;
mod real;
mod stage;
mod templates;
