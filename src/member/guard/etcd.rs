//! The etcd process that the guard starts, and how it ends.

use std::{
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::words::ASSIGNMENT;
use crate::member::Closing;

/// How long etcd gets to end by itself before it is killed. Kubernetes gives a Pod 30 s, of which the hand-over of the
/// leadership takes at most two.
const GRACE: Duration = Duration::from_secs(20);
/// How often is looked whether it has closed its data.
const LOOK: Duration = Duration::from_millis(20);

/// Starts etcd. It writes to the guard's own output.
///
/// # Errors
/// When the program can't be run.
pub(super) fn spawn(program: &Path, flags: &[String]) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    // A group of its own: Ctrl-C at a terminal is for the guard, which then stops etcd in order.
    command.args(flags).stdin(Stdio::null()).process_group(0).kill_on_drop(true).env_remove(ASSIGNMENT);
    // etcd ends with an error when a variable and a flag name the same thing, and a Service named etcd makes variables.
    for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETCD_")) {
        command.env_remove(variable);
    }
    command.spawn()
}

/// Ends etcd: SIGTERM, and SIGKILL once it has closed its data or when SIGTERM does not help. A second in which it only waits
/// for its peers to hang up is a second more until this member serves again.
pub(super) async fn end(child: &mut Child, data: &Path) {
    let closing = Closing::of(data);
    // The process was not waited for yet, so its pid can't be another's.
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
        && let Err(error) = kill_process(pid, Signal::TERM)
    {
        tracing::warn!(%error, "SIGTERM could not be sent to etcd");
    }
    let closed = async {
        while !closing.done() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        biased;
        _ = child.wait() => return,
        () = closed => tracing::info!("etcd has closed its data; what it still waits for is nothing to wait for"),
        () = tokio::time::sleep(GRACE) => {
            tracing::warn!("etcd did not end within {} s of SIGTERM and is killed", GRACE.as_secs());
        }
    }
    if let Err(error) = child.kill().await {
        tracing::warn!(%error, "etcd could not be killed");
    }
}

/// The exit code that stands for how etcd ended, as a shell gives it.
pub(super) fn code(status: ExitStatus) -> u8 {
    let signal = || status.signal().map(|signal| signal + 128);
    status.code().or_else(signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[tokio::test]
    async fn the_end_of_a_process_as_a_code() {
        for (script, expected) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)] {
            let flags = ["-c".to_owned(), script.to_owned()];
            let status = spawn(Path::new("/bin/sh"), &flags).unwrap().wait().await.unwrap();
            assert_eq!(code(status), expected, "{script}");
        }
        assert!(spawn(Path::new("/no/such/etcd"), &[]).is_err());
    }

    #[tokio::test]
    async fn what_has_closed_its_data_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (snap, deaf) = (folder.path().join("member/snap"), folder.path().join("deaf"));
        std::fs::create_dir_all(&snap).unwrap();
        let database = File::create(snap.join("db")).unwrap();
        let script = format!("trap '' TERM; : > {}; exec sleep 60", deaf.display());
        let mut child = spawn(Path::new("/bin/sh"), &["-c".to_owned(), script]).unwrap();
        while !deaf.exists() {
            tokio::time::sleep(LOOK).await;
        }
        const A_WHILE: Duration = Duration::from_millis(200);
        let early = tokio::time::timeout(A_WHILE, end(&mut child, folder.path())).await;
        assert!(early.is_err(), "a database that was never locked says nothing");
        database.lock().unwrap();
        let closes = async {
            tokio::time::sleep(A_WHILE).await;
            drop(database);
        };
        let began = std::time::Instant::now();
        tokio::join!(end(&mut child, folder.path()), closes);
        assert!((A_WHILE..GRACE).contains(&began.elapsed()), "{:?}", began.elapsed());
    }
}
