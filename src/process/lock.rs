//! One `up` a folder: the lock that the running one holds.

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    time::Duration,
};

use super::{files::FileError, folder::Folder};

/// Held as long as it lives; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a folder can't be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another one runs.
    #[error(
        "another `quorate up` runs on {folder} (process {holder}); stop it with `quorate down --dir {folder}`, or choose \
         another folder with --dir"
    )]
    Held {
        /// Which folder.
        folder: String,
        /// The pid that stands in the lock.
        holder: String,
    },
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Lock {
    /// Takes the lock of a folder, or says who has it.
    ///
    /// # Errors
    /// When another process holds it, or the folder is not writable.
    pub fn take(folder: &Folder) -> Result<Self, LockError> {
        let path = folder.lock();
        let refused = |source| FileError::io("opening", &path, source);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(refused)?;
        match patiently(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The pid is a courtesy; without it the message still says what is wrong.
                let _ = file.read_to_string(&mut holder);
                let folder = folder.root().display().to_string();
                return Err(LockError::Held { folder, holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(refused(source).into()),
        }
        let write_pid = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write_pid(&mut file).map_err(|source| FileError::io("writing", &path, source))?;
        Ok(Self { _file: file })
    }

    /// Whether an `up` holds the lock of a folder now.
    pub fn is_held(folder: &Folder) -> bool {
        let Ok(file) = File::open(folder.lock()) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

/// Tries for a moment: a command that looks whether `up` runs holds the lock for as long as it looks.
fn patiently(file: &File) -> Result<(), TryLockError> {
    for _ in 0..5 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            result => return result,
        }
    }
    file.try_lock()
}
