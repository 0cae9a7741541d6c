//! Carrying a step out: on the platform, or by a call to etcd whose answer may be lost.

use std::cmp::Ordering;

use quorate::plan::{ClusterState, MemberName, Recipe, Sides, Step, Transport};

use crate::{
    ends::Ends,
    etcd::{Change, Etcd, Pending},
    invariants::Violation,
    log::Log,
    model::{Model, Place, State, id_of},
    versions::Form,
};

/// What the engine gets back; an error says nothing about whether the effect took place.
pub type Answer = Result<(), &'static str>;

impl Model {
    pub fn carry_out(&mut self, step: &Step) -> Result<Answer, Violation> {
        if self.faulty && self.rng.per_mille(8) {
            self.cover.hit("platform call failed");
            return Ok(Err("the call failed and had no effect"));
        }
        let now = self.now;
        match step {
            Step::Reserve { name, serial, recipe, .. } => {
                self.record.serial = *serial;
                if self.faulty && self.rng.per_mille(20) {
                    self.cover.hit("serial given out, place not made");
                    return Ok(Err("the operator ended between the serial and the place"));
                }
                self.cover.hit("reserve");
                self.reserve(name, recipe);
                Ok(Ok(()))
            }
            Step::RecordFormed { cluster_id } => {
                self.record.cluster_id = Some(*cluster_id);
                self.cover.hit("bootstrap");
                Ok(Ok(()))
            }
            Step::Discard { name } => {
                self.cover.hit("discard");
                if self.record.cluster_id.is_none() {
                    self.cover.hit("bootstrap started over");
                }
                self.places.retain(|place| place.name != *name);
                Ok(Ok(()))
            }
            Step::TakeUp { name, .. } => panic!("{name} was left behind by nobody"),
            Step::Admit { name, admission } => {
                self.cover.hit("admit");
                let Some(index) = self.index(name) else { return Ok(Err("no such member")) };
                self.places[index].admission = Some(admission.clone());
                let formed = self.etcd.as_ref().is_some_and(|etcd| etcd.token == admission.token);
                if admission.state == ClusterState::New && !formed {
                    self.etcd = Some(Etcd::of(admission, &self.places, now));
                }
                Ok(Ok(()))
            }
            Step::Start { name, .. } => Ok(self.start(name)),
            Step::Stop { name } => {
                let Some(index) = self.index(name) else { return Ok(Err("no such member")) };
                self.cover.hit("restart on request");
                self.places[index].end(now, 0, "");
                Ok(Ok(()))
            }
            Step::Renew { name, recipe } => {
                let Some(index) = self.index(name) else { return Ok(Err("no such member")) };
                let (from, to) = (self.places[index].version, recipe.version);
                let place = &mut self.places[index];
                place.end(now, 0, "");
                place.version = recipe.version;
                let moves = place.transport != recipe.transport;
                place.options = recipe.options.clone();
                place.transport = recipe.transport.clone();
                place.draining = place.draining.or(Some(now));
                self.cover.hit(match (from.minor().cmp(&to.minor()), from != to, moves) {
                    (Ordering::Less, ..) => "roll: minor up",
                    (Ordering::Greater, ..) => "roll: minor down",
                    (_, true, _) => "roll: version",
                    (_, _, true) => "roll: transport",
                    _ => "roll: options",
                });
                Ok(Ok(()))
            }
            Step::Snapshot { name, to } => Ok(self.begin_snapshot(name, *to)),
            Step::EnableDowngrade { to } => Ok(self.enable_downgrade(*to)),
            Step::CancelDowngrade => Ok(self.cancel_downgrade()),
            Step::Drain { name } => {
                self.cover.hit("drain");
                Ok(self.set_draining(name, Some(now)))
            }
            Step::Undrain { name } => {
                self.cover.hit("undrain");
                Ok(self.set_draining(name, None))
            }
            Step::AddAuthority { side } => Ok(self.add_authority(*side)),
            Step::UseAuthority { side, id } => Ok(self.use_authority(*side, id)),
            Step::DropAuthority { side, id } => Ok(self.drop_authority(*side, id)),
            Step::UpdatePeerUrl { id, peer_url, .. } => {
                let change = Change::Update { id: *id, url: peer_url.clone() };
                self.change(change, "update of a peer URL", "update of a peer URL: answer lost")
            }
            Step::AddLearner { peer_url, .. } => {
                let Some(place) = self.places.iter().find(|place| place.is_at(peer_url)) else {
                    return Ok(Err("no such place"));
                };
                let change = Change::Add { uid: place.uid, url: peer_url.clone() };
                self.change(change, "add", "add: answer lost")
            }
            Step::Promote { id, .. } => self.change(Change::Promote(*id), "promote", "promote: answer lost"),
            Step::Remove { id, .. } => self.change(Change::Remove(*id), "remove", "remove: answer lost"),
            Step::MoveLeader { from, to, .. } => self.move_leader(from.0, to.0),
        }
    }

    fn reserve(&mut self, name: &MemberName, recipe: &Recipe) {
        let uid = self.next_uid;
        self.next_uid += 1;
        self.names.insert(name.clone());
        let node = format!("node{}", self.rng.below(4));
        self.places.push(Place {
            uid,
            name: name.clone(),
            created: self.now,
            version: recipe.version,
            options: recipe.options.clone(),
            storage: self.storage,
            transport: recipe.transport.clone(),
            started_with: Transport::default(),
            leaf: Sides::default(),
            ends: Ends::default(),
            node,
            admission: None,
            draining: None,
            returned: None,
            restart_requested: None,
            replace_requested: false,
            process: State::NotStarted,
            started: false,
            folder: false,
            corrupt: false,
            blocked: false,
            amnesia: false,
            joined: false,
            boot_at: 0,
            ended: 0,
            served: false,
            linked: 0,
            group: 0,
            slow: self.faulty && self.rng.per_mille(100),
            log: Log::default(),
            commit: 0,
            form: Form::default(),
            healthy_at: 0,
            said: None,
        });
    }

    fn start(&mut self, name: &MemberName) -> Answer {
        let Some(index) = self.index(name) else { return Err("no such member") };
        if self.faulty && self.rng.per_mille(5) {
            // Nobody but the starter itself can see that any more.
            self.empty(index);
        }
        let (now, guard) = (self.now, self.guard);
        let boot_at = now + self.rng.between(50, 500);
        self.renew_leaf(index);
        let lacks = self.lacks_certificates(&self.places[index].transport, index);
        let place = &mut self.places[index];
        if place.admission.is_none() || place.running() {
            return Err("it may not start");
        }
        if lacks {
            place.process = State::Blocked { at: now };
            self.cover.hit("start: refused, no certificate");
            return Err("its certificate is missing");
        }
        if place.blocked {
            place.process = State::Blocked { at: now };
            return Err("its port is taken");
        }
        if place.started && !place.folder {
            if guard {
                place.exit(now, "its data folder is empty, so it is not started");
                self.cover.hit("start: refused, folder emptied");
                return Err("its folder is empty");
            }
            place.amnesia = true;
            place.folder = true;
        }
        place.started = true;
        place.started_with = place.transport.clone();
        place.process = State::Running { since: now };
        place.boot_at = boot_at;
        self.cover.hit("start");
        Ok(())
    }

    fn set_draining(&mut self, name: &MemberName, since: Option<i64>) -> Answer {
        let Some(index) = self.index(name) else { return Err("no such member") };
        let now = self.now;
        let place = &mut self.places[index];
        place.draining = since;
        if since.is_none() {
            place.returned = Some(now);
        }
        Ok(())
    }

    fn change(
        &mut self,
        change: Change,
        done: &'static str,
        lost: &'static str,
    ) -> Result<Answer, Violation> {
        let Some(mut etcd) = self.etcd.take() else { return Ok(Err("nobody answers")) };
        let answer = self.propose(&mut etcd, change, done, lost);
        self.etcd = Some(etcd);
        if answer == Err("request timed out") {
            let patience = self.rng.between(500, 3000);
            self.pass_time(patience)?;
        }
        Ok(answer)
    }

    fn propose(&mut self, etcd: &mut Etcd, change: Change, done: &'static str, lost: &'static str) -> Answer {
        // A leader that lost its quorum a moment ago takes calls as before.
        let known = etcd.leader.and_then(|leader| self.place(leader)).filter(|leader| leader.joined);
        let Some(leader) = known else { return Err("request timed out") };
        let uid = leader.uid;
        if let Change::Remove(id) = &change
            && !etcd.entries.iter().any(|entry| entry.id == *id)
        {
            return Ok(());
        }
        if let Some(refusal) = etcd.refuses(&change, leader, &self.places, self.now) {
            if refusal == "unhealthy cluster" && matches!(change, Change::Add { .. }) {
                self.cover.hit("add: refused, unhealthy cluster");
            }
            return Err(refusal);
        }
        if etcd.pending.is_some() {
            return Err("request timed out");
        }
        let index = {
            let Some(leader) = self.places.iter_mut().find(|place| place.uid == uid) else {
                return Err("nobody answers");
            };
            leader.log.append(etcd.term, 1);
            leader.log.len()
        };
        etcd.pending = Some(Pending { change, term: etcd.term, index });
        if self.faulty && self.rng.per_mille(60) {
            // The leader is cut off with the entry in its log: it commits when the others are back, or never.
            let now = self.now;
            for place in self.places.iter_mut().filter(|place| place.uid == uid) {
                place.group = 7;
                place.linked = now;
            }
            self.heal_at = Some(now + self.rng.between(100, 2500));
            self.say(|| "fault: the leader is cut off while it is asked".into());
        }
        self.replicate(etcd, 200);
        if etcd.pending.is_some() {
            self.cover.hit("call: commits late");
            return Err("request timed out");
        }
        self.cover.hit(done);
        if self.faulty && self.rng.per_mille(80) {
            self.cover.hit(lost);
            return Err("request timed out");
        }
        Ok(())
    }

    fn move_leader(&mut self, from: u64, to: u64) -> Result<Answer, Violation> {
        let Some(mut etcd) = self.etcd.take() else { return Ok(Err("nobody answers")) };
        let leader = etcd.leading(&self.places).filter(|leader| id_of(leader.uid).0 == from);
        let reached = leader.and_then(|leader| {
            let target = |place: &&Place| place.joined && id_of(place.uid).0 == to;
            let target = self.places.iter().find(target).filter(|place| etcd.linked(leader, place))?;
            Some((target.uid, leader.log.clone()))
        });
        let stuck = self.faulty && self.rng.per_mille(50);
        let target = reached.filter(|_| !stuck).and_then(|(uid, log)| {
            let place = self.places.iter_mut().find(|place| place.uid == uid)?;
            place.log.follow(&log, u64::MAX / 2);
            Some(uid)
        });
        let result = match target.filter(|target| etcd.voter(*target)) {
            Some(target) => self.crown(&mut etcd, target).map(|()| true),
            None => Ok(false),
        };
        if result.is_ok() && target.is_some() {
            self.replicate(&mut etcd, 100);
        }
        self.etcd = Some(etcd);
        if result? {
            self.cover.hit("leader moved");
            return Ok(Ok(()));
        }
        self.cover.hit("leader move: no answer");
        self.pass_time(2000)?;
        Ok(Err("no answer within 2 s"))
    }
}
