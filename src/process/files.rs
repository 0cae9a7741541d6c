//! Reading and writing the small files of a cluster's folder: whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::yaml;

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("{doing} {path} failed: {source}{hint}", path = path.display(), hint = hint(source))]
    Io {
        /// `reading`, `writing` and the like.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The content is not what it should be.
    #[error("{path} is damaged: {source}; restore it from a copy", path = path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: yaml::Error,
    },
    /// The content reads well and says what can't be.
    #[error("{path} is not valid: {problems}; restore it from a copy", path = path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problems: String,
    },
}

/// What a person can do about the errors that are not Quorate's to mend.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "; free some space on its file system, it goes on by itself then",
        io::ErrorKind::ReadOnlyFilesystem => "; mount the file system writable",
        io::ErrorKind::PermissionDenied => "; give the user that runs Quorate the right to it",
        _ => "",
    }
}

impl FileError {
    /// Wraps what the system said about a file.
    pub fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }
}

/// Writes a value as YAML so that a reader, or a crash, sees the old content or the new one and nothing between.
///
/// # Errors
/// When the file system refuses, or is full; the old content is still there then.
pub fn write_yaml<T: Serialize>(path: &Path, value: &T) -> Result<(), FileError> {
    let text =
        yaml::to_string(value).map_err(|source| FileError::Content { path: path.to_owned(), source })?;
    write(path, &text)
}

/// Writes a text like [`write_yaml`] does.
///
/// # Errors
/// The same.
pub fn write(path: &Path, text: &str) -> Result<(), FileError> {
    let fresh = path.with_extension("new");
    let write_out = || -> io::Result<()> {
        let mut file = File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        sync_parent(path)
    };
    write_out().map_err(|source| {
        // Half a file is worth nothing; that it can't be deleted either is no second error.
        let _ = fs::remove_file(&fresh);
        FileError::io("writing", path, source)
    })
}

/// A rename is durable only once its folder is.
fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Reads a file; `None` when it does not exist.
///
/// # Errors
/// When the file system refuses.
pub fn read(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::io("reading", path, error)),
    }
}

/// Reads a YAML file; `None` when it does not exist.
///
/// # Errors
/// When the file system refuses or the content is damaged.
pub fn read_yaml<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FileError> {
    let Some(text) = read(path)? else { return Ok(None) };
    let value =
        yaml::from_str(&text).map_err(|source| FileError::Content { path: path.to_owned(), source })?;
    Ok(Some(value))
}

/// Deletes a file that may be gone already.
///
/// # Errors
/// When the file system refuses.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::io("deleting", path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_and_a_missing_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.yaml");
        assert!(read_yaml::<Vec<String>>(&path).unwrap().is_none());
        write_yaml(&path, &vec!["a".to_owned(), "yes".to_owned()]).unwrap();
        assert_eq!(read_yaml::<Vec<String>>(&path).unwrap().unwrap(), ["a", "yes"]);
        remove(&path).unwrap();
        remove(&path).unwrap();
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.yaml");
        fs::write(&path, "serial: {").unwrap();
        let message = read_yaml::<crate::plan::Record>(&path).unwrap_err().to_string();
        assert!(message.contains("record.yaml is damaged") && message.contains("restore it"), "{message}");
    }
}
