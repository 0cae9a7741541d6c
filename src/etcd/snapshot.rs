//! A snapshot of a member's data in a file, as `etcdctl snapshot save` makes it: the database, and its SHA-256 behind it.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use ring::digest;

use super::{Call, Credentials, Failure, connection::Connection};

/// How long the hash behind the database is, in bytes.
const HASH: usize = digest::SHA256_OUTPUT_LEN;

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The member did not give it.
    #[error(transparent)]
    Etcd(#[from] Failure),
    /// What came is not what the member sent.
    #[error("the snapshot that {member} sent is damaged: its hash does not fit; it is taken again")]
    Damaged {
        /// The URL of the member.
        member: String,
    },
    /// It would take the room that the member itself needs.
    #[error(
        "the snapshot has {needed} bytes, and {path} has {free} bytes left: it is not taken while less than twice its size \
         is free; make room there", path = path.display()
    )]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// How large the snapshot is.
        needed: u64,
        /// How much is left.
        free: u64,
    },
    /// It can't be kept.
    #[error("the snapshot cannot be written to {path}: {source}; make room there", path = path.display())]
    NotKept {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Takes a snapshot through the member at `client_url` and keeps it at `path`, whole or not at all. An older file of that
/// name is replaced. Gives its size in bytes.
///
/// # Errors
/// When the member does not send it to the end, the hash does not fit, or the file can't be written.
pub async fn save(client_url: &str, credentials: &Credentials, path: &Path) -> Result<u64, SnapshotError> {
    let fresh = path.with_extension("part");
    let written = write(client_url, credentials, &fresh).await;
    let kept = |source| SnapshotError::NotKept { path: path.to_owned(), source };
    let result = written.and_then(|bytes| fs::rename(&fresh, path).map(|()| bytes).map_err(kept));
    if result.is_err() {
        // Half a snapshot is worth nothing; that it can't be deleted either is no second error.
        let _ = fs::remove_file(&fresh);
    }
    result
}

async fn write(client_url: &str, credentials: &Credentials, path: &Path) -> Result<u64, SnapshotError> {
    let kept = |source| SnapshotError::NotKept { path: path.to_owned(), source };
    let failed = |error: &etcd_client::Error| Failure::of_client(Call::Snapshot, client_url, error);
    let patience: Duration = Call::Snapshot.deadline();
    let silent = |_| Failure::no_answer(Call::Snapshot, client_url);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(kept)?;
    }
    let mut file = File::create(path).map_err(kept)?;
    let mut connection = Connection::lazy(client_url, credentials).await.map_err(|error| failed(&error))?;
    let asked = tokio::time::timeout(patience, connection.maintenance.snapshot()).await.map_err(silent)?;
    let mut stream = asked.map_err(|error| failed(&error))?;
    let mut hashed = digest::Context::new(&digest::SHA256);
    // What may still be the hash is not part of what is hashed.
    let mut tail = Vec::new();
    let mut bytes: u64 = 0;
    while let Some(part) = tokio::time::timeout(patience, stream.message())
        .await
        .map_err(silent)?
        .map_err(|error| failed(&error))?
    {
        if bytes == 0 {
            check_room(path, part.blob().len() as u64 + part.remaining_bytes())?;
        }
        file.write_all(part.blob()).map_err(kept)?;
        bytes += part.blob().len() as u64;
        tail.extend_from_slice(part.blob());
        let sure: Vec<u8> = tail.drain(..tail.len().saturating_sub(HASH)).collect();
        hashed.update(&sure);
    }
    if hashed.finish().as_ref() != tail {
        return Err(SnapshotError::Damaged { member: client_url.to_owned() });
    }
    let synced = tokio::task::spawn_blocking(move || file.sync_all()).await;
    synced.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into())).map_err(kept)?;
    Ok(bytes)
}

/// A full disk would end the member whose disk it is. Where the room can't be told, the write will.
fn check_room(file: &Path, needed: u64) -> Result<(), SnapshotError> {
    let folder = file.parent().unwrap_or(file);
    let Ok(stat) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free >= needed.saturating_mul(2) {
        return Ok(());
    }
    Err(SnapshotError::NoRoom { path: folder.to_owned(), needed, free })
}
