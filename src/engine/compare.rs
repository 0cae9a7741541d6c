//! Comparing the members' data: HashKV of every voter at one revision.

use std::time::Instant;

use futures::future::join_all;
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tracing::{debug, error, info};

use super::observe::Clients;
use crate::{
    etcd::MemberClient,
    plan::{
        MemberId, MemberName, World,
        divergence::{self, Divergence, Hash, Outcome},
    },
};

/// Begins a comparison beside the passes. `None` when not every voter answers now.
pub(super) fn begin(
    world: &World,
    voters: Vec<MemberId>,
    clients: &mut Clients,
) -> Option<JoinHandle<Divergence>> {
    let mut asked: Vec<(MemberName, MemberClient)> = Vec::new();
    let mut revision = i64::MAX;
    for one in &world.incarnations {
        let Some(report) = one.report.as_ref().filter(|report| voters.contains(&report.id)) else { continue };
        // The lowest revision is one that every voter has.
        revision = revision.min(report.revision);
        asked.push((one.name.clone(), clients.get(&one.name)?.clone()));
    }
    (asked.len() == voters.len()).then(|| tokio::spawn(run(asked, voters, revision)))
}

async fn run(asked: Vec<(MemberName, MemberClient)>, voters: Vec<MemberId>, revision: i64) -> Divergence {
    let started = Instant::now();
    let answers = join_all(asked.iter().map(|(name, client)| async move {
        let (hash, compact_revision) =
            client.hash_kv(revision).await.inspect_err(|error| debug!(%error, "no hash")).ok()?;
        Some(Hash { name: name.clone(), hash, compact_revision })
    }));
    let hashes: Vec<_> = answers.await.into_iter().flatten().collect();
    let outcome = divergence::compare(&hashes, voters.len());
    Divergence { at: Timestamp::now(), took: started.elapsed(), voters, outcome }
}

/// Says what changed since the last comparison.
pub(super) fn log(before: Option<&Divergence>, now: &Divergence) {
    match &now.outcome {
        Outcome::Differ(hashes) => error!("{}", divergence::describe(hashes)),
        Outcome::Agree if before.is_some_and(|last| matches!(last.outcome, Outcome::Differ(_))) => {
            info!("the members hold the same data again");
        }
        Outcome::Agree => debug!("the members hold the same data"),
        Outcome::Unclear(why) => debug!(why, "the members' data could not be compared"),
    }
}
