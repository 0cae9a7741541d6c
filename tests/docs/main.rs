//! What the documentation says is so: commands run, links lead somewhere, references are those of the source, manifests
//! fit the definition, and alerts and dashboard speak of metrics that exist.
//!
//! A block of commands is either ```` ```sh run ````, and then a test runs it, or ```` ```sh ```` below a comment
//! `<!-- not run: why -->`. Behind a block that is run, a block ```` ```text output ```` has lines of what it printed, with
//! `…` for what differs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

mod chinese;
#[path = "../common/mod.rs"]
mod common;
mod convention;
mod dashboard;
#[path = "../common/definition.rs"]
mod definition;
mod expressions;
mod links;
mod manifests;
mod monitoring;
#[path = "../common/pages.rs"]
mod pages;
mod reference;
mod run;
#[path = "../common/schema.rs"]
mod schema;
mod series;
#[path = "../common/shell.rs"]
mod shell;
