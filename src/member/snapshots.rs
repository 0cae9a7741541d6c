//! Snapshots of the data that are kept from before a change of the minor version: one file for each version it led to.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;

use crate::{
    etcd::{
        Credentials,
        snapshot::{self, SnapshotError},
    },
    plan::{Snapshot, SnapshotState, version::Minor},
};

/// A folder of snapshots, and what is known of those that were begun. Lost with its owner: then only whole files count.
#[derive(Debug)]
pub struct Snapshots {
    folder: PathBuf,
    begun: Mutex<BTreeMap<Minor, SnapshotState>>,
}

impl Snapshots {
    /// Names the folder; it is made with the first snapshot.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, begun: Mutex::default() }
    }

    fn path(&self, to: Minor) -> PathBuf {
        self.folder.join(format!("before-{to}.db"))
    }

    /// Takes a snapshot through the member at `client_url`, beside whatever else is done. While one is taken, another is
    /// not begun.
    pub fn begin(self: &Arc<Self>, client_url: String, credentials: Credentials, to: Minor) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.insert(to, SnapshotState::Running) == Some(SnapshotState::Running) {
            return;
        }
        drop(begun);
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let saved = snapshot::save(&client_url, &credentials, &this.path(to)).await;
            this.note(to, saved);
        });
    }

    fn note(&self, to: Minor, saved: Result<u64, SnapshotError>) {
        let path = self.path(to);
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        match saved {
            Ok(bytes) => {
                tracing::info!(path = %path.display(), bytes, "the snapshot is taken");
                begun.remove(&to);
            }
            Err(error) => {
                tracing::warn!(%error, "the snapshot is not taken");
                let why = error.to_string();
                begun.insert(to, SnapshotState::Failed { at: Timestamp::now(), why });
            }
        }
    }

    /// Those that are being taken, failed, or lie in the folder.
    pub fn seen(&self) -> Vec<Snapshot> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = |to: Minor| {
            let modified = fs::metadata(self.path(to)).and_then(|meta| meta.modified()).ok()?;
            Some(SnapshotState::Taken { at: Timestamp::try_from(modified).ok()? })
        };
        Minor::ALL
            .into_iter()
            .filter_map(|to| Some(Snapshot { to, state: begun.get(&to).cloned().or_else(|| kept(to))? }))
            .collect()
    }
}
