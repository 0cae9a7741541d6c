//! How commands end.

use std::io::{self, Write};

/// The exit codes, for `--help` and the manual page.
pub(super) const HELP: &str = "\
Exit codes:
  0  done
  1  it failed; the message says why
  2  the command line is wrong
  3  the manifest or the size is refused
  4  there is no such cluster or member, or `quorate up` does not run
  5  what was waited for did not happen in time";

/// Why a command ends the way it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// It failed.
    Failed = 1,
    /// What a person wrote is refused.
    Refused = 3,
    /// What it is about is not there.
    NotFound = 4,
    /// It took too long.
    TimedOut = 5,
}

/// A message for a person, and the exit code that goes with it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// How the program ends.
    pub code: ExitCode,
    message: String,
}

impl CommandError {
    pub(super) fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn failed(message: impl ToString) -> Self {
        Self::new(ExitCode::Failed, message.to_string())
    }

    pub(super) fn refused(problems: &[impl ToString]) -> Self {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        Self::new(ExitCode::Refused, lines.join("\n"))
    }
}

/// Says something beside the output, on standard error; that nobody may read it any more is no failure.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "quorate: {text}");
}

/// Prints to standard output. A reader that went away, as `head` does, is no failure.
pub(super) fn print(text: &str) -> Result<(), CommandError> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::failed(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
