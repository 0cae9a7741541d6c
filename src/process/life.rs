//! What the running `up` knows of a member's process beyond the files: how often it ended, and what kept it from
//! starting. Lost with `up`, and then merely counted anew.

use std::{path::Path, time::Duration};

use jiff::Timestamp;

use super::{child::ProcessId, folder::MemberFolder, state::MemberFile};
use crate::plan::{Process, elapsed};

/// A process that ran this long before it ended is not in a crash loop.
const STEADY: Duration = Duration::from_secs(30);
/// How much of a log's end is read for the last words.
const TAIL: u64 = 16 * 1024;

/// What is known of one member's process.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// The process that runs or ran last.
    pub(super) process: Option<ProcessId>,
    /// How often it ended in a row.
    failures: u32,
    /// When it ended last.
    ended: Option<Timestamp>,
    /// Whether its end was asked for.
    pub(super) stopping: bool,
    /// Whether this `up` started it for the first time in its life, and its data was not seen since.
    pub(super) unproven: bool,
    /// What kept it from starting.
    pub(super) blocked: Option<(String, Timestamp)>,
}

impl Life {
    /// A member whose process was found, or is not there.
    pub(super) fn of(process: Option<ProcessId>) -> Self {
        Self { process, ..Self::default() }
    }

    /// Takes notice of the process's end, once. Answers whether its first start failed before it made any data: then
    /// it never promised anything to anybody, and may be started on an empty folder again.
    pub(super) fn notice_end(&mut self, now: Timestamp, data_present: bool) -> bool {
        let Some(process) = self.process.as_ref().filter(|process| !process.alive()) else {
            self.unproven &= !data_present;
            return false;
        };
        self.failures = match (self.stopping, elapsed(process.since, now) >= STEADY) {
            (true, _) => 0,
            (_, true) => 1,
            _ => self.failures + 1,
        };
        self.ended = Some(now);
        self.process = None;
        self.stopping = false;
        std::mem::take(&mut self.unproven) && !data_present
    }

    /// What happened before says nothing about a member that is made from another recipe: it starts at once.
    pub(super) fn begin_anew(&mut self) {
        self.failures = 0;
        self.blocked = None;
    }

    /// The state of the process in the words of the plan.
    pub(super) fn state(&self, folder: &MemberFolder, file: &MemberFile) -> Process {
        if let Some(process) = &self.process {
            return Process::Running { since: process.since };
        }
        if let Some((why, at)) = &self.blocked {
            return Process::Blocked { why: why.clone(), at: *at };
        }
        if !file.started && self.ended.is_none() {
            return Process::NotStarted;
        }
        Process::Exited {
            at: self.ended.unwrap_or(Timestamp::UNIX_EPOCH),
            failures: self.failures,
            last_words: if self.failures == 0 { String::new() } else { last_words(folder) },
        }
    }
}

/// The last lines of what a member's etcd said: panics and flag errors come after the log, so they go last.
fn last_words(folder: &MemberFolder) -> String {
    let mut text = tail(&folder.log());
    let errors = tail(&folder.stderr());
    let errors = without_boilerplate(&errors);
    if !errors.is_empty() {
        text.push('\n');
        text.push_str(errors);
    }
    text
}

/// What went wrong, without what Go prints after it: the whole usage after a wrong flag, the stack after a panic.
fn without_boilerplate(errors: &str) -> &str {
    let end = ["\nUsage:", "\ngoroutine "].iter().filter_map(|mark| errors.find(mark)).min();
    errors.get(..end.unwrap_or(errors.len())).unwrap_or(errors).trim()
}

fn tail(path: &Path) -> String {
    use std::io::{Read, Seek, SeekFrom};
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    // A log that can't be read says nothing; the member's state is reported all the same.
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_what_went_wrong() {
        let flag =
            "flag provided but not defined: -foo\nUsage:\n\n  etcd [flags]\n    Start an etcd server.\n";
        assert_eq!(without_boilerplate(flag), "flag provided but not defined: -foo");
        let panic =
            "panic: tocommit(41) is out of range [lastIndex(0)]\n\ngoroutine 1 [running]:\nmain.main()\n";
        assert_eq!(without_boilerplate(panic), "panic: tocommit(41) is out of range [lastIndex(0)]");
        assert_eq!(without_boilerplate("\n"), "");
        assert_eq!(without_boilerplate("plain\n"), "plain");
    }
}
