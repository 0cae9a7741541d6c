//! Quorum arithmetic: the size a cluster may have, and the votes it needs.

use std::fmt;

/// How many of `voters` have to agree.
pub fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}

/// How many members a person may ask for: odd, 3 to 9.
///
/// An even count needs one vote more without tolerating one failure more, fewer than three tolerate none, and beyond
/// nine each write waits for too many disks (etcd's FAQ, "What is maximum cluster size").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterSize(u8);

/// Why a number is not a cluster size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} is not a cluster size: {why}")]
pub struct SizeError {
    given: i64,
    why: String,
}

impl ClusterSize {
    /// The smallest cluster that survives the loss of a member.
    pub const MIN: i64 = 3;
    /// The largest cluster that is worth its write latency.
    pub const MAX: i64 = 9;

    /// Checks a number that somebody wrote.
    ///
    /// # Errors
    /// When it is even or outside 3 to 9; the message names the nearest sizes that are accepted.
    pub fn new(given: i64) -> Result<Self, SizeError> {
        let refuse = |why: String| Err(SizeError { given, why });
        if given < Self::MIN {
            return refuse("fewer than 3 members survive no failure; use 3, 5, 7 or 9".into());
        }
        if given > Self::MAX {
            return refuse("beyond 9 members every write waits for too many disks; use 3, 5, 7 or 9".into());
        }
        if given % 2 == 0 {
            return refuse(format!(
                "an even count survives no more failures than {} and needs one vote more; use {} or {}",
                given - 1,
                given - 1,
                given + 1
            ));
        }
        u8::try_from(given).map(Self).or_else(|_| refuse("use 3, 5, 7 or 9".into()))
    }

    /// The number itself.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for ClusterSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorum_of_each_count() {
        let table = [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4), (8, 5), (9, 5)];
        for (voters, votes) in table {
            assert_eq!(quorum(voters), votes, "{voters} voters");
        }
    }

    #[test]
    fn only_odd_sizes_from_three_to_nine() {
        for given in -5..20 {
            let accepted = ClusterSize::new(given).is_ok();
            assert_eq!(accepted, [3, 5, 7, 9].contains(&given), "{given}");
        }
    }

    #[test]
    fn the_message_names_the_way_out() {
        let message = ClusterSize::new(4).unwrap_err().to_string();
        assert!(
            message.starts_with("4 is not a cluster size") && message.ends_with("use 3 or 5"),
            "{message}"
        );
    }
}
