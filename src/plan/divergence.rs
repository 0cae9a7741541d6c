//! Do all voters hold the same data? Compared from outside, by HashKV at one revision.
//!
//! etcd's own periodic check stops all writes of the cluster when it finds a difference, and on 3.5 can't name the
//! culprit; comparing from outside gives the same news without the outage. A difference is told to people and never
//! answered by a wipe.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    name::{MemberId, MemberName},
    world::{Membership, World, waited},
};

/// The result of one comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// When it was made.
    pub at: Timestamp,
    /// How long it took: hashing a large database is work for every member.
    pub took: Duration,
    /// The IDs of the voters that were compared.
    pub voters: Vec<MemberId>,
    /// What it found.
    pub outcome: Outcome,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All hashes are equal.
    Agree,
    /// They are not; the members by their hash.
    Differ(Vec<(MemberName, u32)>),
    /// It could not be made: somebody did not answer, or had compacted differently.
    Unclear(String),
}

/// One member's answer to HashKV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash {
    /// Whose it is.
    pub name: MemberName,
    /// The hash of all keys up to the revision asked for.
    pub hash: u32,
    /// The revision below which this member has compacted; hashes over different ones can't be compared.
    pub compact_revision: i64,
}

/// Whether a comparison is due: after each change of the voters, and again after a while. `None` when there is
/// nothing to compare yet.
pub fn due(world: &World, now: Timestamp) -> Option<Vec<MemberId>> {
    let Membership::Known(list) = &world.membership else { return None };
    let mut voters: Vec<_> = list.iter().filter(|one| !one.learner).map(|one| one.id).collect();
    voters.sort_unstable();
    let Some(last) = &world.divergence else { return Some(voters) };
    // A tenth of a percent of a member's time at the most, however large its database is.
    let pause = match last.outcome {
        Outcome::Unclear(_) => world.policy.compare / 9,
        _ => world.policy.compare.max(last.took * 1000),
    };
    (last.voters != voters || waited(last.at, now) >= pause).then_some(voters)
}

/// Compares the answers of `expected` voters.
pub fn compare(hashes: &[Hash], expected: usize) -> Outcome {
    if hashes.len() < expected {
        return Outcome::Unclear(format!("{} of {expected} voters told their hash", hashes.len()));
    }
    let Some(first) = hashes.first() else { return Outcome::Agree };
    if hashes.iter().any(|one| one.compact_revision != first.compact_revision) {
        return Outcome::Unclear("the voters have not compacted to the same revision yet".into());
    }
    match hashes.iter().all(|one| one.hash == first.hash) {
        true => Outcome::Agree,
        false => Outcome::Differ(hashes.iter().map(|one| (one.name.clone(), one.hash)).collect()),
    }
}

/// A difference in words: who agrees with whom. The majority is named as such, but it is not always right.
pub fn describe(hashes: &[(MemberName, u32)]) -> String {
    let mut groups: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for (name, hash) in hashes {
        groups.entry(*hash).or_default().push(&name.0);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, names)| names.len());
    let words: Vec<_> =
        groups.iter().map(|(hash, names)| format!("{} ({hash:08x})", names.join(", "))).collect();
    format!("the members hold different data at one revision: {}", words.join(" against "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(name: &str, hash: u32, compact_revision: i64) -> Hash {
        Hash { name: MemberName(name.into()), hash, compact_revision }
    }

    #[test]
    fn equal_hashes_agree_and_others_name_the_members() {
        assert_eq!(compare(&[hash("a", 1, 5), hash("b", 1, 5), hash("c", 1, 5)], 3), Outcome::Agree);
        let Outcome::Differ(differ) = compare(&[hash("a", 1, 5), hash("b", 2, 5), hash("c", 1, 5)], 3) else {
            panic!("they differ");
        };
        let text = describe(&differ);
        assert!(text.contains("b (00000002) against a, c (00000001)"), "{text}");
    }

    #[test]
    fn what_cannot_be_compared_is_no_difference() {
        assert!(matches!(compare(&[hash("a", 1, 5), hash("b", 2, 9)], 2), Outcome::Unclear(_)));
        assert!(matches!(compare(&[hash("a", 1, 5)], 3), Outcome::Unclear(_)));
    }
}
