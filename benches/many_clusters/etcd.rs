//! One etcd cluster that is only acted: its member list and its leader, changed by the calls that the operator makes.

use std::collections::BTreeSet;

use prost::Message;

use super::messages::{Add, Added, Bare, HashKv, Header, Member, Members, Status, Target};

/// The revision of every cluster: nobody writes.
const REVISION: i64 = 1;
const TERM: u64 = 2;
/// The size of an etcd database that holds nothing.
const DATABASE: i64 = 20_480;
/// The hash of nothing.
const HASH: u32 = 0x5eed;

/// A call that was refused: the code of gRPC, and etcd's words.
pub struct Refusal(pub u32, pub &'static str);

const NO_LEADER: Refusal = Refusal(14, "etcdserver: no leader");
const NOT_FOUND: Refusal = Refusal(5, "etcdserver: member not found");
const NOT_LEADER: Refusal = Refusal(9, "etcdserver: not leader");
const NOT_READY: Refusal =
    Refusal(9, "etcdserver: can only promote a learner member which is in sync with leader");
const UNKNOWN: Refusal = Refusal(12, "unknown call");
const MALFORMED: Refusal = Refusal(13, "malformed request");

/// An etcd cluster.
#[derive(Default)]
pub struct Etcd {
    id: u64,
    members: Vec<Member>,
    /// Who runs.
    running: BTreeSet<u64>,
    leader: u64,
    given_out: u64,
}

impl Etcd {
    /// A founder starts: the first one brings the list that all were told.
    pub fn found(&mut self, id: u64, name: &str, list: impl Iterator<Item = (String, String)>) -> u64 {
        if self.members.is_empty() {
            self.id = id;
            for (name, url) in list {
                let member = self.new_member(name, url, false);
                self.members.push(member);
            }
        }
        self.start(|member| member.name == name)
    }

    /// A member starts that was added before: from then on it has a name.
    pub fn join(&mut self, name: &str, peer_url: &str) -> u64 {
        if let Some(member) =
            self.members.iter_mut().find(|one| one.peer_urls.iter().any(|url| url == peer_url))
        {
            member.name = name.to_owned();
        }
        self.start(|member| member.name == name)
    }

    fn start(&mut self, which: impl Fn(&Member) -> bool) -> u64 {
        let Some(member) = self.members.iter_mut().find(|one| which(one)) else { return 0 };
        member.client_urls = vec!["http://acted:2379".into()];
        let id = member.id;
        self.running.insert(id);
        self.elect();
        id
    }

    /// A member's process ends.
    pub fn stop(&mut self, id: u64) {
        self.running.remove(&id);
        self.elect();
    }

    /// Whether a member is one of them.
    pub fn lists(&self, id: u64) -> bool {
        self.members.iter().any(|member| member.id == id)
    }

    /// Whether it answers `/readyz` well.
    pub fn ready(&self, id: u64) -> bool {
        self.leader != 0 && self.running.contains(&id)
    }

    /// The list as peers tell it, without a quorum.
    pub fn hearsay(&self) -> serde_json::Value {
        let member = |one: &Member| {
            serde_json::json!({
                "id": one.id,
                "name": one.name,
                "peerURLs": one.peer_urls,
                "clientURLs": one.client_urls,
                "isLearner": one.learner,
            })
        };
        self.members.iter().map(member).collect()
    }

    /// The leader stays while it runs; without a majority of voters there is none.
    fn elect(&mut self) {
        let voters = || self.members.iter().filter(|one| !one.learner);
        let up: Vec<_> = voters().map(|one| one.id).filter(|id| self.running.contains(id)).collect();
        if up.len() * 2 <= voters().count() {
            self.leader = 0;
        } else if !up.contains(&self.leader) {
            self.leader = up.first().copied().unwrap_or_default();
        }
    }

    fn new_member(&mut self, name: String, url: String, learner: bool) -> Member {
        self.given_out += 1;
        Member { id: self.id ^ self.given_out, name, peer_urls: vec![url], client_urls: Vec::new(), learner }
    }

    /// Answers a call made to the member `own`.
    pub fn answer(&mut self, own: u64, path: &str, request: &[u8]) -> Result<Vec<u8>, Refusal> {
        let header =
            Some(Header { cluster_id: self.id, member_id: own, revision: REVISION, raft_term: TERM });
        if path == "/etcdserverpb.Maintenance/Status" {
            let learner = self.members.iter().any(|one| one.id == own && one.learner);
            return Ok(Status {
                header,
                version: "3.6.16".into(),
                db_size: DATABASE,
                leader: self.leader,
                raft_index: 10,
                raft_term: TERM,
                raft_applied_index: 10,
                db_size_in_use: DATABASE,
                learner,
            }
            .encode_to_vec());
        }
        if self.leader == 0 {
            return Err(NO_LEADER);
        }
        match path {
            "/etcdserverpb.Cluster/MemberList" => {}
            "/etcdserverpb.Maintenance/Alarm" => return Ok(Bare { header }.encode_to_vec()),
            "/etcdserverpb.Maintenance/HashKV" => {
                return Ok(HashKv { header, hash: HASH, compact_revision: -1 }.encode_to_vec());
            }
            "/etcdserverpb.Maintenance/MoveLeader" if own == self.leader => {
                let to = target(request)?.id;
                self.leader = if self.running.contains(&to) { to } else { own };
                return Ok(Bare { header }.encode_to_vec());
            }
            "/etcdserverpb.Maintenance/MoveLeader" => return Err(NOT_LEADER),
            "/etcdserverpb.Cluster/MemberAdd" => {
                let Add { peer_urls, learner } = Add::decode(request).map_err(|_| MALFORMED)?;
                let url = peer_urls.into_iter().next().ok_or(MALFORMED)?;
                let member = self.new_member(String::new(), url, learner);
                self.members.push(member.clone());
                return Ok(
                    Added { header, member: Some(member), members: self.members.clone() }.encode_to_vec()
                );
            }
            "/etcdserverpb.Cluster/MemberRemove" => {
                let id = target(request)?.id;
                let before = self.members.len();
                self.members.retain(|one| one.id != id);
                if self.members.len() == before {
                    return Err(NOT_FOUND);
                }
                self.stop(id);
            }
            "/etcdserverpb.Cluster/MemberPromote" => {
                let id = target(request)?.id;
                let ready = self.running.contains(&id);
                let member = self.members.iter_mut().find(|one| one.id == id).ok_or(NOT_FOUND)?;
                if !ready {
                    return Err(NOT_READY);
                }
                member.learner = false;
            }
            "/etcdserverpb.Cluster/MemberUpdate" => {
                let Target { id, peer_urls } = target(request)?;
                self.members.iter_mut().find(|one| one.id == id).ok_or(NOT_FOUND)?.peer_urls = peer_urls;
            }
            _ => return Err(UNKNOWN),
        }
        Ok(Members { header, members: self.members.clone() }.encode_to_vec())
    }
}

fn target(request: &[u8]) -> Result<Target, Refusal> {
    Target::decode(request).map_err(|_| MALFORMED)
}
