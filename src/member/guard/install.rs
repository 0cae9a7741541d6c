//! Bringing the program into a Pod whose image is etcd's own: an init container copies it.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// The running program, also when its file was replaced meanwhile.
const SELF: &str = "/proc/self/exe";

/// The program could not be copied.
#[derive(Debug, thiserror::Error)]
#[error("the program could not be copied to {path}: {source}; give a folder that exists and is writable", path = path.display())]
pub struct InstallError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Copies the running program to `quorate` in a folder; it appears there whole or not at all.
///
/// # Errors
/// When the file system refuses.
pub fn install(folder: &Path) -> Result<PathBuf, InstallError> {
    let path = folder.join("quorate");
    let fresh = folder.join(".quorate.new");
    let copy = || -> io::Result<()> {
        fs::copy(SELF, &fresh)?;
        fs::set_permissions(&fresh, Permissions::from_mode(0o755))?;
        File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, &path)
    };
    match copy() {
        Ok(()) => Ok(path),
        Err(source) => {
            // Half a program is worth nothing; that it can't be deleted either is no second error.
            let _ = fs::remove_file(&fresh);
            Err(InstallError { path, source })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_appears_whole() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let path = install(folder.path()).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
            assert_eq!(fs::metadata(&path).unwrap().len(), fs::metadata(SELF).unwrap().len());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = install(&folder.path().join("missing")).unwrap_err().to_string();
        assert!(error.contains("missing/quorate: No such file"), "{error}");
    }
}
