//! Whether etcd may be started on what is there. Pure: what the guard sees goes in, a verdict comes out.

use serde::{Deserialize, Serialize};

use crate::plan::{ClusterState, MemberName};

/// What is written on a volume before etcd is started on it for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeMark {
    /// The member whose volume it is.
    pub name: MemberName,
    /// The UID of its EtcdMember.
    pub uid: String,
    /// Whether etcd was started on it, or is about to be.
    pub started: bool,
}

/// What a volume says about whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Nothing.
    Unmarked,
    /// This.
    Marked(VolumeMark),
    /// Something that can't be read, and why.
    Unreadable(String),
}

/// What the members that answer at their peer URLs say about this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peers {
    /// They were not asked yet.
    NotAsked,
    /// Nobody answers.
    Silent,
    /// They don't list it.
    Absent,
    /// They list it, it has never started, and the others are not those that it was told of.
    Otherwise,
    /// They list it, and it has never started.
    Unstarted,
    /// It has started once: they know where clients reach it, which it says itself when it starts.
    Started,
}

/// All that a verdict is made from.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The member's name.
    pub name: &'a MemberName,
    /// The UID of its EtcdMember.
    pub uid: &'a str,
    /// How it enters the cluster, if that is known.
    pub admission: Option<ClusterState>,
    /// Whether the operator said, when it made the Pod, that the member was started once.
    pub told_started: bool,
    /// Whether etcd was started before in this Pod.
    pub pod_mark: bool,
    /// Whose volume it is.
    pub owner: Owner,
    /// Whether there is data.
    pub present: bool,
    /// What the peers say.
    pub peers: Peers,
    /// Whether it may start for the first time.
    pub word: bool,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has never been started and can't be yet, for this reason.
    Wait(&'static str),
    /// Ask the peers, and judge again with what they said.
    Ask,
    /// Start etcd.
    Start {
        /// Whether it is the first start of its life. Only then may it form a cluster.
        first: bool,
    },
    /// Don't start etcd, for this reason.
    Refuse(String),
}

/// Judges whether etcd may be started.
///
/// A member never starts on an empty folder once it was started: under its old ID it would vote again about what it
/// forgot, and acknowledged writes could be lost. It never starts on data that are not its own either.
pub fn judge(facts: &Facts<'_>) -> Verdict {
    match &facts.owner {
        Owner::Unreadable(why) => return Verdict::Refuse(why.clone()),
        // The member was made anew over the volume that it always had, and the operator says so.
        Owner::Marked(mark) if facts.told_started && mark.name == *facts.name => {}
        // Also an empty one: its owner may be just about to start on it.
        Owner::Marked(mark) if mark.uid != facts.uid || mark.name != *facts.name => {
            return Verdict::Refuse(format!(
                "its volume belongs to member {} (UID {}); empty the volume, quorate.json included, or bind another one",
                mark.name, mark.uid
            ));
        }
        Owner::Marked(_) | Owner::Unmarked => {}
    }
    match (facts.present, started_by(facts)) {
        (true, Some(_)) => Verdict::Start { first: false },
        (true, None) => Verdict::Refuse(
            "its volume has data although nothing says that this member was ever started on it; empty the volume or bind \
             another one"
                .into(),
        ),
        (false, Some(who)) => Verdict::Refuse(format!(
            "its data folder is empty although it was started before, as {who}; put the data back, or have the member \
             replaced"
        )),
        (false, None) => first_start(facts),
    }
}

/// Who says that the member was started once.
fn started_by(facts: &Facts<'_>) -> Option<&'static str> {
    let marked = matches!(&facts.owner, Owner::Marked(mark) if mark.started);
    // Data are this member's only if somebody says so who knows the volume, and its peers do not.
    let listed = facts.peers == Peers::Started && !facts.present;
    [
        (marked, "the mark on its volume says"),
        (facts.pod_mark, "the mark in its Pod says"),
        (facts.told_started, "the operator says"),
        (listed, "its peers say"),
    ]
    .into_iter()
    .find_map(|(says, who)| says.then_some(who))
}

/// A member that nobody knows to have started needs to be told, and must not contradict its peers.
fn first_start(facts: &Facts<'_>) -> Verdict {
    match (facts.admission, facts.word, facts.peers) {
        (None, ..) => Verdict::Wait("it was not told yet how it enters the cluster"),
        (_, false, _) => Verdict::Wait("it waits until all members that it has to find have addresses"),
        (_, true, Peers::NotAsked) => Verdict::Ask,
        (Some(ClusterState::Existing), _, Peers::Silent) => {
            Verdict::Wait("no member of the cluster that it joins answers at its peer URL")
        }
        // A founder is in the list from the beginning and a learner before its Pod is told, so it was removed, or the
        // list is an old one.
        (.., Peers::Absent) => Verdict::Wait("the members that answer do not list it"),
        // etcd ends when a joiner is told a list that is not true; it is told anew.
        (Some(ClusterState::Existing), _, Peers::Otherwise) => {
            Verdict::Wait("the cluster has other members than it was told of")
        }
        _ => Verdict::Start { first: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "u-1";

    fn mark(name: &str, uid: &str, started: bool) -> Owner {
        Owner::Marked(VolumeMark { name: MemberName(name.into()), uid: uid.into(), started })
    }

    fn verdict(change: impl FnOnce(&mut Facts<'_>)) -> Verdict {
        let name = MemberName("demo-a".into());
        let mut facts = Facts {
            name: &name,
            uid: UID,
            admission: Some(ClusterState::New),
            told_started: false,
            pod_mark: false,
            owner: Owner::Unmarked,
            present: false,
            peers: Peers::Silent,
            word: true,
        };
        change(&mut facts);
        judge(&facts)
    }

    /// Every combination of what may be known, with the admission and the word there.
    fn all(mut look: impl FnMut(&Facts<'_>, Verdict)) {
        let owners = [Owner::Unmarked, mark("demo-a", UID, true), mark("demo-a", UID, false)];
        let peers = [
            Peers::NotAsked,
            Peers::Silent,
            Peers::Absent,
            Peers::Otherwise,
            Peers::Unstarted,
            Peers::Started,
        ];
        let name = MemberName("demo-a".into());
        for bits in 0..32_u8 {
            let bit = |at: u8| bits & (1 << at) != 0;
            for owner in &owners {
                for peers in peers {
                    for admission in [None, Some(ClusterState::New), Some(ClusterState::Existing)] {
                        let facts = Facts {
                            name: &name,
                            uid: UID,
                            admission,
                            told_started: bit(0),
                            pod_mark: bit(1),
                            owner: owner.clone(),
                            present: bit(2),
                            peers,
                            word: bit(3),
                        };
                        look(&facts, judge(&facts));
                    }
                }
            }
        }
    }

    #[test]
    fn it_never_starts_on_nothing_once_it_was_started() {
        all(|facts, verdict| {
            let marked = matches!(&facts.owner, Owner::Marked(mark) if mark.started);
            let known = facts.told_started || facts.pod_mark || marked || facts.peers == Peers::Started;
            if known && !facts.present {
                assert!(
                    matches!(&verdict, Verdict::Refuse(why) if why.starts_with("its data folder is empty although")),
                    "{facts:?}: {verdict:?}"
                );
            }
        });
    }

    #[test]
    fn the_first_start_is_on_nothing_and_told() {
        all(|facts, verdict| {
            if verdict == (Verdict::Start { first: true }) {
                assert!(!facts.present && facts.word && facts.admission.is_some(), "{facts:?}");
                assert_ne!(facts.peers, Peers::NotAsked, "{facts:?}");
            }
        });
    }

    #[test]
    fn own_data_are_started_on_at_once() {
        all(|facts, verdict| {
            let marked = matches!(&facts.owner, Owner::Marked(mark) if mark.started);
            if facts.present && (marked || facts.pod_mark || facts.told_started) {
                assert_eq!(verdict, Verdict::Start { first: false }, "{facts:?}");
            }
        });
    }

    #[test]
    fn who_says_that_it_was_started() {
        for (change, who) in [
            (
                Box::new(|f: &mut Facts<'_>| f.told_started = true) as Box<dyn FnOnce(&mut Facts<'_>)>,
                "operator",
            ),
            (Box::new(|f: &mut Facts<'_>| f.pod_mark = true), "in its Pod"),
            (Box::new(|f: &mut Facts<'_>| f.owner = mark("demo-a", UID, true)), "on its volume"),
            (Box::new(|f: &mut Facts<'_>| f.peers = Peers::Started), "its peers say"),
        ] {
            let Verdict::Refuse(why) = verdict(change) else { panic!("{who}") };
            assert!(why.contains(who), "{who}: {why}");
        }
    }

    #[test]
    fn the_data_of_others_are_left_alone() {
        for (owner, told_started, expected) in [
            (mark("demo-b", "u-2", true), false, "belongs to member demo-b (UID u-2)"),
            (mark("demo-a", "u-2", true), false, "belongs to member demo-a (UID u-2)"),
            (mark("demo-b", UID, true), true, "belongs to member demo-b"),
            (mark("demo-b", "u-2", false), false, "belongs to member demo-b"),
            (Owner::Unreadable("quorate.json is damaged".into()), true, "quorate.json is damaged"),
            (Owner::Unmarked, false, "nothing says that this member was ever started on it"),
            (mark("demo-a", UID, false), false, "nothing says that this member was ever started on it"),
        ] {
            for peers in [Peers::NotAsked, Peers::Started] {
                let verdict = verdict(|facts| {
                    (facts.owner, facts.told_started) = (owner.clone(), told_started);
                    (facts.present, facts.peers) = (true, peers);
                });
                let refused = matches!(&verdict, Verdict::Refuse(why) if why.contains(expected));
                assert!(refused, "{owner:?} {told_started}: {verdict:?}");
            }
        }
        // Its owner may be about to start on it.
        assert!(matches!(verdict(|facts| facts.owner = mark("demo-b", "u-2", true)), Verdict::Refuse(_)));
    }

    #[test]
    fn the_first_start() {
        use ClusterState::{Existing, New};
        let first = Verdict::Start { first: true };
        let wait = |why| Verdict::Wait(why);
        let silent = "no member of the cluster that it joins answers at its peer URL";
        let absent = "the members that answer do not list it";
        for (admission, word, peers, expected) in [
            (None, true, Peers::NotAsked, wait("it was not told yet how it enters the cluster")),
            (None, false, Peers::NotAsked, wait("it was not told yet how it enters the cluster")),
            (
                Some(New),
                false,
                Peers::NotAsked,
                wait("it waits until all members that it has to find have addresses"),
            ),
            (Some(New), true, Peers::NotAsked, Verdict::Ask),
            (Some(New), true, Peers::Silent, first.clone()),
            (Some(New), true, Peers::Unstarted, first.clone()),
            (Some(New), true, Peers::Otherwise, first.clone()),
            (Some(New), true, Peers::Absent, wait(absent)),
            (Some(Existing), true, Peers::NotAsked, Verdict::Ask),
            (Some(Existing), true, Peers::Silent, wait(silent)),
            (Some(Existing), true, Peers::Unstarted, first.clone()),
            (
                Some(Existing),
                true,
                Peers::Otherwise,
                wait("the cluster has other members than it was told of"),
            ),
            (Some(Existing), true, Peers::Absent, wait(absent)),
        ] {
            let found = verdict(|facts| {
                (facts.admission, facts.word, facts.peers) = (admission, word, peers);
            });
            assert_eq!(found, expected, "{admission:?} {word} {peers:?}");
        }
    }
}
