//! A model of etcd: who leads, whose log holds what, and what becomes of a change of the membership.
//!
//! One cluster at a time; its applied member list is the same for everybody. Elections go to a member whose log is up
//! to date among a quorum of those that vote, so what loses an acknowledged write is a voter that forgot its log.

use quorate::plan::{ClusterId, ClusterState, MemberId, Report, quorum, version::Minor};

use crate::{
    certificates::talk,
    invariants::Violation,
    model::{Model, Place, id_of, is_bad},
    versions::{OLD_ENTRIES, Versions},
};

pub struct Entry {
    pub id: MemberId,
    pub uid: u32,
    pub url: String,
    pub name: String,
    pub learner: bool,
}

#[derive(Clone, Debug)]
pub enum Change {
    Add { uid: u32, url: String },
    Promote(MemberId),
    Remove(MemberId),
    Update { id: MemberId, url: String },
}

/// A change that is in the leader's log and not committed. raft allows one.
pub struct Pending {
    pub change: Change,
    pub term: u64,
    pub index: u64,
}

pub struct Etcd {
    pub token: String,
    pub cluster_id: ClusterId,
    pub entries: Vec<Entry>,
    pub leader: Option<u32>,
    pub leader_since: i64,
    pub term: u64,
    pub term_start: u64,
    pub elect_at: i64,
    pub quorum_lost: Option<i64>,
    pub pending: Option<Pending>,
    /// All entries up to here were acknowledged to somebody.
    pub acked: u64,
    pub versions: Versions,
    /// The time, for those who compare certificates with it.
    pub now: i64,
}

impl Etcd {
    /// The cluster that members with the state `new` form.
    pub fn of(admission: &quorate::plan::Admission, places: &[Place], now: i64) -> Self {
        let entries = admission
            .initial_cluster
            .iter()
            .filter_map(|peer| {
                let place = places.iter().find(|place| place.is_at(&peer.url))?;
                Some(Entry {
                    id: id_of(place.uid),
                    uid: place.uid,
                    url: peer.url.clone(),
                    name: peer.name.clone(),
                    learner: false,
                })
            })
            .collect();
        let hash = admission.token.bytes().fold(7u64, |hash, byte| hash * 31 % 0xffff_fffb + u64::from(byte));
        Self {
            token: admission.token.clone(),
            cluster_id: ClusterId(hash),
            entries,
            leader: None,
            leader_since: 0,
            term: 1,
            term_start: 0,
            elect_at: now + 300,
            quorum_lost: None,
            pending: None,
            acked: 0,
            versions: Versions::default(),
            now,
        }
    }

    pub fn entry(&self, uid: u32) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.uid == uid)
    }

    pub fn voter(&self, uid: u32) -> bool {
        self.entry(uid).is_some_and(|entry| !entry.learner)
    }

    pub fn voters(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.learner).count()
    }

    pub fn learners(&self) -> usize {
        self.entries.len() - self.voters()
    }

    fn up<'a>(&'a self, places: &'a [Place]) -> impl Iterator<Item = &'a Place> {
        places.iter().filter(|place| place.joined && self.voter(place.uid))
    }

    /// The leader's place, if it has a quorum.
    pub fn leading<'a>(&self, places: &'a [Place]) -> Option<&'a Place> {
        let leader = places.iter().find(|place| Some(place.uid) == self.leader && place.joined)?;
        let reached = self.up(places).filter(|place| self.linked(leader, place)).count();
        (reached >= quorum(self.voters())).then_some(leader)
    }

    /// The leader, if a linearizable read would be answered.
    pub fn serving<'a>(&self, places: &'a [Place]) -> Option<&'a Place> {
        self.leading(places).filter(|leader| leader.commit >= self.term_start)
    }

    /// What `/readyz` of a voter says.
    pub fn ready(&self, place: &Place, places: &[Place]) -> bool {
        self.serving(places).is_some_and(|leader| self.follows(place, leader))
    }

    fn follows(&self, place: &Place, leader: &Place) -> bool {
        let votes = place.joined && self.voter(place.uid) && place.commit >= self.term_start;
        votes && self.linked(leader, place)
    }

    /// A voter that serves and has its files.
    pub fn healthy(&self, place: &Place, places: &[Place]) -> bool {
        !place.lost() && self.ready(place, places)
    }

    /// What a member answers to Status; nothing before it had a leader.
    pub fn report(&self, place: &Place, places: &[Place]) -> Option<Report> {
        let leader = self.leading(places).filter(|leader| self.linked(leader, place));
        let newer = place.minor() >= Minor::V3_6;
        (place.joined && place.served).then(|| Report {
            id: id_of(place.uid),
            cluster_id: self.cluster_id,
            leader: leader.map(|leader| id_of(leader.uid)),
            term: self.term,
            learner: !self.voter(place.uid),
            raft_index: place.commit,
            applied_index: place.commit,
            db_size: 0,
            db_size_in_use: 0,
            version: place.version.to_string(),
            storage: place.form.storage.filter(|_| newer),
            downgrade: self.versions.downgrade.filter(|_| newer),
            cluster_version: place.form.cluster,
            raft_snapshots: Some(place.form.snapshots),
            revision: 0,
            alarms: Vec::new(),
            ready: self.ready(place, places),
        })
    }

    /// Whether two processes exchange messages.
    pub fn linked(&self, one: &Place, other: &Place) -> bool {
        one.group == other.group && talk(self, one, other)
    }

    fn connected(&self, from: &Place, to: &Place, now: i64) -> bool {
        from.uid == to.uid || (to.joined && self.linked(from, to) && now - from.linked.max(to.linked) >= 5000)
    }

    /// Why etcd refuses a change at once; the rules of its `--strict-reconfig-check`.
    pub fn refuses(
        &self,
        change: &Change,
        leader: &Place,
        places: &[Place],
        now: i64,
    ) -> Option<&'static str> {
        let standing = |uid: u32| places.iter().find(|place| place.uid == uid);
        let voters = || self.entries.iter().filter(|entry| !entry.learner);
        let connected = |uid: u32| standing(uid).is_some_and(|place| self.connected(leader, place, now));
        match change {
            Change::Add { url, .. } => {
                if self.entries.iter().any(|entry| entry.url == *url) {
                    Some("Peer URLs already exists")
                } else if self.learners() > 0 {
                    Some("too many learner members in cluster")
                } else {
                    (!voters().all(|entry| connected(entry.uid))).then_some("unhealthy cluster")
                }
            }
            Change::Promote(id) => {
                let entry = self.entries.iter().find(|entry| entry.id == *id);
                let Some(entry) = entry else { return Some("member not found") };
                let matched = standing(entry.uid).map_or(0, |place| place.log.common(&leader.log));
                if !entry.learner {
                    Some("can only promote a learner member")
                } else {
                    (entry.name.is_empty() || matched * 10 < leader.log.len() * 9)
                        .then_some("can only promote a learner member which is in sync with leader")
                }
            }
            Change::Remove(id) => {
                let entry = self.entries.iter().find(|entry| entry.id == *id)?;
                let linked = standing(entry.uid).is_some_and(|p| p.joined && self.linked(leader, p));
                if entry.learner || (!linked && entry.uid != leader.uid) {
                    return None;
                }
                let active = voters().filter(|entry| connected(entry.uid)).count();
                (active < 2 + (self.voters() - 1) / 2).then_some("unhealthy cluster")
            }
            Change::Update { id, url } => {
                if self.entries.iter().all(|entry| entry.id != *id) {
                    Some("member not found")
                } else {
                    let taken = |entry: &Entry| entry.url == *url && entry.id != *id;
                    self.entries.iter().any(taken).then_some("Peer URLs already exists")
                }
            }
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Add { uid, url } => {
                self.entries.push(Entry { id: id_of(uid), uid, url, name: String::new(), learner: true });
            }
            Change::Promote(id) => {
                self.entries
                    .iter_mut()
                    .filter(|entry| entry.id == id)
                    .for_each(|entry| entry.learner = false);
            }
            Change::Remove(id) => self.entries.retain(|entry| entry.id != id),
            Change::Update { id, url } => {
                self.entries
                    .iter_mut()
                    .filter(|entry| entry.id == id)
                    .for_each(|entry| entry.url.clone_from(&url));
            }
        }
    }
}

impl Model {
    /// Time goes by, and etcd goes on.
    pub fn pass_time(&mut self, milliseconds: i64) -> Result<(), Violation> {
        let mut left = milliseconds;
        while left > 0 {
            let slice = left.min(700);
            left -= slice;
            self.now += slice;
            if let Some(etcd) = &mut self.etcd {
                etcd.now = self.now;
            }
            self.boot();
            self.keep_snapshots();
            if let Some(mut etcd) = self.etcd.take() {
                let result = self.turn(&mut etcd, slice);
                self.etcd = Some(etcd);
                result?;
            }
        }
        Ok(())
    }

    /// Processes that just started open their data, or learn about the cluster from their peers.
    fn boot(&mut self) {
        let now = self.now;
        for index in 0..self.places.len() {
            let place = &self.places[index];
            if !place.running() || place.joined || now < place.boot_at {
                continue;
            }
            if is_bad(&place.options) {
                self.places[index].exit(now, "flag provided but not defined: -no-such-flag");
                self.cover.hit("roll: ended for a bad flag");
                continue;
            }
            if place.corrupt {
                self.places[index].exit(now, "wal: crc mismatch");
                continue;
            }
            if !place.folder && !place.amnesia {
                let admission = place.admission.clone();
                let fits = admission.is_some_and(|admission| match admission.state {
                    ClusterState::New => true,
                    ClusterState::Existing => self.vouched(index, &admission.initial_cluster),
                });
                if !fits {
                    self.places[index].exit(now, "discovery failed: error validating peerURLs");
                    continue;
                }
            }
            if let Some(words) = self.unfit(&self.places[index]) {
                self.places[index].exit(now, words);
                self.cover.hit(if words == OLD_ENTRIES {
                    "start: old raft entries"
                } else {
                    "start: refused, version"
                });
                continue;
            }
            let place = &mut self.places[index];
            place.form.begin(place.version.minor());
            place.folder = true;
            place.joined = true;
            place.linked = place.linked.max(now);
        }
    }

    /// Whether a peer answers whose member list is the one this member was told.
    fn vouched(&self, index: usize, told: &[quorate::plan::Peer]) -> bool {
        let place = &self.places[index];
        let Some(etcd) = &self.etcd else { return false };
        let peer =
            |other: &Place| other.joined && etcd.linked(place, other) && etcd.entry(other.uid).is_some();
        told.len() == etcd.entries.len()
            && etcd.entries.iter().all(|entry| told.iter().any(|peer| peer.url == entry.url))
            && self.places.iter().any(peer)
    }

    fn turn(&mut self, etcd: &mut Etcd, slice: i64) -> Result<(), Violation> {
        self.end_removed(etcd);
        self.lead(etcd)?;
        self.write(etcd);
        self.replicate(etcd, slice);
        self.follow_versions(etcd);
        self.look(etcd);
        self.note_hindrances(etcd);
        Ok(())
    }

    /// A removed member ends once it hears of it; its exit code says nothing.
    fn end_removed(&mut self, etcd: &Etcd) {
        let Some(group) = etcd.leading(&self.places).map(|leader| leader.group) else { return };
        let now = self.now;
        for index in 0..self.places.len() {
            let place = &mut self.places[index];
            if place.joined && place.group == group && etcd.entry(place.uid).is_none() {
                place.exit(now, "the member has been permanently removed from the cluster");
                self.cover.hit("removed member ended by itself");
            }
        }
    }

    fn lead(&mut self, etcd: &mut Etcd) -> Result<(), Violation> {
        if let Some(leader) = etcd.leader {
            let there =
                etcd.voter(leader) && self.places.iter().any(|place| place.uid == leader && place.joined);
            if there && etcd.leading(&self.places).is_some() {
                etcd.quorum_lost = None;
                return Ok(());
            }
            // A leader that lost its quorum notices after an election timeout.
            let since = *etcd.quorum_lost.get_or_insert(self.now);
            if there && self.now - since < 1000 {
                return Ok(());
            }
            etcd.leader = None;
            etcd.elect_at = self.now + self.rng.between(100, 2500);
            if there {
                self.cover.hit("quorum lost");
            }
        }
        if self.now < etcd.elect_at {
            return Ok(());
        }
        let needed = quorum(etcd.voters());
        let mut fit = Vec::new();
        for candidate in etcd.up(&self.places) {
            let peers = || etcd.up(&self.places).filter(|peer| etcd.linked(peer, candidate));
            if peers().filter(|peer| peer.log.rank() <= candidate.log.rank()).count() >= needed {
                fit.push(candidate.uid);
            }
        }
        if fit.is_empty() {
            return Ok(());
        }
        let elected = fit[self.rng.below(fit.len())];
        self.crown(etcd, elected)
    }

    pub fn crown(&mut self, etcd: &mut Etcd, elected: u32) -> Result<(), Violation> {
        let now = self.now;
        etcd.term += 1;
        etcd.leader = Some(elected);
        etcd.leader_since = now;
        etcd.quorum_lost = None;
        self.cover.hit("election");
        let Some(leader) = self.places.iter_mut().find(|place| place.uid == elected) else { return Ok(()) };
        let held = leader.log.len();
        leader.log.append(etcd.term, 1);
        etcd.term_start = leader.log.len();
        let name = leader.name.clone();
        let kept = |pending: &Pending| leader.log.term_at(pending.index) == Some(pending.term);
        if etcd.pending.as_ref().is_some_and(|pending| !kept(pending)) {
            etcd.pending = None;
            self.cover.hit("call: never commits");
        }
        self.say(|| format!("etcd: {name} leads in term {} with {held} entries", etcd.term));
        if held < etcd.acked {
            return Err(Violation::new(
                "acknowledged write lost",
                format!("{name} leads with {held} entries, and {} were acknowledged", etcd.acked),
            ));
        }
        Ok(())
    }

    fn write(&mut self, etcd: &Etcd) {
        let most = if self.quiet { 10 } else { 900 };
        let entries = if self.record.cluster_id.is_some() { self.rng.below(most) as u64 } else { 1 };
        let Some(leader) = etcd.leading(&self.places).map(|leader| leader.uid) else { return };
        if let Some(place) = self.places.iter_mut().find(|place| place.uid == leader) {
            place.log.append(etcd.term, entries);
        }
    }

    /// The leader's log reaches those it reaches, and what a quorum has is committed and applied.
    pub fn replicate(&mut self, etcd: &mut Etcd, slice: i64) {
        let Some(at) = self.places.iter().position(|place| Some(place.uid) == etcd.leader && place.joined)
        else {
            return;
        };
        let leader = &self.places[at];
        let reached: Vec<bool> =
            self.places.iter().map(|place| place.joined && etcd.linked(leader, place)).collect();
        let (log, form, applied) = (leader.log.clone(), leader.form.clone(), leader.commit);
        let mut matched = Vec::new();
        for (index, place) in self.places.iter_mut().enumerate() {
            if !reached[index] || !place.joined {
                continue;
            }
            let Some(entry) = etcd.entries.iter_mut().find(|entry| entry.uid == place.uid) else { continue };
            if index != at {
                // The leader remembers how far this one was, and counts on it.
                if place.amnesia && etcd.leader_since < place.linked && place.log.len() == 0 && log.len() > 1
                {
                    place.exit(self.now, "panic: tocommit(41) is out of range [lastIndex(0)]");
                    continue;
                }
                if place.form.receive(place.log.len(), &form, applied) {
                    self.cover.hit("raft snapshot: received");
                }
                let rate = if place.slow { 2 } else { 40 };
                place.log.follow(&log, (slice * rate) as u64);
            }
            if entry.name.is_empty() && place.log.len() * 2 > log.len() {
                entry.name.clone_from(&place.name.0);
            }
            if !entry.learner {
                matched.push(place.log.len());
            }
        }
        matched.sort_unstable_by(|a, b| b.cmp(a));
        let needed = quorum(etcd.voters());
        let commit = matched.get(needed - 1).copied().unwrap_or_default();
        if commit < etcd.term_start {
            return;
        }
        for (place, _) in
            self.places.iter_mut().zip(reached).filter(|(place, reached)| *reached && place.joined)
        {
            if etcd.entry(place.uid).is_some() {
                place.commit = place.commit.max(commit.min(place.log.len()));
                place.served = true;
            }
        }
        if self.record.cluster_id.is_some() && commit > etcd.acked {
            etcd.acked = commit;
            self.cover.hit("write acknowledged");
        }
        if let Some(pending) = etcd.pending.take_if(|pending| pending.index <= commit) {
            self.say(|| format!("etcd: committed {:?}", pending.change));
            etcd.apply(pending.change);
            if etcd.leader.is_some_and(|leader| !etcd.voter(leader)) {
                etcd.leader = None;
                etcd.elect_at = self.now + self.rng.between(1000, 1700);
            }
        }
    }

    /// Remembers who is healthy now: an operator acts upon what it saw a moment ago.
    pub fn look(&mut self, etcd: &Etcd) {
        // Who leads is found once, not for each member: this is most of what a seed takes.
        let leader = etcd.serving(&self.places);
        let ready = |place: &Place| leader.is_some_and(|leader| etcd.follows(place, leader));
        let healthy: Vec<bool> = self.places.iter().map(|place| !place.lost() && ready(place)).collect();
        for (place, healthy) in self.places.iter_mut().zip(healthy) {
            if healthy {
                place.healthy_at = self.now;
            }
        }
    }
}
