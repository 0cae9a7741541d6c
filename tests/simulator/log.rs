//! A raft log as lengths: which term wrote up to which index. What the entries say does not matter here.

#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Log {
    /// (term, index of its last entry), in order.
    segments: Vec<(u64, u64)>,
}

impl Log {
    pub fn len(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.1)
    }

    /// By what votes are given: the term of the last entry, then the length.
    pub fn rank(&self) -> (u64, u64) {
        self.segments.last().copied().unwrap_or_default()
    }

    pub fn append(&mut self, term: u64, entries: u64) {
        let end = self.len() + entries;
        match self.segments.last_mut() {
            Some(last) if last.0 == term => last.1 = end,
            _ => self.segments.push((term, end)),
        }
    }

    pub fn term_at(&self, index: u64) -> Option<u64> {
        self.segments.iter().find(|segment| segment.1 >= index).map(|segment| segment.0)
    }

    /// How many entries both have in common.
    pub fn common(&self, other: &Self) -> u64 {
        let mut same = 0;
        for (mine, theirs) in self.segments.iter().zip(&other.segments) {
            if mine.0 != theirs.0 {
                break;
            }
            same = mine.1.min(theirs.1);
            if mine.1 != theirs.1 {
                break;
            }
        }
        same
    }

    /// Takes over what the leader has, at most `budget` entries, and drops what contradicts it.
    pub fn follow(&mut self, leader: &Self, budget: u64) {
        if self == leader {
            return;
        }
        let end = (self.common(leader) + budget).min(leader.len());
        self.segments.clear();
        for &(term, last) in &leader.segments {
            self.segments.push((term, last.min(end)));
            if last >= end {
                break;
            }
        }
        if end == 0 {
            self.segments.clear();
        }
    }
}

#[test]
fn a_follower_drops_what_contradicts_the_leader() {
    let (mut old, mut new) = (Log::default(), Log::default());
    old.append(1, 10);
    new.append(1, 8);
    old.append(2, 5);
    new.append(3, 4);
    assert_eq!((old.common(&new), old.rank(), new.rank()), (8, (2, 15), (3, 12)));
    old.follow(&new, 2);
    assert_eq!((old.len(), old.term_at(9), old.term_at(11)), (10, Some(3), None));
    old.follow(&new, 100);
    assert_eq!(old, new);
}
