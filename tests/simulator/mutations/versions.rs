//! Mutations of what the plan is shown of versions.

use jiff::Timestamp;
use quorate::plan::{
    Report, Snapshot, SnapshotState, World,
    version::{Minor, transition},
};

use super::Mutation;

pub fn before(mutation: Mutation, world: &mut World, now: Timestamp) {
    let wanted = world.desired.version;
    let arrived = world.incarnations.iter().all(|one| one.version.minor() == wanted.minor());
    let goes_down = world.incarnations.iter().any(|one| one.version.minor() > wanted.minor());
    match mutation {
        Mutation::SnapshotNotWaitedFor => {
            let taken = |to| Snapshot { to, state: SnapshotState::Taken { at: now } };
            world.snapshots = Minor::ALL.into_iter().map(taken).collect();
        }
        Mutation::RaftSnapshotsUnseen => reports(world, |report| {
            report.raft_snapshots = report.raft_snapshots.map(|_| 1);
        }),
        Mutation::DowngradeNotEnabled if goes_down => reports(world, |report| {
            report.downgrade = Some(wanted.minor());
            report.cluster_version = report.cluster_version.map(|_| wanted.minor());
            report.storage = report.cluster_version;
        }),
        Mutation::DowngradeForgotten if arrived => reports(world, |report| {
            report.downgrade = None;
            report.storage = Some(wanted.minor());
        }),
        Mutation::RefusalIgnored => {
            for one in &mut world.incarnations {
                if transition(one.version, wanted).is_err() {
                    one.version = "3.6.16".parse().unwrap();
                }
            }
        }
        _ => {}
    }
}

fn reports(world: &mut World, change: impl FnMut(&mut Report)) {
    world.incarnations.iter_mut().filter_map(|one| one.report.as_mut()).for_each(change);
}
