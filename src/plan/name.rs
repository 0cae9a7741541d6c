//! Names of clusters and members, and the IDs that etcd gives them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The characters of a member's suffix: those Kubernetes uses for generated names, so no vowels spell a word.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH: u32 = 5;
/// How many suffixes there are: 27⁵.
const SUFFIXES: u64 = 14_348_907;
/// Not divisible by 3, so multiplying by it modulo 27⁵ visits every suffix before it repeats one.
const STRIDE: u64 = 5_700_047;

/// The longest name of a cluster, in characters: a member's name, `<cluster>-<5>`, stays a DNS label with room to spare.
pub const CLUSTER_NAME_LIMIT: usize = 40;

/// The name of a member: one incarnation, never used again after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberName(pub String);

impl MemberName {
    /// The `serial`-th name of a cluster: `<cluster>-<5 characters>`.
    ///
    /// Different serials give different names (up to 27⁵ of them), so a name never comes back as long as the serial
    /// only grows. `uid` shifts the sequence, so that a cluster made anew under an old name has other members.
    pub fn nth(cluster: &str, uid: &str, serial: u64) -> Self {
        let mut rest = (serial % SUFFIXES * STRIDE + fingerprint(uid)) % SUFFIXES;
        let mut suffix = String::new();
        for _ in 0..SUFFIX_LENGTH {
            let letter = ALPHABET.get((rest % 27) as usize).copied().unwrap_or(b'x');
            suffix.push(char::from(letter));
            rest /= 27;
        }
        Self(format!("{cluster}-{suffix}"))
    }

    /// The part after the last dash.
    pub fn suffix(&self) -> &str {
        self.0.rsplit('-').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// FNV-1a, cut to the number of suffixes: it only has to differ between two UIDs most of the time.
fn fingerprint(text: &str) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash % SUFFIXES
}

/// A member's ID as etcd assigns it; printed in hex without leading zeros, as etcdctl does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

/// A cluster's ID as etcd assigns it; printed like [`MemberId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u64);

macro_rules! hexadecimal {
    ($id:ident) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&format!("{:x}", self.0))
            }
        }

        impl Serialize for $id {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                u64::from_str_radix(&text, 16).map($id).map_err(serde::de::Error::custom)
            }
        }
    };
}
hexadecimal!(MemberId);
hexadecimal!(ClusterId);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_hundred_thousand_names_are_all_different() {
        let names: HashSet<_> = (0..100_000).map(|n| MemberName::nth("demo", "uid", n)).collect();
        assert_eq!(names.len(), 100_000);
    }

    #[test]
    fn the_stride_visits_every_suffix() {
        assert_ne!(STRIDE % 3, 0);
        assert_eq!(27u64.pow(SUFFIX_LENGTH), SUFFIXES);
    }

    #[test]
    fn another_uid_gives_other_names() {
        assert_ne!(MemberName::nth("demo", "a", 1), MemberName::nth("demo", "b", 1));
    }

    #[test]
    fn ids_are_hex_like_etcdctl() {
        assert_eq!(MemberId(0x8e9e_05c5_2164_694d).to_string(), "8e9e05c52164694d");
        let json = serde_json::to_string(&ClusterId(0xcdf8)).unwrap();
        assert_eq!(json, "\"cdf8\"");
        assert_eq!(serde_json::from_str::<ClusterId>(&json).unwrap(), ClusterId(0xcdf8));
    }
}
