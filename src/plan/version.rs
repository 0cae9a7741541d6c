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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Minor {
    /// 3.5
    V3_5,
    /// 3.6
    V3_6,
    /// 3.7
    V3_7,
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

impl Minor {
    /// All of them, oldest first.
    pub const ALL: [Minor; 3] = [Minor::V3_5, Minor::V3_6, Minor::V3_7];
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
    #[error(
        "etcd is upgraded one minor version at a time: {from} cannot become {to}; go through {between} first"
    )]
    SkipsMinor {
        /// The version that runs.
        from: EtcdVersion,
        /// The version asked for.
        to: EtcdVersion,
        /// The minor version in between.
        between: Minor,
    },
    /// etcd's data of a newer minor version is not readable for an older one.
    #[error(
        "etcd {from} cannot go back to {to}: the older version does not read the newer data; keep {from}"
    )]
    Downgrade {
        /// The version that runs.
        from: EtcdVersion,
        /// The version asked for.
        to: EtcdVersion,
    },
}

/// Checks a change of version of a cluster that exists.
///
/// # Errors
/// When the change skips a minor version or goes back to an older one.
pub fn transition(from: EtcdVersion, to: EtcdVersion) -> Result<(), TransitionError> {
    match (from.minor, to.minor) {
        (Minor::V3_5, Minor::V3_7) => Err(TransitionError::SkipsMinor { from, to, between: Minor::V3_6 }),
        (old, new) if new < old => Err(TransitionError::Downgrade { from, to }),
        _ => Ok(()),
    }
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
    fn one_minor_at_a_time_and_never_back() {
        let ok = |from: &str, to: &str| transition(version(from), version(to)).is_ok();
        assert!(
            ok("3.5.35", "3.5.36")
                && ok("3.5.35", "3.6.16")
                && ok("3.6.16", "3.7.3")
                && ok("3.6.16", "3.6.15")
        );
        assert!(!ok("3.5.35", "3.7.3") && !ok("3.6.16", "3.5.35") && !ok("3.7.3", "3.5.35"));
        let message = transition(version("3.5.35"), version("3.7.3")).unwrap_err().to_string();
        assert!(message.contains("go through 3.6 first"), "{message}");
    }
}
