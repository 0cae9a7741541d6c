//! `quorate version`: what this program is, for people and for reports of faults.

use serde_json::json;

use super::{VersionOutput, exit::CommandError};
use crate::plan::version::{DEFAULT_VERSION, Minor};

/// What only the build of a binary knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Build {
    /// The commit it was built from; `None` when nobody said it to the build.
    pub commit: Option<&'static str>,
}

/// What is printed, with a newline behind it.
pub(super) fn text(build: Build, output: VersionOutput) -> Result<String, CommandError> {
    let version = env!("CARGO_PKG_VERSION");
    let commit = build.commit.filter(|commit| !commit.is_empty()).unwrap_or("unknown");
    let etcd = Minor::ALL.map(|minor| minor.to_string());
    match output {
        VersionOutput::Text => Ok(format!(
            "quorate {version}\ncommit  {commit}\netcd    {} ({DEFAULT_VERSION} when a spec names none)\n",
            etcd.join(", ")
        )),
        VersionOutput::Json => {
            let all = json!({
                "version": version, "commit": commit, "etcd": { "supported": etcd, "default": DEFAULT_VERSION },
            });
            serde_json::to_string_pretty(&all).map(|text| text + "\n").map_err(CommandError::failed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_nobody_named_is_unknown() {
        for (commit, shown) in [(None, "unknown"), (Some(""), "unknown"), (Some("53e7ceb"), "53e7ceb")] {
            let said = text(Build { commit }, VersionOutput::Text).unwrap();
            assert!(said.contains(&format!("\ncommit  {shown}\n")), "{said}");
            let said: serde_json::Value =
                serde_json::from_str(&text(Build { commit }, VersionOutput::Json).unwrap()).unwrap();
            assert_eq!(said["commit"], shown);
        }
    }

    #[test]
    fn every_version_that_can_be_run_is_named() {
        let said = text(Build::default(), VersionOutput::Text).unwrap();
        assert!(said.contains("\netcd    3.5, 3.6, 3.7 (3.6.16 when a spec names none)\n"), "{said}");
    }
}
