//! What counts as the data of a member.

use std::{fs, path::Path};

/// Whether etcd's data folder holds both a write-ahead log and a database: without either, what the member promised to
/// its peers is lost.
pub fn data_present(data: &Path) -> bool {
    has_log(data) && data.join("member/snap/db").is_file()
}

/// Whether etcd's data folder holds a write-ahead log. etcd makes it after the database and before it speaks to peers.
pub fn has_log(data: &Path) -> bool {
    fs::read_dir(data.join("member/wal")).is_ok_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|entry| entry.path().extension().is_some_and(|ext| ext == "wal")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_the_log_and_the_database_have_to_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let member = folder.path().join("member");
        assert!(!data_present(folder.path()));
        fs::create_dir_all(member.join("wal")).unwrap();
        fs::create_dir_all(member.join("snap")).unwrap();
        fs::write(member.join("snap/db"), "x").unwrap();
        fs::write(member.join("wal/0.tmp"), "x").unwrap();
        assert!(!data_present(folder.path()), "a log that etcd only prepared is none");
        fs::write(member.join("wal/0-0.wal"), "x").unwrap();
        assert!(data_present(folder.path()));
        fs::remove_file(member.join("snap/db")).unwrap();
        assert!(!data_present(folder.path()) && has_log(folder.path()));
    }
}
