//! The etcd programs of this machine: which version each is, and which one a member needs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;

use crate::plan::EtcdVersion;

/// How long a program may take to say its version; etcd takes 20 ms.
const PATIENCE: Duration = Duration::from_secs(10);

/// Programs by version.
#[derive(Debug, Clone, Default)]
pub struct Binaries {
    by_version: BTreeMap<EtcdVersion, PathBuf>,
}

/// Why a program can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// It can't be run.
    #[error("{path} cannot be run: {source}; give an etcd binary with --etcd", path = path.display())]
    NotRunnable {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It runs and is something else.
    #[error("{path} is not etcd: `--version` answered {answer:?}; give an etcd binary with --etcd", path = path.display())]
    NotEtcd {
        /// Which one.
        path: PathBuf,
        /// The first line it printed.
        answer: String,
    },
    /// It says nothing, like a program that waits for something.
    #[error("{path} is not etcd: `--version` did not end within {} s; give an etcd binary with --etcd", PATIENCE.as_secs(), path = path.display())]
    Silent {
        /// Which one.
        path: PathBuf,
    },
    /// It is an etcd that Quorate does not run.
    #[error("{path}: {source}; give another etcd binary with --etcd", path = path.display())]
    Unsupported {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: crate::plan::version::VersionError,
    },
    /// There is none.
    #[error(
        "no etcd binary was found: give one with --etcd PATH or QUORATE_ETCD, or put `etcd` into PATH \
         (scripts/etcd VERSION fetches one)"
    )]
    None,
}

impl Binaries {
    /// Asks each program for its version. Without any path, `etcd` in PATH is taken.
    ///
    /// # Errors
    /// When a path that was given can't be used, or none was given and PATH has no etcd.
    pub async fn find(paths: &[PathBuf]) -> Result<Self, BinaryError> {
        let mut by_version = BTreeMap::new();
        if paths.is_empty() {
            let path = in_path("etcd").ok_or(BinaryError::None)?;
            by_version.insert(version_of(&path).await?, path);
        }
        for path in paths {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            by_version.insert(version_of(&path).await?, path);
        }
        Ok(Self { by_version })
    }

    /// The program of exactly this version.
    pub fn get(&self, version: EtcdVersion) -> Option<&Path> {
        self.by_version.get(&version).map(PathBuf::as_path)
    }

    /// Whether programs are known, and none of this version.
    pub fn lacks(&self, version: EtcdVersion) -> bool {
        !self.by_version.is_empty() && self.get(version).is_none()
    }

    /// Why there is no program of this version, in words.
    pub fn missing(&self, version: EtcdVersion) -> String {
        let known: Vec<_> = self.by_version.keys().map(ToString::to_string).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        format!(
            "no etcd binary of version {version} is known (known: {known}); give one with --etcd PATH \
             (scripts/etcd {version} fetches it)"
        )
    }
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| is_program(file))
}

/// Whether a shell would run this file.
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Runs `etcd --version` and reads its first line, `etcd Version: 3.6.16`.
async fn version_of(path: &Path) -> Result<EtcdVersion, BinaryError> {
    let output = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, output)
        .await
        .map_err(|_| BinaryError::Silent { path: path.to_owned() })?
        .map_err(|source| BinaryError::NotRunnable { path: path.to_owned(), source })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let first = text.lines().next().unwrap_or_default();
    let version = first.strip_prefix("etcd Version: ").ok_or_else(|| BinaryError::NotEtcd {
        path: path.to_owned(),
        answer: crate::plan::evidence::shorten(first),
    })?;
    version.trim().parse().map_err(|source| BinaryError::Unsupported { path: path.to_owned(), source })
}
