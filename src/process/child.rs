//! The processes behind the members: whose they are, whether they live, how they are told to end.
//!
//! A process is known by its pid, its start time and the boot it belongs to, so that a reused pid is never taken for a
//! member.

use std::{fs, io, path::Path};

use jiff::Timestamp;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// One process, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessId {
    /// Its pid.
    pub pid: i32,
    /// When it started, in clock ticks since the machine booted: field 22 of `/proc/<pid>/stat`.
    pub start_ticks: u64,
    /// The boot it belongs to.
    pub boot: String,
    /// When it started, for people and for comparing with requests.
    pub since: Timestamp,
}

impl ProcessId {
    /// Looks at a process that was just started or found.
    ///
    /// # Errors
    /// When there is none of that pid.
    pub fn of(pid: i32, since: Timestamp) -> io::Result<Self> {
        let start_ticks = start_ticks(pid).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Self { pid, start_ticks, boot: boot_id(), since })
    }

    /// A process that ended before it could be looked at.
    pub fn ended(pid: i32, since: Timestamp) -> Self {
        Self { pid, start_ticks: 0, boot: String::new(), since }
    }

    /// Whether it still runs. A zombie does not.
    pub fn alive(&self) -> bool {
        self.boot == boot_id() && start_ticks(self.pid) == Some(self.start_ticks)
    }

    /// Sends a signal to this very process; a process that ended is no error.
    ///
    /// # Errors
    /// When the system refuses for another reason.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(()) };
        // The descriptor is opened first and checked after: from then on the pid can't change its meaning.
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if !self.alive() {
            return Ok(());
        }
        match pidfd_send_signal(process, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Finds the process that runs etcd on this data folder, whoever started it. A crash between starting a process and
/// writing its pid down must not leave one that nobody knows.
pub fn find_by_data_folder(data: &Path) -> Option<i32> {
    let flag = data_flag(data);
    let processes = fs::read_dir("/proc").ok()?;
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| start_ticks(*pid).is_some())
        .find(|pid| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.split(|byte| *byte == 0).any(|argument| argument == flag.as_bytes()))
        })
}

/// The flag by which a member's process is recognised.
fn data_flag(data: &Path) -> String {
    format!("--data-dir={}", data.display())
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// The start time of a living process; `None` when there is none or it is a zombie.
fn start_ticks(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may hold anything, so count from the last bracket.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_itself_and_no_other() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let one = ProcessId::of(pid, Timestamp::UNIX_EPOCH).unwrap();
        assert!(one.alive());
        let reused = ProcessId { start_ticks: one.start_ticks + 1, ..one.clone() };
        assert!(!reused.alive(), "another start time is another process");
        reused.signal(Signal::KILL).unwrap();
        assert!(one.alive(), "a signal for the former owner of the pid reaches nobody");
        let before_boot = ProcessId { boot: "another".into(), ..one.clone() };
        assert!(!before_boot.alive());
        one.signal(Signal::KILL).unwrap();
        child.wait().unwrap();
        assert!(!one.alive());
        one.signal(Signal::KILL).unwrap();
    }

    #[test]
    fn a_process_is_found_by_its_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(find_by_data_folder(folder.path()), None);
        let flag = data_flag(folder.path());
        let mut child = std::process::Command::new("sh").args(["-c", "sleep 60; :", &flag]).spawn().unwrap();
        let pid = i32::try_from(child.id()).ok();
        // Between its fork and its exec, a child still has the command line of its parent.
        let found = (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            find_by_data_folder(folder.path()) == pid
        });
        assert!(found, "{pid:?}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
