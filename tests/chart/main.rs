//! The chart, and what is made from it: `deploy/`, the chart's README and the golden files, which `make deploy` writes.
//!
//! Where helm can't be had, what needs it is not checked, and the test says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

mod manifests;
mod render;
mod same;
mod tree;
mod values;
mod versions;
