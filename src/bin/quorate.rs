//! The `quorate` command: flags in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use quorate::cli::{self, Cli};

/// One thread is enough: a pass is a handful of small requests, and threads cost memory.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match cli::run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.to_string().lines().for_each(cli::note);
            ExitCode::from(error.code as u8)
        }
    }
}
