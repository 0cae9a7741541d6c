//! `quorate scale`: edits the size in the manifest; the running `up` does the rest.

use super::{
    Dir, WaitArgs,
    exit::{self, CommandError, ExitCode},
    manifest as manifest_file, wait,
};
use crate::{
    api::manifest,
    plan::{ClusterSize, status::ClusterStatus},
    process::{files, folder::Folder, lock::Lock},
};

pub(super) async fn run(dir: &Dir, size: i64, args: &WaitArgs) -> Result<(), CommandError> {
    let folder = Folder::new(&dir.dir);
    let wanted = ClusterSize::new(size)
        .map_err(|error| CommandError::new(ExitCode::Refused, format!("spec.size: {error}")))?;
    let path = folder.manifest();
    let text = files::read(&path).map_err(CommandError::failed)?.ok_or_else(|| {
        let root = folder.root().display();
        CommandError::new(
            ExitCode::NotFound,
            format!("there is no cluster in {root}: name its folder with --dir"),
        )
    })?;
    let before = manifest_file::parse(&text, &path)?;
    let edited = manifest::with_size(&text, size)
        .map_err(|error| CommandError::new(ExitCode::Refused, error.to_string()))?;
    if args.wait && !Lock::is_held(&folder) {
        return Err(wait::not_running(&folder));
    }
    // Read before the edit: only a status of a later spec speaks of it.
    let noticed = files::read_yaml::<ClusterStatus>(&folder.status())
        .ok()
        .flatten()
        .and_then(|s| s.observed_generation);
    files::write(&path, &edited).map_err(CommandError::failed)?;
    exit::print(&format!("cluster {}: size {} → {wanted}\n", before.name, before.spec.size))?;
    if !args.wait {
        if !Lock::is_held(&folder) {
            exit::print("`quorate up` does not run; it acts on this when it is started\n")?;
        }
        return Ok(());
    }
    let members = i64::try_from(wanted.get()).unwrap_or_default();
    let same = edited == text;
    wait::until(&folder, args, |status| {
        (same || status.observed_generation > noticed) && status.size == members && status.is("Ready")
    })
    .await
}
