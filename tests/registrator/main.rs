//! The registrator: the cases of the original as a table, its command line, its templates, and its life beside Docker
//! and etcd.

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
