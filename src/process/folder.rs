//! Where everything of a cluster lies on one machine. The folder is the whole truth.

use std::path::{Path, PathBuf};

use crate::plan::{MemberName, Side};

/// The folder of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Names the folder; it need not exist yet. The path is made absolute: members are recognised by it.
    pub fn new(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        Self { root: std::path::absolute(root).unwrap_or_else(|_| root.to_owned()) }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The manifest: the document that people and `quorate scale` edit.
    pub fn manifest(&self) -> PathBuf {
        self.root.join("cluster.yaml")
    }

    /// The status, written by the running `up`.
    pub fn status(&self) -> PathBuf {
        self.root.join("status.yaml")
    }

    /// The facts that can't be observed again.
    pub fn record(&self) -> PathBuf {
        self.root.join("record.yaml")
    }

    /// Locked by the running `up`.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// There while somebody asks the running `up` to stop its members and end.
    pub fn down_request(&self) -> PathBuf {
        self.root.join("down.request")
    }

    /// There once a person asked for new certificate authorities; holds the time.
    pub fn rotation_request(&self) -> PathBuf {
        self.root.join("rotate-certificates.request")
    }

    /// Where snapshots of the data are kept from before a change of the minor version.
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// The certificates for people and their programs.
    pub fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }

    /// The authorities of one side.
    pub fn authorities(&self, side: Side) -> PathBuf {
        self.tls().join("authorities").join(side.name())
    }

    /// The parent of all members.
    pub fn members(&self) -> PathBuf {
        self.root.join("members")
    }

    /// The folder of one member.
    pub fn member(&self, name: &MemberName) -> MemberFolder {
        MemberFolder { root: self.members().join(&name.0) }
    }
}

/// The folder of one member: one incarnation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberFolder {
    root: PathBuf,
}

impl MemberFolder {
    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What is recorded of the member.
    pub fn file(&self) -> PathBuf {
        self.root.join("member.yaml")
    }

    /// etcd's data folder.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The member's certificate of one side, with its key.
    pub fn certificate(&self, side: Side) -> PathBuf {
        self.root.join("tls").join(side.name())
    }

    /// The certificates of the authorities that the member's process was started to trust on one side.
    pub fn trust(&self, side: Side) -> PathBuf {
        self.root.join("tls").join(format!("{side}-ca.crt"))
    }

    /// etcd's log; etcd rotates it.
    pub fn log(&self) -> PathBuf {
        self.root.join("etcd.log")
    }

    /// What etcd prints before its log is open, and panics.
    pub fn stderr(&self) -> PathBuf {
        self.root.join("stderr.log")
    }

    /// The process that runs for it.
    pub fn pid(&self) -> PathBuf {
        self.root.join("pid")
    }

    /// There once a person asked for a restart; holds the time.
    pub fn restart_request(&self) -> PathBuf {
        self.root.join("restart.request")
    }

    /// There once a person asked to have the member replaced.
    pub fn replace_request(&self) -> PathBuf {
        self.root.join("replace.request")
    }

    /// Whether etcd's data folder holds what the member promised to its peers.
    pub fn data_present(&self) -> bool {
        crate::member::data_present(&self.data())
    }
}
