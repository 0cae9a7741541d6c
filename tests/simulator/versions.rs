//! Minor versions of etcd: the version of the cluster, the form of the data, raft snapshots, and who starts on what.
//!
//! The leader compares all members every few seconds. The cluster version goes up when all can do more, and down when a
//! downgrade is enabled; each member's data follows. Measured on 3.5.35, 3.6.16 and 3.7.3.

use quorate::plan::version::Minor;

use crate::{
    effects::Answer,
    etcd::Etcd,
    model::{Model, Place},
};

/// The words of a 3.7 process that meets raft entries of 3.5.
pub const OLD_ENTRIES: &str =
    "panic: unmarshal should never fail (proto: cannot parse invalid wire-format data)";

/// After how many entries a process takes a raft snapshot, if its options do not say.
const SNAPSHOT_COUNT: u64 = 10_000;
/// How many entries it keeps behind its last raft snapshot, for members that are slow.
const KEPT_BEHIND: u64 = 5_000;

/// What etcd has agreed on.
#[derive(Default)]
pub struct Versions {
    /// None before the first one was decided.
    pub cluster: Option<Minor>,
    /// Which entry says so.
    moved: u64,
    /// To which a downgrade is enabled.
    pub downgrade: Option<Minor>,
    /// When the leader compares its members next.
    look_at: i64,
    /// The entries in the encoding of 3.5, by term and index.
    old_entries: Vec<(u64, u64)>,
}

/// What the data and the process of a member know of versions.
#[derive(Clone, Default)]
pub struct Form {
    /// The cluster version as far as it heard.
    pub cluster: Option<Minor>,
    /// The form of its database.
    pub storage: Option<Minor>,
    /// Up to which entry its last raft snapshot goes.
    snapped: u64,
    /// From which entry on its process can send entries to others.
    first: u64,
    /// Whether it has one that was taken under 3.6 or later, since it ran under 3.5 last.
    pub snapped_under_3_6: bool,
    /// How many its process took.
    pub snapshots: u64,
    /// Whether its process told the others its name.
    published: bool,
}

impl Form {
    /// Its process ends.
    pub fn end(&mut self) {
        self.snapshots = 0;
        self.published = false;
    }

    /// Its process begins.
    pub fn begin(&mut self, minor: Minor) {
        self.first = self.snapped;
        self.storage.get_or_insert(Minor::V3_5);
        self.snapped_under_3_6 &= minor >= Minor::V3_6;
    }

    fn snap(&mut self, index: u64, minor: Minor) {
        self.snapped = index;
        self.snapshots += 1;
        // Even the first snapshot drops the first entry (measured: a member that joins is sent a snapshot from then on).
        self.first = self.first.max(index.saturating_sub(KEPT_BEHIND)).max(1);
        self.snapped_under_3_6 |= minor >= Minor::V3_6;
    }

    /// Whether one whose log has that many entries can only be sent a raft snapshot, and takes it. The leader has applied
    /// the entries up to `commit`.
    pub fn receive(&mut self, entries: u64, leader: &Self, commit: u64) -> bool {
        let takes = entries < leader.first && self.snapped < leader.first;
        if takes {
            let (snapshots, published) = (self.snapshots + 1, self.published);
            *self = Self { snapped: commit, first: commit, snapshots, published, ..leader.clone() };
        }
        takes
    }
}

fn below(minor: Minor) -> Option<Minor> {
    Minor::ALL.into_iter().rev().find(|one| *one < minor)
}

impl Place {
    pub fn minor(&self) -> Minor {
        self.version.minor()
    }
}

impl Model {
    /// Why a process of its version ends on the data that it finds.
    pub fn unfit(&self, place: &Place) -> Option<&'static str> {
        let minor = place.minor();
        let Form { cluster, storage, snapped, .. } = place.form;
        let fresh = !place.folder;
        let agreed = self.etcd.as_ref().and_then(|etcd| etcd.versions.cluster);
        if fresh {
            return (agreed > Some(minor)).then_some("incompatible with current running cluster");
        }
        if cluster > Some(minor) {
            return Some("invalid downgrade; server version is lower than determined cluster version");
        }
        if storage > Some(minor) {
            return Some("Failed to validate schema: version is not supported");
        }
        let old = |entry: &&(u64, u64)| entry.1 > snapped && place.log.term_at(entry.1) == Some(entry.0);
        let replays = || self.etcd.iter().flat_map(|etcd| &etcd.versions.old_entries).any(|one| old(&one));
        (minor == Minor::V3_7 && replays()).then_some(OLD_ENTRIES)
    }

    /// What the leader and the members do about versions in a moment in which the leader serves.
    pub fn follow_versions(&mut self, etcd: &mut Etcd) {
        let Some(at) = etcd.serving(&self.places).map(|leader| leader.uid) else { return };
        let Some(at) = self.places.iter().position(|place| place.uid == at) else { return };
        let near = |place: &Place| {
            place.joined && etcd.linked(&self.places[at], place) && etcd.entry(place.uid).is_some()
        };
        let near: Vec<bool> = self.places.iter().map(near).collect();
        if self.now >= etcd.versions.look_at {
            etcd.versions.look_at = self.now + self.rng.between(1000, 4000);
            let all = near.iter().filter(|near| **near).count() == etcd.entries.len();
            let minors = self.places.iter().zip(&near).filter(|(_, near)| **near).map(|(one, _)| one.minor());
            if let Some((lowest, highest)) = minors.clone().min().zip(minors.max()).filter(|_| all) {
                self.compare(etcd, at, lowest, highest);
            }
        }
        for (index, near) in near.into_iter().enumerate() {
            if near {
                self.follow(etcd, at, index);
            }
        }
    }

    /// The leader has the versions of all members.
    fn compare(&mut self, etcd: &mut Etcd, leader: usize, lowest: Minor, highest: Minor) {
        let now = etcd.versions.cluster;
        let next = match (now, etcd.versions.downgrade) {
            (None, _) => Some(lowest),
            (Some(now), Some(to)) => {
                Some(to).filter(|to| below(now) == Some(*to) && below(lowest) == Some(*to))
            }
            (Some(now), None) => Some(lowest).filter(|lowest| *lowest > now),
        };
        if let Some(next) = next {
            self.cover.hit(if now > Some(next) { "cluster version: down" } else { "cluster version: up" });
            etcd.versions.cluster = Some(next);
            let log = &mut self.places[leader].log;
            log.append(etcd.term, 1);
            etcd.versions.moved = log.len();
            self.say(|| format!("etcd: the cluster version is {next}"));
        } else if etcd.versions.downgrade == Some(lowest) && lowest == highest {
            etcd.versions.downgrade = None;
            self.cover.hit("downgrade: ended by itself");
            self.say(|| format!("etcd: the downgrade to {lowest} has ended"));
        }
    }

    /// One member that hears the leader.
    fn follow(&mut self, etcd: &mut Etcd, leader: usize, index: usize) {
        let place = &mut self.places[index];
        let minor = place.minor();
        if place.served && !place.form.published {
            place.form.published = true;
            if minor == Minor::V3_5 {
                let log = &mut self.places[leader].log;
                log.append(etcd.term, 1);
                etcd.versions.old_entries.push((etcd.term, log.len()));
            }
        }
        let place = &mut self.places[index];
        let commit = place.commit;
        if commit >= etcd.versions.moved && place.form.cluster != etcd.versions.cluster {
            if place.form.cluster > etcd.versions.cluster && minor >= Minor::V3_6 {
                place.form.snap(commit, minor);
                self.cover.hit("raft snapshot: forced by a downgrade");
            }
            place.form.cluster = etcd.versions.cluster;
        }
        let every = place.options.snapshot_count.map_or(SNAPSHOT_COUNT, |count| count as u64);
        if commit >= place.form.snapped + every {
            place.form.snap(commit, minor);
            self.cover.hit("raft snapshot");
        }
        if minor >= Minor::V3_6 && place.form.storage != place.form.cluster && self.rng.per_mille(300) {
            place.form.storage = place.form.cluster.or(place.form.storage);
        }
    }

    pub fn enable_downgrade(&mut self, to: Minor) -> Answer {
        let Some(etcd) = self.etcd.as_mut().filter(|etcd| etcd.serving(&self.places).is_some()) else {
            return Err("request timed out");
        };
        match (etcd.versions.downgrade, etcd.versions.cluster) {
            // "cluster has a downgrade job in progress" is taken for an answer that got lost before.
            (Some(_), _) => return Ok(()),
            (None, Some(cluster)) if below(cluster) == Some(to) => etcd.versions.downgrade = Some(to),
            _ => {
                self.cover.hit("downgrade: refused");
                return Err("invalid downgrade target version");
            }
        }
        self.cover.hit("downgrade: enabled");
        self.lost("downgrade: answer lost")
    }

    pub fn cancel_downgrade(&mut self) -> Answer {
        let Some(etcd) = self.etcd.as_mut().filter(|etcd| etcd.serving(&self.places).is_some()) else {
            return Err("request timed out");
        };
        etcd.versions.downgrade = None;
        self.cover.hit("downgrade: given up");
        self.lost("downgrade: answer lost")
    }
}
