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
    words::{Assignment, PEER_PORT, PEER_TLS_PORT},
};
use crate::{
    etcd::{PeerMember, http::Http},
    plan::{Admission, Scheme, quorum},
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
    let asked = [Scheme::Http, Scheme::Https].map(async |scheme| {
        let lists = lists(http, scheme, hosts(assignment, admission, scheme)).await;
        heard(assignment, admission, &lists)
    });
    // A peer that listens under both schemes answers twice, so those who answered are counted under each for itself.
    let said = join_all(asked).await;
    Heard {
        peers: said.iter().map(|heard| heard.peers).max_by_key(rank).unwrap_or(Peers::Silent),
        quorum: said.iter().any(|heard| heard.quorum),
    }
}

/// The lists that are told at these hosts under a scheme.
async fn lists(http: &Http, scheme: Scheme, hosts: BTreeSet<Host>) -> Vec<Vec<PeerMember>> {
    let until = Instant::now() + PATIENCE;
    let left = || until.saturating_duration_since(Instant::now());
    let found = join_all(hosts.iter().map(|host| tokio::time::timeout(left(), host.addresses()))).await;
    // One member may be found by several names.
    let addresses: BTreeSet<SocketAddr> = found.into_iter().flatten().flatten().collect();
    let answers = join_all(addresses.into_iter().map(|address| async move {
        let reply = http.get(&format!("{}://{address}/members", scheme.name()), left()).await.ok()?;
        PeerMember::list(&reply.body).ok().filter(|_| reply.status == 200)
    }));
    answers.await.into_iter().flatten().collect()
}

/// The hosts of all members by the name that stands for all of them, and those that it was told.
fn hosts(assignment: &Assignment, admission: Option<&Admission>, scheme: Scheme) -> BTreeSet<Host> {
    let own = [Some(&assignment.peer_url), assignment.second_peer_url.as_ref()].into_iter().flatten();
    let all = own.map(|url| (Host { name: assignment.peers.clone(), port: port(url) }, Scheme::of(url)));
    let told = admission.into_iter().flat_map(|one| &one.initial_cluster);
    let told = told.filter_map(|peer| Some((Host::of(&peer.url)?, Scheme::of(&peer.url))));
    told.chain(all).filter(|(_, of)| *of == scheme).map(|(host, _)| host).collect()
}

fn port(url: &str) -> u16 {
    let usual = if Scheme::of(url) == Scheme::Https { PEER_TLS_PORT } else { PEER_PORT };
    Host::of(url).map_or(usual, |host| host.port)
}

/// Who knows more is believed.
fn rank(peers: &Peers) -> u8 {
    match peers {
        Peers::NotAsked | Peers::Silent => 0,
        Peers::Absent => 1,
        Peers::Otherwise => 2,
        Peers::Unstarted => 3,
        Peers::Started => 4,
    }
}

/// What the lists say together. That it was started once is believed if only one says so.
fn heard(assignment: &Assignment, admission: Option<&Admission>, lists: &[Vec<PeerMember>]) -> Heard {
    let said = lists.iter().map(|list| of_list(assignment, admission, list));
    let members = lists.iter().map(Vec::len).max().unwrap_or_default();
    Heard {
        peers: said.max_by_key(rank).unwrap_or(Peers::Silent),
        quorum: members > 0 && lists.len() >= quorum(members),
    }
}

fn of_list(assignment: &Assignment, admission: Option<&Admission>, list: &[PeerMember]) -> Peers {
    let own = |one: &&PeerMember| {
        one.name == assignment.name.0 || one.peer_urls.iter().any(|url| assignment.is_at(url))
    };
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
            transport: Default::default(),
            peer_url: "http://a.demo:2380".into(),
            second_peer_url: None,
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
        let (mut own, http, https) = (assignment(), Scheme::Http, Scheme::Https);
        assert_eq!(names(hosts(&own, Some(&admission), http)), ["a.demo:2380", "b.demo:2380", "demo:2380"]);
        assert_eq!(names(hosts(&own, None, http)), ["demo:2380"]);
        assert_eq!(names(hosts(&own, Some(&admission), https)), [""; 0]);
        own.second_peer_url = Some("https://a.demo:2383".into());
        admission.initial_cluster.push(Peer { name: "d".into(), url: "https://d.demo:2383".into() });
        assert_eq!(names(hosts(&own, Some(&admission), https)), ["d.demo:2383", "demo:2383"]);
    }
}
