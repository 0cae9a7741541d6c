//! What the other members say about this one, at `/members` of their peer URLs: it works without a quorum.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::future::join_all;

use super::{
    judge::Peers,
    names::Host,
    words::{Assignment, PEER_PORT},
};
use crate::{
    etcd::{PeerMember, http::Http},
    plan::{Admission, quorum},
};

/// How long all of it may take: a start waits for the answers.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// What they say about this member.
    pub peers: Peers,
    /// Whether so many answered that an initial corruption check finds somebody to compare with. It waits 7 s for each
    /// peer that does not answer.
    pub quorum: bool,
}

/// Asks every address that a peer may have, all at once.
pub async fn ask(http: &Http, assignment: &Assignment, admission: Option<&Admission>) -> Heard {
    let until = Instant::now() + PATIENCE;
    let left = || until.saturating_duration_since(Instant::now());
    let hosts = hosts(assignment, admission);
    let found = join_all(hosts.iter().map(|host| tokio::time::timeout(left(), host.addresses()))).await;
    // One member may be found by several names.
    let addresses: BTreeSet<SocketAddr> = found.into_iter().flatten().flatten().collect();
    let answers = join_all(addresses.into_iter().map(|address| async move {
        let reply = http.get(&format!("http://{address}/members"), left()).await.ok()?;
        PeerMember::list(&reply.body).ok().filter(|_| reply.status == 200)
    }));
    let lists: Vec<_> = answers.await.into_iter().flatten().collect();
    heard(assignment, admission, &lists)
}

/// The hosts of all members by the name that stands for all of them, and those that it was told.
fn hosts(assignment: &Assignment, admission: Option<&Admission>) -> BTreeSet<Host> {
    let port = Host::of(&assignment.peer_url).map_or(PEER_PORT, |own| own.port);
    let all = Host { name: assignment.peers.clone(), port };
    let told = admission.into_iter().flat_map(|one| &one.initial_cluster);
    told.filter_map(|peer| Host::of(&peer.url)).chain([all]).collect()
}

/// What the lists say together. That it was started once is believed if only one says so.
fn heard(assignment: &Assignment, admission: Option<&Admission>, lists: &[Vec<PeerMember>]) -> Heard {
    let said = lists.iter().map(|list| of_list(assignment, admission, list));
    let rank = |peers: &Peers| match peers {
        Peers::NotAsked | Peers::Silent => 0,
        Peers::Absent => 1,
        Peers::Otherwise => 2,
        Peers::Unstarted => 3,
        Peers::Started => 4,
    };
    let members = lists.iter().map(Vec::len).max().unwrap_or_default();
    Heard {
        peers: said.max_by_key(rank).unwrap_or(Peers::Silent),
        quorum: members > 0 && lists.len() >= quorum(members),
    }
}

fn of_list(assignment: &Assignment, admission: Option<&Admission>, list: &[PeerMember]) -> Peers {
    let own =
        |one: &&PeerMember| one.name == assignment.name.0 || one.peer_urls.contains(&assignment.peer_url);
    let listed: BTreeSet<_> = list.iter().flat_map(|one| &one.peer_urls).collect();
    match list.iter().find(own) {
        // A founder has its name from the beginning, so only the client URL says that it has started.
        Some(one) if !one.client_urls.is_empty() => Peers::Started,
        Some(_) if admission.is_some_and(|one| urls(one) != listed) => Peers::Otherwise,
        Some(_) => Peers::Unstarted,
        // A process that has not read its log yet knows nobody.
        None if list.is_empty() => Peers::Silent,
        None => Peers::Absent,
    }
}

fn urls(admission: &Admission) -> BTreeSet<&String> {
    admission.initial_cluster.iter().map(|peer| &peer.url).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ClusterState, MemberName, Peer};

    fn assignment() -> Assignment {
        Assignment {
            name: MemberName("demo-a".into()),
            uid: "u-1".into(),
            version: "3.6.16".parse().unwrap(),
            options: Default::default(),
            peer_url: "http://a.demo:2380".into(),
            client_url: "http://a.demo:2379".into(),
            peers: "demo".into(),
            admission: None,
            started: false,
            alone: false,
        }
    }

    fn member(name: &str, host: &str, started: bool) -> PeerMember {
        PeerMember {
            id: 1,
            name: name.into(),
            peer_urls: vec![format!("http://{host}.demo:2380")],
            client_urls: if started { vec![format!("http://{host}.demo:2379")] } else { Vec::new() },
            is_learner: false,
        }
    }

    #[test]
    fn what_the_lists_say_together() {
        let (b, c) = (member("demo-b", "b", true), member("demo-c", "c", true));
        let with = |one: PeerMember| vec![one, b.clone(), c.clone()];
        let without = vec![b.clone(), c.clone()];
        let founder = with(member("demo-a", "a", false));
        let learner = with(member("", "a", false));
        let started = with(member("demo-a", "a", true));
        let renamed = with(member("demo-a", "elsewhere", true));
        for (lists, peers, quorum) in [
            (vec![], Peers::Silent, false),
            (vec![vec![]], Peers::Silent, false),
            (vec![founder.clone()], Peers::Unstarted, false),
            (vec![founder.clone(), founder.clone()], Peers::Unstarted, true),
            (vec![learner.clone(), without.clone()], Peers::Unstarted, true),
            (vec![without.clone()], Peers::Absent, false),
            (vec![founder, started.clone()], Peers::Started, true),
            (vec![without, started, learner], Peers::Started, true),
            (vec![renamed], Peers::Started, false),
        ] {
            assert_eq!(heard(&assignment(), None, &lists), Heard { peers, quorum }, "{lists:?}");
        }
    }

    #[test]
    fn a_joiner_is_told_the_list_as_it_is() {
        let list = vec![member("", "a", false), member("demo-b", "b", true), member("demo-c", "c", true)];
        for (told, expected) in [
            (&["a", "b", "c"][..], Peers::Unstarted),
            (&["c", "a", "b"], Peers::Unstarted),
            (&["a", "b"], Peers::Otherwise),
            (&["a", "b", "c", "d"], Peers::Otherwise),
            (&["a", "b", "d"], Peers::Otherwise),
        ] {
            let admission = admission(told);
            let older = vec![member("", "a", false), member("demo-b", "b", true)];
            let said = heard(&assignment(), Some(&admission), std::slice::from_ref(&list)).peers;
            assert_eq!(said, expected, "{told:?}");
            let together = heard(&assignment(), Some(&admission), &[list.clone(), older]).peers;
            assert_eq!(
                together == Peers::Unstarted,
                told.len() == 2 || expected == Peers::Unstarted,
                "{told:?}"
            );
        }
    }

    fn admission(hosts: &[&str]) -> Admission {
        let peer = |host: &&str| Peer { name: (*host).into(), url: format!("http://{host}.demo:2380") };
        Admission {
            state: ClusterState::Existing,
            initial_cluster: hosts.iter().map(peer).collect(),
            token: String::new(),
            id: None,
        }
    }

    #[test]
    fn all_names_are_asked_once() {
        let mut admission = admission(&["a", "b"]);
        admission.initial_cluster.push(Peer { name: "c".into(), url: "nonsense".into() });
        let names = |hosts: BTreeSet<Host>| -> Vec<_> {
            hosts.into_iter().map(|host| format!("{}:{}", host.name, host.port)).collect()
        };
        assert_eq!(
            names(hosts(&assignment(), Some(&admission))),
            ["a.demo:2380", "b.demo:2380", "demo:2380"]
        );
        assert_eq!(names(hosts(&assignment(), None)), ["demo:2380"]);
    }
}
