//! Several small files that change together or not at all, by the same means as the kubelet's for Secrets: each name is a
//! link into a folder, and the one link to that folder is exchanged.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink},
    path::Path,
};

use crate::process::files::FileError;

/// The link that is exchanged.
const CURRENT: &str = "..data";

/// Writes the files of a folder, so that a reader who opens them one after the other sees all of them old or all of them
/// new. Only their owner may read them.
pub(super) fn write(folder: &Path, files: &[(&str, &str)]) -> Result<(), FileError> {
    write_out(folder, files).map_err(|error| FileError::io("writing", folder, error))
}

fn write_out(folder: &Path, files: &[(&str, &str)]) -> io::Result<()> {
    private_folder(folder)?;
    let stale: Vec<_> = versions(folder)?;
    let fresh = format!("..{}", stale.iter().map(|(number, _)| number + 1).max().unwrap_or_default());
    private_folder(&folder.join(&fresh))?;
    for (name, text) in files {
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o400)
            .open(folder.join(&fresh).join(name))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
    }
    let swap = folder.join("..swap");
    let _ = fs::remove_file(&swap);
    symlink(&fresh, &swap)?;
    fs::rename(&swap, folder.join(CURRENT))?;
    for (name, _) in files {
        let link = folder.join(name);
        if !link.is_symlink() {
            // Somebody put a file of their own there, or nothing is there.
            let _ = fs::remove_file(&link);
            symlink(Path::new(CURRENT).join(name), link)?;
        }
    }
    File::open(folder)?.sync_all()?;
    for (_, old) in stale {
        // What nobody reads any more does no harm if it stays.
        let _ = fs::remove_dir_all(folder.join(old));
    }
    Ok(())
}

/// The folders that were made for former contents, with their numbers.
fn versions(folder: &Path) -> io::Result<Vec<(u64, String)>> {
    let names = fs::read_dir(folder)?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.filter_map(|name| Some((name.strip_prefix("..")?.parse().ok()?, name))).collect())
}

/// A folder that only its owner may look into.
pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn all_files_change_together_and_only_their_owner_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("tls");
        for round in 0..3 {
            let text = format!("round {round}");
            write(&folder, &[("tls.crt", &text), ("tls.key", &text)]).unwrap();
            for name in ["tls.crt", "tls.key"] {
                assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), text);
                let mode = fs::metadata(folder.join(name)).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o400);
            }
            assert_eq!(versions(&folder).unwrap().len(), 1, "former contents are gone");
        }
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
