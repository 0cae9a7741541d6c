//! Preparing a folder for `up`: a new cluster, or one that is there.

use std::fs;

use super::{
    ProcessError,
    files::{self, FileError},
    folder::Folder,
    observe,
    state::RecordFile,
};
use crate::{api::manifest::Manifest, plan::Record};

/// Makes the folder and its record, unless they are there. A record under which no name was given out yet stands for
/// nothing, so a manifest that was corrected in the meantime takes its place.
///
/// # Errors
/// When the file system refuses, or the folder has members and no record of them.
pub fn prepare(folder: &Folder, manifest: &Manifest) -> Result<RecordFile, ProcessError> {
    let members = folder.members();
    fs::create_dir_all(&members).map_err(|error| FileError::io("creating", &members, error))?;
    clear_debris(folder)?;
    let found = files::read_yaml::<RecordFile>(&folder.record())?;
    let none_exists = observe::member_names(folder)?.is_empty();
    if let Some(record) = found.filter(|found| found.record != Record::default() || !none_exists) {
        return Ok(record);
    }
    if !none_exists {
        return Err(ProcessError::RecordMissing(folder.record().display().to_string()));
    }
    let record = RecordFile {
        name: manifest.name.clone(),
        uid: uuid::Uuid::new_v4().to_string(),
        generation: 1,
        spec: manifest.spec.clone(),
        record: Record::default(),
    };
    files::write_yaml(&folder.record(), &record)?;
    Ok(record)
}

/// Deletes what a crash left half made or half deleted: names with a leading dot.
pub(super) fn clear_debris(folder: &Folder) -> Result<(), FileError> {
    let path = folder.members();
    let entries = fs::read_dir(&path).map_err(|error| FileError::io("reading", &path, error))?;
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with('.')) {
        let debris = entry.path();
        fs::remove_dir_all(&debris).map_err(|error| FileError::io("deleting", &debris, error))?;
    }
    Ok(())
}

/// Deletes everything but the manifest. Only while nothing runs.
///
/// # Errors
/// When the file system refuses.
pub fn wipe(folder: &Folder) -> Result<(), FileError> {
    for path in [folder.members(), folder.snapshots(), folder.tls()] {
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(FileError::io("deleting", &path, error));
            }
            _ => {}
        }
    }
    // The record goes last: as long as members are there it says whose they are.
    for path in [folder.status(), folder.down_request(), folder.record()] {
        files::remove(&path)?;
    }
    Ok(())
}
