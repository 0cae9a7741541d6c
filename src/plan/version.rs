//! Versions of etcd: which ones Quorate knows, and which changes of version are possible.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The version a cluster gets when its spec names none.
pub const DEFAULT_VERSION: &str = "3.6.16";

/// A released version of etcd that Quorate knows how to run: 3.5, 3.6 or 3.7, written without a leading `v`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EtcdVersion {
    minor: Minor,
    patch: u64,
}

/// The minor versions of etcd 3, oldest first. The flags of a member follow its minor version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Minor {
    /// 3.5
    #[serde(rename = "3.5")]
    V3_5,
    /// 3.6
    #[serde(rename = "3.6")]
    V3_6,
    /// 3.7
    #[serde(rename = "3.7")]
    V3_7,
}

impl Minor {
    /// All of them, oldest first.
    pub const ALL: [Minor; 3] = [Minor::V3_5, Minor::V3_6, Minor::V3_7];

    /// Reads it from a version of any length, such as `3.6`, `3.6.0` or `3.6.16`; `None` when Quorate does not know it.
    pub fn of(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let (major, minor) = (parts.next()?, parts.next()?);
        Self::ALL.into_iter().find(|one| one.to_string() == format!("{major}.{minor}"))
    }
}

/// Why a text is not a version that Quorate can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Not of the form `3.6.16`.
    #[error("{0:?} is not an etcd version: write it like 3.6.16, without a leading v")]
    Malformed(String),
    /// A version of etcd, but not of a minor that Quorate knows.
    #[error("etcd {0} is not supported: Quorate runs etcd 3.5, 3.6 and 3.7")]
    Unsupported(String),
}

impl EtcdVersion {
    /// The minor version.
    pub fn minor(self) -> Minor {
        self.minor
    }
}

impl FromStr for EtcdVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let parsed = semver::Version::parse(text).map_err(|_| VersionError::Malformed(text.to_owned()))?;
        if !parsed.pre.is_empty() || !parsed.build.is_empty() {
            return Err(VersionError::Unsupported(format!("{text} (a pre-release or own build)")));
        }
        let minor = match (parsed.major, parsed.minor) {
            (3, 5) => Minor::V3_5,
            (3, 6) => Minor::V3_6,
            (3, 7) => Minor::V3_7,
            _ => return Err(VersionError::Unsupported(text.to_owned())),
        };
        Ok(Self { minor, patch: parsed.patch })
    }
}

impl fmt::Display for EtcdVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.minor, self.patch))
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Minor::V3_5 => "3.5",
            Minor::V3_6 => "3.6",
            Minor::V3_7 => "3.7",
        })
    }
}

impl Serialize for EtcdVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EtcdVersion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a cluster cannot go from one version to another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// etcd lets a skipped minor version pass and may crash on it later (measured: 3.5 data under 3.7), so Quorate refuses it.
    #[error("etcd goes one minor version at a time: {from} cannot become {to}; go through {between} first")]
    SkipsMinor {
        /// The version that runs.
        from: EtcdVersion,
        /// The version asked for.
        to: EtcdVersion,
        /// The minor version in between.
        between: Minor,
    },
    /// Older patch releases know too little of the next minor version.
    #[error(
        "{from} cannot become {to}: between etcd {} and {} every member has to run at least {floor} of the older one; {}",
        floor.minor, newer(*from, *to), way_out(*from, *floor)
    )]
    BelowFloor {
        /// The version that runs.
        from: EtcdVersion,
        /// The version asked for.
        to: EtcdVersion,
        /// The lowest release of the older minor version that will do.
        floor: EtcdVersion,
    },
}

fn newer(from: EtcdVersion, to: EtcdVersion) -> Minor {
    from.minor.max(to.minor)
}

fn way_out(from: EtcdVersion, floor: EtcdVersion) -> String {
    if from < floor { format!("go to {floor} or later first") } else { format!("choose {floor} or later") }
}

/// The lowest release of a minor version from which, and to which, a cluster may go over the border to the next one:
/// etcd's upgrade guides for 3.6 and 3.7.
pub(crate) const fn floor(older: Minor) -> EtcdVersion {
    let patch = match older {
        Minor::V3_5 => 32,
        Minor::V3_6 => 11,
        Minor::V3_7 => 0,
    };
    EtcdVersion { minor: older, patch }
}

/// Checks a change of version of a cluster that exists, up or down.
///
/// # Errors
/// When the change skips a minor version, or the older of two is below its floor.
pub fn transition(from: EtcdVersion, to: EtcdVersion) -> Result<(), TransitionError> {
    if from.minor == to.minor {
        return Ok(());
    }
    let older = from.min(to);
    if (older.minor, newer(from, to)) == (Minor::V3_5, Minor::V3_7) {
        return Err(TransitionError::SkipsMinor { from, to, between: Minor::V3_6 });
    }
    let floor = floor(older.minor);
    if older < floor { Err(TransitionError::BelowFloor { from, to, floor }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> EtcdVersion {
        text.parse().unwrap()
    }

    #[test]
    fn known_versions_read_and_print_the_same() {
        for text in ["3.5.0", "3.5.35", "3.6.16", "3.7.3", DEFAULT_VERSION] {
            assert_eq!(version(text).to_string(), text);
        }
        assert!(version("3.5.35") < version("3.6.0"));
        assert!(version("3.6.9") < version("3.6.16"));
    }

    #[test]
    fn others_are_refused_with_the_way_out() {
        for text in ["v3.6.16", "3.6", "", "three", "3.6.x"] {
            assert!(matches!(text.parse::<EtcdVersion>(), Err(VersionError::Malformed(_))), "{text}");
        }
        for text in ["3.4.30", "3.8.0", "2.3.8", "4.0.0", "3.6.0-rc.1", "3.6.0+mine"] {
            let error = text.parse::<EtcdVersion>().unwrap_err();
            assert!(error.to_string().contains("3.5, 3.6 and 3.7"), "{error}");
        }
    }

    #[test]
    fn one_minor_at_a_time_and_from_a_late_release() {
        let table = [
            ("3.5.35", "3.5.36", None),
            ("3.6.16", "3.6.1", None),
            ("3.5.35", "3.6.16", None),
            ("3.6.16", "3.7.3", None),
            ("3.6.16", "3.5.35", None),
            ("3.7.3", "3.6.16", None),
            ("3.5.35", "3.7.3", Some("go through 3.6 first")),
            ("3.7.3", "3.5.35", Some("go through 3.6 first")),
            ("3.5.31", "3.6.16", Some("go to 3.5.32 or later first")),
            ("3.5.32", "3.6.0", None),
            ("3.6.10", "3.7.3", Some("go to 3.6.11 or later first")),
            ("3.6.11", "3.7.0", None),
            ("3.7.3", "3.6.10", Some("choose 3.6.11 or later")),
            ("3.6.16", "3.5.19", Some("choose 3.5.32 or later")),
        ];
        for (from, to, refusal) in table {
            let said = transition(version(from), version(to)).err().map(|error| error.to_string());
            let fits = match (&said, refusal) {
                (Some(said), Some(words)) => said.contains(words) && said.contains(from) && said.contains(to),
                (said, refusal) => said.is_none() && refusal.is_none(),
            };
            assert!(fits, "{from} → {to}: {said:?}");
        }
    }
}
