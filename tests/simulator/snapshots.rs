//! Snapshots of the data that are kept for a change of the minor version: on one machine in the cluster's folder, on
//! Kubernetes on the volume of the member that was asked.

use quorate::plan::{MemberName, Snapshot, SnapshotState, version::Minor};

use crate::{
    effects::Answer,
    model::{Model, at},
};

pub struct Kept {
    to: Minor,
    /// The member that was asked for it.
    by: u32,
    state: Keep,
}

enum Keep {
    Running { until: i64, fails: bool },
    Taken { at: i64 },
    Failed { at: i64 },
}

impl Model {
    pub fn begin_snapshot(&mut self, name: &MemberName, to: Minor) -> Answer {
        let Some(by) = self.index(name).map(|index| self.places[index].uid) else {
            return Err("no such member");
        };
        let on_volumes = self.snapshots_on_volumes;
        let same = |one: &Kept| one.to == to && (!on_volumes || one.by == by);
        let runs = |one: &Kept| matches!(one.state, Keep::Running { .. });
        if self.snapshots.iter().any(|one| same(one) && runs(one)) {
            return Ok(());
        }
        self.snapshots.retain(|one| !same(one));
        let until = self.now + self.rng.between(100, 4000);
        let fails = self.faulty && self.rng.per_mille(150);
        self.snapshots.push(Kept { to, by, state: Keep::Running { until, fails } });
        self.cover.hit("snapshot: begun");
        self.lost("snapshot: answer lost")
    }

    /// Those that were begun end, and what was on a volume that is gone is gone.
    pub fn keep_snapshots(&mut self) {
        let (now, places) = (self.now, &self.places);
        if self.snapshots_on_volumes {
            let there = |one: &Kept| places.iter().any(|place| place.uid == one.by && place.folder);
            let before = self.snapshots.len();
            self.snapshots.retain(there);
            if self.snapshots.len() < before {
                self.cover.hit("snapshot: lost with its member");
            }
        }
        for one in &mut self.snapshots {
            let Keep::Running { until, fails } = one.state else { continue };
            let serves = places.iter().any(|place| place.uid == one.by && place.joined);
            if !serves || (fails && now >= until) {
                one.state = Keep::Failed { at: now };
                self.cover.hit("snapshot: failed");
            } else if now >= until {
                one.state = Keep::Taken { at: now };
                self.cover.hit("snapshot: taken");
            }
        }
    }

    /// The operator ends. On one machine it is what takes them.
    pub fn end_operator(&mut self) {
        if !self.snapshots_on_volumes {
            let before = self.snapshots.len();
            self.snapshots.retain(|one| matches!(one.state, Keep::Taken { .. }));
            if self.snapshots.len() < before {
                self.cover.hit("snapshot: lost with the operator");
            }
        }
    }

    /// As if a person came back to an upgrade after a day.
    pub fn age_snapshots(&mut self) {
        for one in &mut self.snapshots {
            if let Keep::Taken { at } = &mut one.state {
                *at -= 24 * 3_600_000;
                self.cover.hit("snapshot: grew old");
            }
        }
    }

    /// What the plan is shown: one for each version, a whole one before others.
    pub fn shown_snapshots(&self) -> Vec<Snapshot> {
        let rank = |one: &&Kept| match one.state {
            Keep::Taken { at } => (0, -at),
            Keep::Running { .. } => (1, 0),
            Keep::Failed { at } => (2, -at),
        };
        let shown = |one: &Kept| match one.state {
            Keep::Taken { at: when } => SnapshotState::Taken { at: at(when) },
            Keep::Running { .. } => SnapshotState::Running,
            Keep::Failed { at: when } => SnapshotState::Failed { at: at(when), why: "it was cut off".into() },
        };
        let best = |to| self.snapshots.iter().filter(|one| one.to == to).min_by_key(rank);
        Minor::ALL.into_iter().filter_map(|to| Some(Snapshot { to, state: shown(best(to)?) })).collect()
    }

    /// Whether a whole one is kept that was taken within the hour.
    pub fn snapshot_kept(&self, to: Minor) -> bool {
        let fresh = |one: &Kept| matches!(one.state, Keep::Taken { at } if self.now - at < 3_600_000);
        self.snapshots.iter().any(|one| one.to == to && fresh(one))
    }
}
