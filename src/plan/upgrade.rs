//! Changes of the minor version: what has to be so before the first member changes, and what after the last one.
//!
//! Up: a snapshot of the data, and before 3.7 a raft snapshot that each member took under 3.6, since 3.7 cannot read raft
//! entries of 3.5 (measured: it ends at every start). Down: a snapshot, and etcd's own downgrade, which first brings the
//! data into the older form. Either is done when the form of the data has followed.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    SOON,
    step::{Decision, Operation, OperationKind, Step},
    version::{self, EtcdVersion, Minor, TransitionError},
    view::{Seat, View},
    world::{Incarnation, Process, Report, SnapshotState, World, elapsed, waited},
};

/// How old a snapshot of the data may be when the first member changes.
const FRESH: Duration = Duration::from_secs(3600);
/// How long after a snapshot failed another one is tried.
const RETRY: Duration = Duration::from_secs(30);
/// How long the form of the data of a cluster that was just made may be an older one: a cluster of 3.7 begins with that
/// of 3.5 (measured: for some seconds).
const YOUNG: Duration = Duration::from_secs(60);

/// The version that members are changed to.
///
/// # Errors
/// When some member cannot become that of the spec. Then no version is changed.
pub(super) fn target(world: &World) -> Result<EtcdVersion, TransitionError> {
    let wanted = world.desired.version;
    let admitted = world.incarnations.iter().filter(|one| one.admission.is_some());
    for one in admitted {
        version::transition(one.version, wanted)?;
    }
    Ok(wanted)
}

/// Why the version of the spec is not applied; `None` when it is.
pub(super) fn refusal(world: &World) -> Option<String> {
    world.record.cluster_id?;
    let refused = target(world).err()?;
    Some(format!("spec.version is not applied, and no member was touched for it: {refused}"))
}

/// Whether making a member in this version is the first change to a minor version.
pub(super) fn needs_preparation(world: &World, one: &Incarnation, to: EtcdVersion) -> bool {
    let there = world.incarnations.iter().any(|other| other.version.minor() == to.minor());
    world.record.cluster_id.is_some() && one.version.minor() != to.minor() && !there
}

/// What has to be done or waited for before a member gets this version; `None` when it may go.
pub(super) fn prepare(view: &View<'_>, seat: &Seat<'_>, to: EtcdVersion) -> Option<Decision> {
    let one = seat.incarnation?;
    if !needs_preparation(view.world, one, to) {
        return None;
    }
    let (from, to) = (one.version.minor(), to.minor());
    let stage =
        Stage { view, kind: if to > from { OperationKind::Upgrade } else { OperationKind::Downgrade } };
    if let Some(silent) =
        view.voters.iter().find(|seat| report(seat).is_none_or(|r| r.cluster_version.is_none()))
    {
        return Some(stage.wait(format!("waiting for {} to tell the cluster version", silent.label())));
    }
    stage.snapshot(to).or_else(|| if to > from { stage.up(from, to) } else { stage.down(to) })
}

/// Whether the reports should tell the cluster version: only while a minor version changes, to save the calls.
pub fn asks_cluster_version(running: EtcdVersion, wanted: EtcdVersion) -> bool {
    running.minor() != wanted.minor()
}

/// Whether the reports should tell how many raft snapshots were taken.
pub fn asks_raft_snapshots(running: EtcdVersion, wanted: EtcdVersion) -> bool {
    (running.minor(), wanted.minor()) == (Minor::V3_6, Minor::V3_7)
}

/// After the last member: a change of the minor version is done when the form of the data has followed, and no downgrade
/// is left enabled.
pub(super) fn finish(view: &View<'_>) -> Option<Decision> {
    let here = || view.voters.iter().filter_map(|seat| seat.incarnation);
    // While the version of the spec is refused, what the members have is what is wanted.
    let wanted = target(view.world).ok().or_else(|| here().next().map(|one| one.version))?.minor();
    if here().any(|one| one.version.minor() != wanted) {
        return None;
    }
    let stage = Stage { view, kind: OperationKind::Upgrade };
    match stage.downgrade() {
        Some(to) if to == wanted => {
            let stage = Stage { view, kind: OperationKind::Downgrade };
            return Some(stage.wait(format!("waiting for etcd to end its downgrade to {to}")));
        }
        Some(to) => return Some(stage.cancel(to)),
        None => {}
    }
    let young = here().all(|one| elapsed(one.created, view.now) < YOUNG);
    let older =
        stage.reports().filter_map(|report| report.storage).filter(|storage| *storage < wanted).min()?;
    (!young).then(|| {
        stage.wait(format!("all members run etcd {wanted}; waiting for the form of their data to follow, it is that of {older}"))
    })
}

fn report<'a>(seat: &Seat<'a>) -> Option<&'a Report> {
    seat.incarnation?.report.as_ref()
}

/// A change of the minor version that has not begun or not ended.
struct Stage<'v, 'a> {
    view: &'v View<'a>,
    kind: OperationKind,
}

impl Stage<'_, '_> {
    fn reports(&self) -> impl Iterator<Item = &Report> {
        self.view.voters.iter().filter_map(report)
    }

    /// The minor version to which a downgrade is enabled.
    fn downgrade(&self) -> Option<Minor> {
        self.reports().find_map(|report| report.downgrade)
    }

    /// A copy of all data, to go back to if everything goes wrong.
    fn snapshot(&self, to: Minor) -> Option<Decision> {
        // Every member may keep one, of this attempt or of an earlier one.
        let states = || self.view.world.snapshots.iter().filter(|one| one.to == to).map(|one| &one.state);
        let age = |at: &Timestamp| waited(*at, self.view.now);
        // One that is older than a member's process may be of an earlier change, also of one to the same version.
        let started = |seat: &Seat<'_>| match seat.incarnation?.process {
            Process::Running { since } => Some(since),
            _ => None,
        };
        let newest = self.view.voters.iter().filter_map(started).max().unwrap_or(Timestamp::MIN);
        let of_now = |at: &Timestamp| *at >= newest && age(at) < FRESH;
        if states().any(|state| matches!(state, SnapshotState::Taken { at } if of_now(at))) {
            return None;
        }
        if states().any(|state| *state == SnapshotState::Running) {
            return Some(
                self.wait(format!("a snapshot of the data is taken before the change to etcd {to}")),
            );
        }
        let failed = states().find_map(|state| match state {
            SnapshotState::Failed { at, why } if age(at) < RETRY => Some(why),
            _ => None,
        });
        if let Some(why) = failed {
            return Some(self.wait(format!("the snapshot before the change to etcd {to} failed: {why}")));
        }
        // A follower: the leader has enough to do.
        let leader = self.view.leader();
        let seat = self.view.healthy().min_by_key(|seat| leader == Some(seat.listed.id))?;
        let name = seat.incarnation?.name.clone();
        let reason = format!("a snapshot of the data is taken and kept before the change to etcd {to}");
        Some(self.act(Step::Snapshot { name, to }, reason))
    }

    fn up(&self, from: Minor, to: Minor) -> Option<Decision> {
        let forces = (from, to) == (Minor::V3_6, Minor::V3_7);
        let missing =
            self.view.voters.iter().find(|seat| report(seat).and_then(|r| r.raft_snapshots) == Some(0));
        match (self.downgrade(), missing) {
            _ if forces && self.reports().any(|report| report.raft_snapshots.is_none()) => {
                Some(self.wait("waiting for all members to tell how many raft snapshots they took".into()))
            }
            // What makes a member take one at once is that the cluster version goes down (measured).
            (None, Some(seat)) if forces && self.settled(from).is_none() => Some(self.act(
                Step::EnableDowngrade { to: Minor::V3_5 },
                format!(
                    "etcd {to} cannot read raft entries of 3.5, and {} took no raft snapshot under {from}: a downgrade is \
                     enabled and taken back, which makes every member take one",
                    seat.label()
                ),
            )),
            // One whose process began after the cluster version went down takes none: then all of it is done anew.
            (Some(Minor::V3_5), Some(seat)) if forces && self.settled(Minor::V3_5).is_some() => {
                Some(self.wait(format!("waiting for the raft snapshot of {}", seat.label())))
            }
            (Some(lower), _) => Some(self.cancel(lower)),
            _ => self.settled(from),
        }
    }

    fn down(&self, to: Minor) -> Option<Decision> {
        match self.downgrade() {
            None => Some(self.act(
                Step::EnableDowngrade { to },
                format!("the data is brought into the form of etcd {to} before the first member goes down"),
            )),
            Some(enabled) if enabled != to => Some(self.cancel(enabled)),
            Some(_) => self.settled(to),
        }
    }

    /// Waits until the cluster version and the form of the data are that of a minor version everywhere.
    fn settled(&self, minor: Minor) -> Option<Decision> {
        let other = self.reports().find_map(|report| {
            [report.cluster_version, report.storage].into_iter().flatten().find(|found| *found != minor)
        })?;
        Some(self.wait(format!("waiting for the cluster version to move from {other} to {minor}")))
    }

    fn cancel(&self, to: Minor) -> Decision {
        self.act(
            Step::CancelDowngrade,
            format!("a downgrade to etcd {to} is enabled that nobody needs any more"),
        )
    }

    fn operation(&self) -> Operation {
        Operation { kind: self.kind, member: None, since: None }
    }

    fn act(&self, step: Step, reason: String) -> Decision {
        Decision::Act { steps: vec![step], operation: self.operation(), reason }
    }

    fn wait(&self, reason: String) -> Decision {
        Decision::Wait { operation: Some(self.operation()), reason, again: SOON }
    }
}
