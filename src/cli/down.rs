//! `quorate down`: the members stop; their data stays unless it is to be wiped.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Dir,
    exit::{self, CommandError, ExitCode},
};
use crate::process::{
    ProcessPlatform,
    binaries::Binaries,
    folder::Folder,
    lock::{Lock, LockError},
    requests, setup,
};

/// How long the running `up` gets to stop its members; each of nine may take its whole grace.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(100);

pub(super) async fn run(dir: &Dir, wipe: bool) -> Result<(), CommandError> {
    let folder = Folder::new(&dir.dir);
    if !folder.record().exists() && !folder.members().exists() {
        let root = folder.root().display();
        return Err(CommandError::new(
            ExitCode::NotFound,
            format!("there is no cluster in {root}: name its folder with --dir"),
        ));
    }
    if Lock::is_held(&folder) {
        requests::down(&folder, Timestamp::now()).map_err(CommandError::failed)?;
    }
    let _lock = take_lock(&folder).await?;
    // `up` may have been killed before: then its members still run.
    let platform = ProcessPlatform::new(folder.clone(), Binaries::default(), 0);
    platform.stop_all().await.map_err(CommandError::failed)?;
    if wipe {
        setup::wipe(&folder).map_err(CommandError::failed)?;
        return exit::print("the members are stopped and deleted with their data; cluster.yaml stays\n");
    }
    exit::print("the members are stopped; their data stays, and `quorate up` starts them again\n")
}

async fn take_lock(folder: &Folder) -> Result<Lock, CommandError> {
    let waiting = async {
        loop {
            match Lock::take(folder) {
                Err(LockError::Held { .. }) => tokio::time::sleep(LOOK).await,
                result => return result,
            }
        }
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(result) => result.map_err(CommandError::failed),
        Err(_) => {
            Err(CommandError::new(ExitCode::TimedOut, "`quorate up` did not end in time; look at its log"))
        }
    }
}
