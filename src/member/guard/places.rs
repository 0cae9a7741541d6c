//! Where the guard keeps what it knows: marks on the member's volume and in its Pod.

use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use super::judge::{Owner, VolumeMark};
use crate::{
    member::data_present,
    plan::Admission,
    process::files::{self, FileError},
};

/// The two folders of a member.
#[derive(Debug, Clone)]
pub struct Places {
    volume: PathBuf,
    pod: PathBuf,
}

impl Places {
    /// Names the member's volume, and the folder that lives as long as its Pod.
    pub fn new(volume: &Path, pod: &Path) -> Self {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { volume: absolute(volume), pod: absolute(pod) }
    }

    /// etcd's data folder.
    pub fn data(&self) -> PathBuf {
        self.volume.join("data")
    }

    /// Where snapshots of the data are kept.
    pub fn snapshots(&self) -> PathBuf {
        self.volume.join("snapshots")
    }

    fn volume_mark(&self) -> PathBuf {
        self.volume.join("quorate.json")
    }

    fn pod_mark(&self) -> PathBuf {
        self.pod.join("started")
    }

    fn admission(&self) -> PathBuf {
        self.pod.join("admission.json")
    }

    /// Whether there is data now.
    pub fn present(&self) -> bool {
        data_present(&self.data())
    }

    /// Whose volume it is.
    pub fn owner(&self) -> Owner {
        match read_json(&self.volume_mark()) {
            Ok(None) => Owner::Unmarked,
            Ok(Some(mark)) => Owner::Marked(mark),
            Err(why) => Owner::Unreadable(format!(
                "{why}; it says whose volume this is, so put it back or bind another volume"
            )),
        }
    }

    /// Whether etcd was started before in this Pod. A mark that can't be looked for counts as one.
    pub fn started_in_pod(&self) -> bool {
        self.pod_mark().try_exists().unwrap_or(true)
    }

    /// How the member enters the cluster, as it was told earlier in this Pod.
    pub fn saved_admission(&self) -> Option<Admission> {
        read_json(&self.admission()).unwrap_or_else(|why| {
            tracing::warn!("{why}; the member waits until it is told again");
            None
        })
    }

    /// Keeps how the member enters the cluster.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn save_admission(&self, admission: &Admission) -> Result<(), FileError> {
        write_json(&self.admission(), admission)
    }

    /// Marks that etcd is about to be started: from now on an empty folder is lost data.
    ///
    /// # Errors
    /// When a mark can't be written.
    pub fn mark(&self, mark: &VolumeMark) -> Result<(), FileError> {
        if self.owner() != Owner::Marked(mark.clone()) {
            write_json(&self.volume_mark(), mark)?;
        }
        match self.started_in_pod() {
            true => Ok(()),
            false => files::write(&self.pod_mark(), ""),
        }
    }

    /// Takes both marks back.
    ///
    /// # Errors
    /// When one can't be deleted.
    pub fn unmark(&self) -> Result<(), FileError> {
        files::remove(&self.volume_mark())?;
        files::remove(&self.pod_mark())
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, String> {
    let text = files::read(path).map_err(|error| error.to_string())?;
    let read = |text: String| serde_json::from_str(&text);
    text.map(read).transpose().map_err(|error| format!("{} is damaged: {error}", path.display()))
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), FileError> {
    let text = serde_json::to_string(value)
        .map_err(|error| FileError::io("writing", path, std::io::Error::other(error)))?;
    files::write(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ClusterState, MemberName};

    #[test]
    fn marks_are_written_read_and_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let (volume, pod) = (folder.path().join("volume"), folder.path().join("pod"));
        for one in [&volume, &pod] {
            std::fs::create_dir(one).unwrap();
        }
        let places = Places::new(&volume, &pod);
        assert_eq!((places.owner(), places.started_in_pod()), (Owner::Unmarked, false));
        let mark = VolumeMark { name: MemberName("demo-a".into()), uid: "u-1".into(), started: true };
        places.mark(&mark).unwrap();
        assert_eq!((places.owner(), places.started_in_pod()), (Owner::Marked(mark.clone()), true));
        std::fs::write(volume.join("quorate.json"), "{").unwrap();
        assert!(matches!(places.owner(), Owner::Unreadable(why) if why.contains("quorate.json is damaged")));
        places.unmark().unwrap();
        assert_eq!((places.owner(), places.started_in_pod()), (Owner::Unmarked, false));
        std::fs::remove_dir(&volume).unwrap();
        let error = places.mark(&mark).unwrap_err().to_string();
        assert!(error.starts_with("writing ") && error.contains("quorate.json"), "{error}");
    }

    #[test]
    fn an_admission_comes_back_and_a_damaged_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::new(folder.path(), folder.path());
        assert_eq!(places.saved_admission(), None);
        let admission = Admission {
            state: ClusterState::Existing,
            initial_cluster: Vec::new(),
            token: "t".into(),
            id: None,
        };
        places.save_admission(&admission).unwrap();
        assert_eq!(places.saved_admission(), Some(admission));
        std::fs::write(folder.path().join("admission.json"), "nonsense").unwrap();
        assert_eq!(places.saved_admission(), None);
    }
}
