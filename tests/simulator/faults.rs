//! What goes wrong, and what people ask for meanwhile.

use quorate::plan::{
    EtcdVersion, Side,
    divergence::{Divergence, Outcome},
    version::{Minor, TransitionError, transition},
};

use crate::{
    invariants,
    model::{
        Model, Place, State, at, bad_options, edited_version, good_options, random_size, random_source,
        version,
    },
    versions::OLD_ENTRIES,
};

impl Model {
    /// One fault or one edit, by chance.
    pub fn fault(&mut self) {
        self.hindered.authorities = self.now;
        let chosen = self.rng.below(122);
        let Some(index) = (!self.places.is_empty()).then(|| self.rng.below(self.places.len())) else {
            return;
        };
        let name = self.places[index].name.clone();
        match chosen {
            0..24 => self.kill(index),
            24..36 => self.empty(index),
            36..40 => {
                self.kill(index);
                self.empty(index);
            }
            40..44 => self.damage(index),
            44..56 => self.partition(),
            56..64 => {
                self.cover.hit("fault: start blocked");
                self.places[index].blocked ^= true;
                self.kill(index);
                self.say(|| format!("fault: the port of {name} is taken or freed"));
            }
            64..66 => {
                // All at once, as when a machine goes down; half of the time with what they had on disk.
                let emptied = self.rng.per_mille(500);
                for index in 0..self.places.len() {
                    if self.rng.per_mille(700) {
                        self.kill(index);
                    }
                    if emptied && self.rng.per_mille(700) {
                        self.empty(index);
                    }
                }
            }
            66..68 => self.desired.paused ^= true,
            68..69 => self.vanish(index),
            69..74 => {
                self.desired.size = random_size(&mut self.rng);
                self.cover.hit("spec: size");
                let size = self.desired.size;
                self.say(|| format!("edit: size {size}"));
            }
            74..76 => {
                self.edit_version();
            }
            76..79 => {
                let bad = self.rng.per_mille(300);
                let number = self.rng.below(3) as i64;
                self.desired.options = if bad { bad_options() } else { good_options(number) };
                self.cover.hit(if bad { "spec: bad options" } else { "spec: options" });
                self.say(|| format!("edit: {} options", if bad { "bad" } else { "good" }));
            }
            79..82 => {
                let everyone = self.rng.per_mille(400);
                for (at, place) in self.places.iter_mut().enumerate() {
                    if everyone || at == index {
                        place.restart_requested = Some(self.now);
                    }
                }
                self.cover.hit("request: restart");
                self.say(|| format!("edit: restart {name}"));
            }
            82..88 => {
                let everyone = self.rng.per_mille(200);
                for (at, place) in self.places.iter_mut().enumerate() {
                    place.replace_requested |= everyone || at == index;
                }
                self.cover.hit("request: replace");
                self.say(|| format!("edit: replace {name}"));
            }
            88..90 => {
                self.divergence = match self.divergence {
                    Some(_) => None,
                    None => Some(Divergence {
                        at: at(self.now),
                        took: std::time::Duration::ZERO,
                        voters: Vec::new(),
                        outcome: Outcome::Differ(Vec::new()),
                    }),
                };
                self.cover.hit("divergence");
                self.say(|| "fault: the members differ, or no more".into());
            }
            90..93 => {
                self.places[index].slow ^= true;
            }
            93..95 => {
                self.storage += 1;
                self.desired.replaces_misplaced = self.rng.per_mille(700);
                self.cover.hit("spec: storage");
                self.say(|| "edit: storage".into());
            }
            95..103 => {
                let side = if self.rng.per_mille(500) { Side::Peer } else { Side::Client };
                let source = random_source(&mut self.rng);
                *self.desired.tls.get_mut(side) = source;
                self.desired.client_plaintext = self.rng.per_mille(200);
                self.cover.hit("spec: TLS");
                self.say(|| format!("edit: {side} TLS {source:?}"));
            }
            103..110 => {
                self.desired.rotate = Some(at(self.now));
                self.cover.hit("request: rotation");
                self.say(|| "edit: rotate".into());
            }
            110..113 => {
                let side = if self.rng.per_mille(500) { Side::Peer } else { Side::Client };
                let problem = &mut self.certificates.get_mut(side).problem;
                *problem = problem.is_none().then(|| "a Secret is missing".to_owned());
                self.cover.hit("fault: certificates missing");
                self.say(|| format!("fault: the {side} certificates are missing, or no more"));
            }
            113..117 => self.edit_version(),
            _ => {
                self.end_operator();
                let down = self.rng.between(1000, 20_000);
                self.away_until = self.now + down;
                self.say(|| format!("fault: no operator for {down} ms"));
            }
        }
        if self.desired.paused {
            self.cover.hit("spec: paused");
        }
    }

    fn edit_version(&mut self) {
        if self.rng.per_mille(300) {
            self.age_snapshots();
        }
        // People take a change back, too: to what some member is made for.
        let back = self.rng.per_mille(250);
        let to =
            if back { self.oldest().unwrap_or(self.desired.version) } else { edited_version(&mut self.rng) };
        self.desired.version = to;
        self.cover.hit(if self.refused().is_some() { "spec: version, refused" } else { "spec: version" });
        self.say(|| format!("edit: version {to}"));
    }

    /// A person puts the spec back where 3.7 meets entries of 3.5 that came after the raft snapshots.
    pub fn put_back(&mut self) {
        let ended =
            |place: &Place| matches!(place.process, State::Exited { words, .. } if words == OLD_ENTRIES);
        if self.desired.version.minor() == Minor::V3_7 && self.places.iter().any(ended) {
            self.desired.version = version("3.6.16");
            self.say(|| "edit: version 3.6.16, since 3.7 does not start".into());
        }
    }

    /// The oldest version of a member.
    fn oldest(&self) -> Option<EtcdVersion> {
        self.places.iter().filter(|place| place.admission.is_some()).map(|place| place.version).min()
    }

    /// Why the members can't become what the spec says.
    fn refused(&self) -> Option<TransitionError> {
        let admitted = self.places.iter().filter(|place| place.admission.is_some());
        admitted.map(|place| place.version).find_map(|from| transition(from, self.desired.version).err())
    }

    fn kill(&mut self, index: usize) {
        let now = self.now;
        let place = &mut self.places[index];
        if !place.running() {
            return;
        }
        if place.started && !place.folder && !place.joined {
            self.cover.hit("fault: kill between mark and data");
        }
        place.exit(now, "signal: killed");
        let name = place.name.clone();
        self.cover.hit("fault: kill");
        self.say(|| format!("fault: {name} is killed"));
    }

    /// Its folder is emptied. Most seeds leave a majority its data.
    pub fn empty(&mut self, index: usize) {
        if !self.places[index].folder || self.spares(index) {
            return;
        }
        let place = &mut self.places[index];
        place.folder = false;
        let running = place.running();
        if !running {
            place.forget();
        }
        let name = place.name.clone();
        self.cover.hit(if running { "fault: emptied, running" } else { "fault: emptied, stopped" });
        self.say(|| format!("fault: the folder of {name} is emptied"));
    }

    fn damage(&mut self, index: usize) {
        if !self.places[index].folder || self.spares(index) {
            return;
        }
        self.kill(index);
        self.places[index].corrupt = true;
        self.cover.hit("fault: damaged data");
        let name = self.places[index].name.clone();
        self.say(|| format!("fault: the files of {name} are damaged"));
    }

    /// Nothing of it exists any more, as after the loss of a disk or a folder deleted by hand.
    fn vanish(&mut self, index: usize) {
        if self.spares(index) {
            return;
        }
        let gone = self.places.remove(index);
        self.cover.hit("fault: nothing left of a member");
        self.say(|| format!("fault: nothing of {} is left", gone.name));
    }

    /// Whether this one's data has to stay, for a majority to keep its own.
    fn spares(&mut self, index: usize) -> bool {
        if self.merciless {
            return false;
        }
        let before = std::mem::replace(&mut self.places[index].corrupt, true);
        let too_much = invariants::majority_lost(self);
        self.places[index].corrupt = before;
        too_much
    }

    fn partition(&mut self) {
        let now = self.now;
        let alone = self.rng.per_mille(600).then(|| self.rng.below(self.places.len()));
        for index in 0..self.places.len() {
            let away = alone.map_or_else(|| self.rng.per_mille(500), |alone| alone == index);
            let group = if away { 1 + self.rng.below(2) as u8 } else { 0 };
            self.join(index, group, now);
        }
        self.heal_at = Some(now + self.rng.between(500, 15_000));
        self.cover.hit("fault: partition");
        let groups: Vec<_> =
            self.places.iter().map(|place| format!("{}:{}", place.name, place.group)).collect();
        self.say(|| format!("fault: partition {}", groups.join(" ")));
    }

    fn join(&mut self, index: usize, group: u8, now: i64) {
        let place = &mut self.places[index];
        if place.group != group {
            place.group = group;
            place.linked = now;
        }
    }

    /// A partition ends by itself.
    pub fn heal(&mut self) {
        if self.heal_at.is_some_and(|when| when <= self.now) {
            self.heal_at = None;
            for index in 0..self.places.len() {
                self.join(index, 0, self.now);
            }
            self.say(|| "the partition ends".into());
        }
    }

    /// Faults stop: what is lost stays lost, everything else mends.
    pub fn calm(&mut self) {
        self.faulty = false;
        self.desired.paused = false;
        self.divergence = None;
        self.calm_certificates();
        if self.desired.options == bad_options() {
            self.desired.options = good_options(0);
        }
        // A person corrects a version that is refused, or takes a change back that has only just begun.
        let begun = self.etcd.as_ref().is_some_and(|etcd| etcd.versions.downgrade.is_some());
        if self.refused().is_some() || (begun && self.rng.per_mille(500)) {
            self.desired.version = self.oldest().unwrap_or(self.desired.version);
            self.cover.hit("spec: version put back");
        }
        self.heal_at = Some(self.now);
        self.heal();
        for place in &mut self.places {
            place.blocked = false;
            place.slow = false;
        }
        self.say(|| "faults stop".into());
    }
}
