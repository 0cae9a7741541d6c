//! Certificates: what is known of them, when a leaf is due for another one, and until when they are valid.
//!
//! Whoever keeps certificates fills these values from what it parsed. How an authority takes over from another one is
//! decided in `authorities`; a leaf disrupts nobody (etcd reads it anew for each connection), so the platform makes it
//! itself, whenever [`leaf_due`] says so.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use super::transport::{AuthorityId, Listen};

/// How long before it was made a certificate begins to be valid: clocks differ, and one that is wrong by an hour, as after a
/// mistaken time zone, is to cut nobody off.
pub const BACKDATED: Duration = Duration::from_secs(2 * 3600);

/// Who a side's certificates are from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Source {
    /// Nobody: plain text.
    #[default]
    None,
    /// An authority of the cluster's own, which the operator keeps.
    Managed,
    /// A person or another program: they are taken as they come.
    Given,
}

impl Source {
    /// Who they are from: whom the spec asks for, and when it says nothing an authority of the cluster's own in a new
    /// cluster, while one that is there stays as it is. `members` and `left`: how its members listen on that side, and how
    /// those did whose volumes a former cluster left.
    ///
    /// Such volumes count more than the spec until a cluster formed over them: etcd's list has URLs under TLS then, and a
    /// member has to listen there before it can be told otherwise.
    pub fn of(asked: Option<Self>, formed: bool, members: &[Listen], left: &[Listen]) -> Self {
        let under_tls = |all: &[Listen]| all.iter().any(|one| *one != Listen::Plain);
        match asked {
            Some(Self::None) | None if !formed && under_tls(left) => Self::Managed,
            Some(asked) => asked,
            None if !formed && members.is_empty() && left.is_empty() => Self::Managed,
            None if under_tls(members) || under_tls(left) => Self::Managed,
            None => Self::None,
        }
    }

    /// Whether that side is to be under TLS.
    pub fn under_tls(self) -> bool {
        self != Self::None
    }

    /// As the status calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Managed => "Managed",
            Self::Given => "Given",
        }
    }
}

/// What is known of the certificates of one side. It is filled as long as some member listens under TLS on that side, also
/// while the spec does not want it any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificates {
    /// The authorities that members and clients shall trust, the oldest first.
    pub authorities: Vec<Authority>,
    /// The one that signs; `None` while there is none of the cluster's own.
    pub issuer: Option<AuthorityId>,
    /// The certificates in use: those of the members that exist, and of clients.
    pub leaves: Vec<Leaf>,
    /// What is wrong with them, in words: a Secret that is missing or holds something else. While there is a problem, no
    /// member is changed on this side.
    pub problem: Option<String>,
}

impl Certificates {
    /// Whom members shall trust.
    pub fn trusted(&self) -> BTreeSet<AuthorityId> {
        self.authorities.iter().map(|one| one.id.clone()).collect()
    }

    /// When the first of the certificates in use ends.
    pub fn expires(&self) -> Option<Timestamp> {
        self.leaves.iter().map(|leaf| leaf.until).min()
    }

    /// When the authority that signs ends; where that is somebody else's matter, the first of those that are trusted.
    pub fn authority_expires(&self) -> Option<Timestamp> {
        let signs = |one: &&Authority| self.issuer.as_ref().is_none_or(|issuer| *issuer == one.id);
        self.authorities.iter().filter(signs).map(|one| one.until).min()
    }
}

/// A certificate authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// What tells it from others.
    pub id: AuthorityId,
    /// When it was made. Of one that was made here that is [`BACKDATED`] after its certificate begins to be valid: a wish
    /// for a new authority is fulfilled by one that was made after it.
    pub since: Timestamp,
    /// Until when its certificate is valid.
    pub until: Timestamp,
}

impl Authority {
    /// From when its certificate is valid, where that is still to come: whoever made it had a clock that was ahead.
    pub fn awaited(&self, now: Timestamp) -> Option<Timestamp> {
        awaited(self.since, now)
    }
}

/// The certificate of a member or of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The name of the member, or `client`.
    pub holder: String,
    /// Who signed it; of a chain, the authority it ends in.
    pub issuer: AuthorityId,
    /// When it was made, as for [`Authority::since`].
    pub since: Timestamp,
    /// Until when it is valid.
    pub until: Timestamp,
}

impl Leaf {
    /// As [`Authority::awaited`].
    pub fn awaited(&self, now: Timestamp) -> Option<Timestamp> {
        awaited(self.since, now)
    }
}

fn awaited(made: Timestamp, now: Timestamp) -> Option<Timestamp> {
    made.checked_sub(BACKDATED).ok().filter(|valid| *valid > now)
}

/// What stands in the place where a leaf is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Nothing.
    Missing,
    /// Something that is no certificate, or whose key does not fit.
    Unreadable {
        /// Why, in words and without any of its contents.
        why: String,
    },
    /// A certificate with its key.
    Leaf(LeafFacts),
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafFacts {
    /// Who signed it.
    pub issuer: AuthorityId,
    /// Its names: DNS names in lower case and IP addresses in their shortest form, all as text.
    pub names: BTreeSet<String>,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

impl LeafFacts {
    /// When it is renewed.
    pub fn renewal(&self) -> Timestamp {
        renewal(made(self.not_before), self.not_after)
    }

    /// How it is shown to the plan.
    pub fn leaf(&self, holder: &str) -> Leaf {
        Leaf {
            holder: holder.to_owned(),
            issuer: self.issuer.clone(),
            since: made(self.not_before),
            until: self.not_after,
        }
    }
}

/// What a leaf has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedLeaf {
    /// Who signs now.
    pub issuer: AuthorityId,
    /// Every name and address that its holder is reached by, written as in [`LeafFacts::names`].
    pub names: BTreeSet<String>,
}

/// Why another leaf has to be made now, in words; `None` while the one that is there will do.
///
/// Names beyond those that are wanted do no harm: a name that comes back would cost a certificate each time.
pub fn leaf_due(kept: &Kept, wanted: &WantedLeaf, now: Timestamp) -> Option<String> {
    let leaf = match kept {
        Kept::Missing => return Some("there is none".into()),
        Kept::Unreadable { why } => return Some(format!("it can't be used: {why}")),
        Kept::Leaf(leaf) => leaf,
    };
    let missing: Vec<_> = wanted.names.difference(&leaf.names).map(String::as_str).collect();
    if leaf.issuer != wanted.issuer {
        Some(format!("{} signed it, and {} signs now", leaf.issuer, wanted.issuer))
    } else if !missing.is_empty() {
        Some(format!("it does not name {}", missing.join(", ")))
    } else if now < leaf.not_before {
        Some(format!("it is not valid before {:.0}", leaf.not_before))
    } else if now >= leaf.not_after {
        Some(format!("it expired at {:.0}", leaf.not_after))
    } else if now >= leaf.renewal() {
        Some(format!("two thirds of its life are over, it is valid until {:.0}", leaf.not_after))
    } else {
        None
    }
}

/// When something that is valid from one moment to another is renewed: after two thirds of that time.
pub fn renewal(since: Timestamp, until: Timestamp) -> Timestamp {
    until.checked_sub(until.duration_since(since) / 3).unwrap_or(since)
}

/// When a certificate of Quorate's own was made.
pub fn made(not_before: Timestamp) -> Timestamp {
    not_before.checked_add(BACKDATED).unwrap_or(not_before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn id(text: &str) -> AuthorityId {
        AuthorityId(text.to_owned())
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_leaf_is_due_for_a_reason() {
        let leaf = LeafFacts {
            issuer: id("1a2b"),
            names: names(&["localhost", "127.0.0.1", "a.b"]),
            not_before: second(1000),
            not_after: second(38_200),
        };
        let wanted = WantedLeaf { issuer: id("1a2b"), names: names(&["localhost", "127.0.0.1"]) };
        let kept = Kept::Leaf(leaf.clone());
        let other = |change: &dyn Fn(&mut LeafFacts)| {
            let mut other = leaf.clone();
            change(&mut other);
            Kept::Leaf(other)
        };
        let table = [
            ("fits", kept.clone(), 1000, None),
            ("just before two thirds", kept.clone(), 28_199, None),
            ("two thirds", kept.clone(), 28_200, Some("two thirds")),
            ("over", kept.clone(), 38_200, Some("expired")),
            ("a clock behind", kept, 999, Some("not valid before 1970-01-01T00:16:40Z")),
            ("none", Kept::Missing, 1000, Some("none")),
            ("garbage", Kept::Unreadable { why: "no PEM".into() }, 1000, Some("no PEM")),
            ("rotated", other(&|leaf| leaf.issuer = id("9f3c")), 1000, Some("9f3c signed it, and 1a2b")),
            ("moved", other(&|leaf| leaf.names = names(&["a.b"])), 1000, Some("127.0.0.1, localhost")),
        ];
        for (case, kept, now, expected) in table {
            let due = leaf_due(&kept, &wanted, second(now));
            match expected {
                Some(words) => {
                    assert!(due.as_ref().is_some_and(|due| due.contains(words)), "{case}: {due:?}");
                }
                None => assert_eq!(due, None, "{case}"),
            }
        }
        assert_eq!(leaf.renewal(), second(28_200));
        let shown = leaf.leaf("client");
        assert_eq!(shown.since, second(1000) + BACKDATED);
        assert_eq!((shown.awaited(second(999)), shown.awaited(second(1000))), (Some(second(1000)), None));
    }

    #[test]
    fn only_a_new_cluster_is_given_what_nobody_asked_for() {
        use Listen::{Both, Plain, Tls};
        let unsaid = |formed, members: &[Listen]| Source::of(None, formed, members, &[]);
        assert_eq!(unsaid(false, &[]), Source::Managed);
        assert_eq!(unsaid(true, &[]), Source::None, "its members are lost, not new");
        for formed in [false, true] {
            assert_eq!(unsaid(formed, &[Plain, Plain]), Source::None);
            assert_eq!(unsaid(formed, &[Plain, Both]), Source::Managed, "on its way");
            assert_eq!(unsaid(formed, &[Tls]), Source::Managed);
            for asked in [Source::None, Source::Managed, Source::Given] {
                assert_eq!(Source::of(Some(asked), formed, &[Plain, Tls], &[Plain]), asked);
            }
        }
    }

    #[test]
    fn volumes_of_a_cluster_under_tls_come_back_under_tls() {
        use Listen::{Plain, Tls};
        for (asked, first, then) in [
            (None, Source::Managed, Source::Managed),
            (Some(Source::None), Source::Managed, Source::None),
            (Some(Source::Managed), Source::Managed, Source::Managed),
            (Some(Source::Given), Source::Given, Source::Given),
        ] {
            assert_eq!(Source::of(asked, false, &[], &[Tls, Plain]), first, "{asked:?}");
            assert_eq!(Source::of(asked, true, &[Tls], &[]), then, "{asked:?}");
        }
        assert_eq!(Source::of(None, false, &[], &[Plain]), Source::None, "as it was");
    }

    #[test]
    fn the_first_to_end_counts() {
        let leaf =
            |until| Leaf { holder: "a".into(), issuer: id("1"), since: second(0), until: second(until) };
        let authority =
            |name: &str, until| Authority { id: id(name), since: second(0), until: second(until) };
        let mut both = Certificates {
            authorities: vec![authority("1", 50), authority("2", 90)],
            issuer: Some(id("2")),
            leaves: vec![leaf(9), leaf(7)],
            problem: None,
        };
        assert_eq!((both.expires(), both.authority_expires()), (Some(second(7)), Some(second(90))));
        both.issuer = None;
        assert_eq!(both.authority_expires(), Some(second(50)));
        assert_eq!(Certificates::default().expires(), None);
    }
}
