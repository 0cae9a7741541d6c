//! `quorate up`: runs a cluster on this machine until it is told to stop.

use std::{io::IsTerminal, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use tracing::{error, info};

use super::{
    UpArgs,
    exit::{CommandError, ExitCode},
    live::LiveView,
    manifest,
};
use crate::{
    api::{manifest::Manifest, validate},
    engine::{Engine, Platform},
    plan::{self, Decision, Policy, Scheme, status::ClusterStatus},
    process::{
        ProcessPlatform, binaries::Binaries, files, folder::Folder, lock::Lock, manifest::follow, setup,
        state::RecordFile,
    },
    shutdown,
    telemetry::{
        http,
        logs::{self, Above, LogFormat},
        metrics::Metrics,
    },
};

/// How long to rest after a look that failed.
const REST: Duration = Duration::from_secs(2);

pub(super) async fn run(args: UpArgs, format: LogFormat) -> Result<(), CommandError> {
    let folder = Folder::new(&args.dir.dir);
    let (text, manifest) = wanted(&folder, args.file.as_deref())?;
    manifest::warn(&manifest, args.file.as_deref().unwrap_or(&folder.manifest()));
    std::fs::create_dir_all(folder.root())
        .map_err(|source| CommandError::failed(files::FileError::io("creating", folder.root(), source)))?;
    let _lock = Lock::take(&folder).map_err(CommandError::failed)?;
    let record = setup::prepare(&folder, &manifest).map_err(CommandError::failed)?;
    let record = accept(&folder, record, &text, &manifest)?;
    let binaries = find_binaries(&args, &record).await?;
    let metrics = Metrics::default().of_cluster("", &manifest.name);
    let listener = match args.http {
        Some(address) => Some(http::bind(address).await.map_err(|error| {
            CommandError::failed(format!("--http {address}: {error}; choose another address"))
        })?),
        None => None,
    };

    let view = (std::io::stderr().is_terminal() && format == LogFormat::Text).then(LiveView::new);
    logs::init(format, Above(view.as_ref().map(LiveView::lines)));
    let published = files::read_yaml::<ClusterStatus>(&folder.status()).ok().flatten();
    let platform = ProcessPlatform::new(folder, binaries, args.port);
    let engine = Engine::new(platform, Policy::default(), Arc::clone(&metrics), published);
    let work = look_after(engine, view, Arc::clone(&metrics));
    match listener {
        None => work.await,
        Some(listener) => tokio::select! {
            result = work => result,
            // The end of a task that serves is the end of the program: nobody would notice otherwise.
            result = http::serve(listener, metrics) => Err(CommandError::failed(format!("the HTTP server ended: {result:?}"))),
        },
    }
}

/// The manifest that was named, else the one in the folder.
fn wanted(folder: &Folder, file: Option<&Path>) -> Result<(String, Manifest), CommandError> {
    let inside = folder.manifest();
    let path = file.unwrap_or(&inside);
    if file.is_none() && !inside.exists() {
        let message = format!(
            "{} does not exist: give a manifest with -f, for instance examples/demo.yaml",
            inside.display()
        );
        return Err(CommandError::new(ExitCode::NotFound, message));
    }
    manifest::read(path)
}

/// Checks that the manifest may follow the one that was accepted last in this folder, and puts it there.
fn accept(
    folder: &Folder,
    record: RecordFile,
    text: &str,
    manifest: &Manifest,
) -> Result<RecordFile, CommandError> {
    if manifest.name != record.name {
        let message = format!(
            "the folder {} belongs to cluster {}, and the manifest is of {}; choose another folder with --dir",
            folder.root().display(),
            record.name,
            manifest.name
        );
        return Err(CommandError::new(ExitCode::Refused, message));
    }
    let spec = follow(&record, manifest).map_err(|problems| CommandError::refused(&problems))?;
    let there = files::read(&folder.manifest()).map_err(CommandError::failed)?;
    if there.as_deref() != Some(text) {
        files::write(&folder.manifest(), text).map_err(CommandError::failed)?;
    }
    files::remove(&folder.down_request()).map_err(CommandError::failed)?;
    Ok(RecordFile { spec, ..record })
}

/// A new cluster needs its binary now; for one that is there, a missing binary is shown in the status.
async fn find_binaries(args: &UpArgs, record: &RecordFile) -> Result<Binaries, CommandError> {
    let binaries = Binaries::find(&args.etcd).await.map_err(CommandError::failed)?;
    let desired =
        validate::check(&record.name, &record.spec).map_err(|problems| CommandError::refused(&problems))?;
    if record.record.cluster_id.is_none() && binaries.get(desired.version).is_none() {
        return Err(CommandError::failed(binaries.missing(desired.version)));
    }
    Ok(binaries)
}

/// Pass after pass, until a signal or `quorate down` ends it; then the members are stopped.
async fn look_after(
    mut engine: Engine<ProcessPlatform>,
    mut view: Option<LiveView>,
    metrics: Arc<Metrics>,
) -> Result<(), CommandError> {
    let mut told = shutdown::Told::listen().map_err(CommandError::failed)?;
    let mut available = false;
    let mut last_error = String::new();
    loop {
        // A pass that is cut short is like a crash between two steps: the next one, whenever it comes, goes on.
        let pass = tokio::select! {
            pass = engine.pass() => pass,
            () = told.to_stop() => break,
        };
        let rest = match pass {
            Ok(pass) => {
                last_error.clear();
                available = announce(&pass.status, engine.platform().folder(), available);
                if let Some(view) = &mut view {
                    view.show(&pass.status);
                }
                pass.rest
            }
            Err(error) => {
                let error = error.to_string();
                metrics.failed_pass();
                // People look at the status, and an old one would tell them that all is well.
                let status = plan::status::blind(engine.status(), &error, Timestamp::now());
                if let Some(view) = &mut view {
                    view.show(&status);
                }
                if error != last_error {
                    error!("{error}");
                    last_error = error;
                }
                show_blind(&mut engine, status).await;
                REST
            }
        };
        if engine.platform().folder().down_request().exists() {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = engine.platform().changed() => {}
            () = told.to_stop() => break,
        }
    }
    info!("stopping the members, the leader last; their data stays");
    if let Some(view) = &view {
        view.in_progress("stopping the members".into());
    }
    stop(engine).await?;
    drop(view);
    info!("all members are stopped; `quorate up` starts them again");
    Ok(())
}

/// Publishes the status of a pass that failed. On a full disk the old one, which is not true any more, makes room for
/// it; if there is no way to write it, the log has said why.
async fn show_blind(engine: &mut Engine<ProcessPlatform>, status: ClusterStatus) {
    if engine.publish(status.clone()).await.is_err() {
        let _ = files::remove(&engine.platform().folder().status());
        let _ = engine.publish(status).await;
    }
}

/// Says where clients find the cluster, once it serves.
fn announce(status: &ClusterStatus, folder: &Folder, before: bool) -> bool {
    let available = status.is("Available");
    if available && !before {
        let urls: Vec<_> =
            status.members.iter().filter(|one| one.ready).map(|one| one.client_url.as_str()).collect();
        info!("the cluster serves: {}", etcdctl(&urls, folder));
    }
    available
}

/// What etcdctl has to be told.
fn etcdctl(urls: &[&str], folder: &Folder) -> String {
    let mut variables = vec![format!("ETCDCTL_ENDPOINTS={}", urls.join(","))];
    if urls.iter().any(|url| Scheme::of(url) == Scheme::Https) {
        let files = [("CACERT", "ca.crt"), ("CERT", "client.crt"), ("KEY", "client.key")];
        let path = |file: &str| folder.tls().join(file).display().to_string();
        variables.extend(files.map(|(variable, file)| format!("ETCDCTL_{variable}={}", path(file))));
    }
    format!("export {}", variables.join(" "))
}

async fn stop(mut engine: Engine<ProcessPlatform>) -> Result<(), CommandError> {
    engine.platform().stop_all().await.map_err(CommandError::failed)?;
    files::remove(&engine.platform().folder().down_request()).map_err(CommandError::failed)?;
    let (world, generation) = engine.observe().await.map_err(CommandError::failed)?;
    let stopped = Decision::Wait { operation: None, reason: "`quorate up` was stopped".into(), again: REST };
    let status = plan::status::describe(&world, &stopped, generation, engine.status(), Timestamp::now());
    engine.publish(status).await.map_err(CommandError::failed)
}
