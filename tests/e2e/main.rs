//! A real Kubernetes, with the operator installed from `deploy/quorate.yaml`: `make e2e`, on the cluster of `KUBECONFIG`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

mod again;
mod agree;
#[path = "../common/cases.rs"]
mod cases;
mod clients;
mod commands;
#[path = "../common/mod.rs"]
mod common;
mod documentation;
mod figures;
mod given;
mod grow;
mod issuers;
#[path = "../common/keys.rs"]
mod keys;
#[path = "../common/kubectl.rs"]
mod kubectl;
mod lease;
mod life;
mod loss;
mod metrics;
mod operator;
#[path = "../common/pages.rs"]
mod pages;
mod place;
mod roll;
mod rules;
mod served;
#[path = "../common/shell.rs"]
mod shell;
mod soften;
mod storage;
mod tell;
mod tls;
#[path = "../common/volumes.rs"]
mod volumes;
mod wrong;
