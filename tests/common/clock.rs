//! A wrong clock for `quorate up`: libfaketime, of the Debian package `faketime`, between the program and libc. etcd is a
//! static program, which never loads it and keeps the right clock.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

/// Where distributions keep the library, and its name for programs of several threads.
const FOLDERS: [&str; 4] =
    ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// A clock that can be set while those who read it run.
pub struct Clock {
    library: PathBuf,
    folder: TempDir,
}

impl Clock {
    /// A right clock; `None` where the library is missing.
    pub fn find() -> Option<Self> {
        let library =
            FOLDERS.iter().map(|folder| PathBuf::from(folder).join(LIBRARY)).find(|one| one.exists())?;
        let clock = Self { library, folder: tempfile::tempdir().unwrap() };
        clock.set(0);
        Some(clock)
    }

    /// Sets it this many seconds ahead of the right one, or behind.
    pub fn set(&self, offset: i64) {
        // Whole or not at all: it may be read at any moment.
        let fresh = self.folder.path().join("new");
        fs::write(&fresh, format!("{offset:+}")).unwrap();
        fs::rename(fresh, self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }

    /// What a program has to be started with to go by it.
    pub fn environment(&self) -> Vec<(String, String)> {
        let set = |name: &str, value: String| (name.to_owned(), value);
        vec![
            set("LD_PRELOAD", self.library.display().to_string()),
            set("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            set("FAKETIME_NO_CACHE", "1".into()),
            // What waits for a time to pass goes by another clock, which nobody sets.
            set("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            set("NO_FAKE_STAT", "1".into()),
        ]
    }
}
