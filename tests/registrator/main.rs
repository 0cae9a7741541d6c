//! The registrator: the cases of the original as a table, its command line, its templates, and its life beside Docker
//! and etcd.

mod cases;
mod command_line;
mod hostile;
mod templates;
