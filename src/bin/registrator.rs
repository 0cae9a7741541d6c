//! The registrator: flags in, exit code out, one thread.

use std::process::ExitCode;

use quorate::{
    registrator::{
        cli::{self, Asked, Settings},
        run::run,
    },
    shutdown,
    telemetry::logs,
};

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|one| one.to_string_lossy().into_owned()).collect();
    match cli::parse(&arguments, &|name| std::env::var(name).ok()) {
        Ok(Asked::Version) => {
            println!("quorate-registrator {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Ok(Asked::Run(settings)) => start(*settings),
        Err(refusal) => {
            eprintln!("{}", refusal.message);
            ExitCode::from(refusal.code)
        }
    }
}

fn start(settings: Settings) -> ExitCode {
    logs::init(settings.log_format, logs::Above::default());
    tracing::info!("Starting registrator {} ...", env!("CARGO_PKG_VERSION"));
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(async {
        let mut told =
            shutdown::Told::listen().map_err(|error| format!("cannot listen to signals: {error}"))?;
        run(settings, async move { told.to_stop().await }).await.map_err(|error| error.to_string())
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
