//! The `quorate` command: flags in, exit code out.

use std::process::ExitCode;

use quorate::cli::{self, Build, Cli};

/// Images are built with it set. It is read here and not in the library, so that another commit costs a link and no more.
const COMMIT: Option<&str> = option_env!("QUORATE_COMMIT");

/// One thread is enough: a pass is a handful of small requests, and threads cost memory.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = match Cli::of(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match cli::run(cli, Build { commit: COMMIT }).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.to_string().lines().for_each(cli::note);
            ExitCode::from(error.code as u8)
        }
    }
}
