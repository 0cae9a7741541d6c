//! What people ask of a running cluster through files: a restart, a replacement, new authorities, an end.
//!
//! Each is a file beside the member, so that the command that writes it and the `up` that reads it never write the same
//! file. A restart holds its time and is done once the process is younger; a replacement goes with the member's folder.

use std::path::Path;

use jiff::Timestamp;

use super::{
    files::{self, FileError},
    folder::{Folder, MemberFolder},
};
use crate::plan::MemberName;

/// Asks for a restart of a member.
///
/// # Errors
/// When the folder is not writable.
pub fn restart(folder: &Folder, name: &MemberName, now: Timestamp) -> Result<(), FileError> {
    files::write(&folder.member(name).restart_request(), &format!("{now}\n"))
}

/// Asks to have a member replaced by a new one.
///
/// # Errors
/// When the folder is not writable.
pub fn replace(folder: &Folder, name: &MemberName, now: Timestamp) -> Result<(), FileError> {
    files::write(&folder.member(name).replace_request(), &format!("{now}\n"))
}

/// Asks for new certificate authorities.
///
/// # Errors
/// When the folder is not writable.
pub fn rotate_certificates(folder: &Folder, now: Timestamp) -> Result<(), FileError> {
    files::write(&folder.rotation_request(), &format!("{now}\n"))
}

/// Asks the running `up` to stop its members and end.
///
/// # Errors
/// When the folder is not writable.
pub fn down(folder: &Folder, now: Timestamp) -> Result<(), FileError> {
    files::write(&folder.down_request(), &format!("{now}\n"))
}

/// When a restart was asked for, last. A file that can't be read as a time asks for nothing.
pub(super) fn restart_requested(folder: &MemberFolder) -> Option<Timestamp> {
    moment(&folder.restart_request())
}

/// When new authorities were asked for, last.
pub(super) fn rotation_requested(folder: &Folder) -> Option<Timestamp> {
    moment(&folder.rotation_request())
}

fn moment(request: &Path) -> Option<Timestamp> {
    files::read(request).ok().flatten()?.trim().parse().ok()
}

/// Whether a member's process started after a moment and still runs.
pub fn restarted_since(folder: &Folder, name: &MemberName, asked: Timestamp) -> bool {
    let recorded = files::read_yaml::<super::child::ProcessId>(&folder.member(name).pid());
    recorded.ok().flatten().is_some_and(|process| process.since > asked && process.alive())
}
