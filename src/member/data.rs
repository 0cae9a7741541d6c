//! What counts as the data of a member.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
};

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

/// Tells when an etcd that is about to be stopped has closed its data.
///
/// When etcd stops, it closes its database after its log and everything else that it writes (`Cleanup` in
/// `etcdserver/server.go` of 3.5 to 3.7), and then lingers for up to a second until its peers have hung up (`Close` in
/// `embed/etcd.go`). It locks its database as long as that is open.
#[derive(Debug)]
pub struct Closing<'d> {
    data: &'d Path,
    locked: bool,
}

impl<'d> Closing<'d> {
    /// Looks at the data folder of an etcd that was not told to stop yet.
    pub fn of(data: &'d Path) -> Self {
        Self { data, locked: database_open(data) }
    }

    /// Whether it has. Where the database was not locked before, that nobody has it locked now says nothing.
    pub fn done(&self) -> bool {
        self.locked && !database_open(self.data)
    }
}

fn database_open(data: &Path) -> bool {
    let locked = File::open(data.join("member/snap/db")).map(|database| database.try_lock_shared());
    matches!(locked, Ok(Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_open_as_long_as_it_is_locked() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!database_open(folder.path()), "there is none");
        let snap = folder.path().join("member/snap");
        fs::create_dir_all(&snap).unwrap();
        let database = File::create(snap.join("db")).unwrap();
        assert!(!database_open(folder.path()));
        assert!(!Closing::of(folder.path()).done(), "what was never locked says nothing");
        database.lock().unwrap();
        assert!(database_open(folder.path()));
        let closing = Closing::of(folder.path());
        assert!(!closing.done());
        drop(database);
        assert!(closing.done());
        assert!(!database_open(folder.path()) && !database_open(folder.path()), "looking leaves no lock");
    }

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
