//! What goes wrong between the operator and etcd, on real etcd: answers that get lost, members that never catch up,
//! clusters that never form.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

mod common;

use std::time::Duration;

use common::{
    etcd::binary,
    inside::{Then, brisk, drive, engine, folders, runtime, settled},
    up::Up,
};
use quorate::{
    etcd::{Class, Endpoint, MemberClient, http::Http},
    plan::{Incarnation, Membership, Policy, Step, World, version::Minor},
};
use rustix::process::Signal;

const LIMIT: Duration = Duration::from_secs(90);

async fn form(up: &Up) -> World {
    drive(up, brisk(), LIMIT, |_, _, _| Then::GoOn, settled(3)).await
}

fn resize(up: &Up, size: u8) {
    up.write_manifest(&format!("{{size: {size}, version: {}}}", up.binary.version));
}

fn client(one: &Incarnation) -> MemberClient {
    let endpoint =
        Endpoint { client_url: one.client_url.clone(), peer_url: one.peer_url.clone(), metrics_url: None };
    MemberClient::new(endpoint, Http::new(), None)
}

#[test]
fn an_add_whose_answer_got_lost_is_not_made_twice() {
    for minor in [Minor::V3_5, Minor::V3_6, Minor::V3_7] {
        let up = Up::prepare(&binary(minor), 3);
        runtime().block_on(async {
            form(&up).await;
            resize(&up, 5);
            let mut adds = 0;
            // The answer to the first add is lost with the operator that asked.
            let lost = |_: &World, step: &Step, result: &Result<(), _>| match step {
                Step::AddLearner { .. } if result.is_ok() => {
                    adds += 1;
                    if adds == 1 { Then::Crash } else { Then::GoOn }
                }
                _ => Then::GoOn,
            };
            let world = drive(&up, brisk(), LIMIT, lost, settled(5)).await;
            assert_eq!(adds, 2, "{minor}: two members were added by two adds");
            let Membership::Known(list) = world.membership else { panic!("no member list") };
            assert_eq!(list.len(), 5);
        });
    }
}

#[test]
fn the_same_add_asked_twice_is_known_as_ones_own() {
    let up = Up::prepare(&binary(Minor::V3_6), 3);
    runtime().block_on(async {
        form(&up).await;
        resize(&up, 5);
        let stop = |_: &World, step: &Step, result: &Result<(), _>| {
            if matches!(step, Step::AddLearner { .. }) && result.is_ok() { Then::Stop } else { Then::GoOn }
        };
        let world = drive(&up, brisk(), LIMIT, stop, |_, _| false).await;
        let place = world.incarnations.iter().find(|one| one.admission.is_none()).unwrap();
        let step = Step::AddLearner { name: place.name.clone(), peer_url: place.peer_url.clone() };
        let mut operator = engine(&up, brisk()).await;
        let (world, _) = operator.observe().await.unwrap();
        operator
            .carry_out(&world, &step)
            .await
            .expect("etcd says that the URL is there already, which is as wanted");
        let (world, _) = operator.observe().await.unwrap();
        let Membership::Known(list) = world.membership else { panic!("no member list") };
        assert_eq!(list.iter().filter(|one| one.learner).count(), 1);
        drive(&up, brisk(), LIMIT, |_, _, _| Then::GoOn, settled(5)).await;
    });
}

#[test]
fn a_removal_that_may_commit_late_leaves_the_cluster_whole_either_way() {
    let up = Up::prepare(&binary(Minor::V3_6), 3);
    runtime().block_on(async {
        let world = form(&up).await;
        let leads =
            |one: &&Incarnation| one.report.as_ref().is_some_and(|report| report.leader == Some(report.id));
        let leader = world.incarnations.iter().find(leads).unwrap();
        let others: Vec<_> = world.incarnations.iter().filter(|one| one.name != leader.name).collect();
        // Before its links are 5 s old, the leader refuses any removal.
        tokio::time::sleep(Duration::from_secs(6)).await;
        for one in &others {
            up.signal_member(&one.name.0, Signal::KILL);
        }
        // Asked in the first second after the loss, it is only late, not refused.
        let gone = others[0];
        let failure = client(leader).remove(gone.report.as_ref().unwrap().id).await.unwrap_err();
        assert_eq!(failure.class, Class::Ambiguous, "{failure}");
        // When the killed members are started again it commits, if the old leader is elected, or is forgotten, if one
        // of the two is. Either way the cluster ends whole.
        let world = drive(&up, brisk(), LIMIT, |_, _, _| Then::GoOn, settled(3)).await;
        let stayed = world.incarnations.iter().any(|one| one.name == gone.name);
        println!(
            "the removal {}",
            if stayed { "was forgotten" } else { "committed late, and its member was replaced" }
        );
        let names: Vec<_> = world.incarnations.iter().map(|one| one.name.0.clone()).collect();
        assert_eq!(folders(&up.dir()), names);
        assert_eq!(up.processes().len(), 3);
    });
}

#[test]
fn a_learner_that_never_catches_up_is_given_up_and_another_is_tried() {
    let up = Up::prepare(&binary(Minor::V3_6), 3);
    runtime().block_on(async {
        form(&up).await;
        resize(&up, 5);
        let policy = Policy { learner: Duration::from_secs(4), ..brisk() };
        let (mut frozen, mut removed) = (None, Vec::new());
        let freeze = |_: &World, step: &Step, result: &Result<(), _>| {
            match step {
                Step::Start { name, .. } if frozen.is_none() && result.is_ok() => {
                    up.signal_member(&name.0, Signal::STOP);
                    frozen = Some(name.0.clone());
                }
                Step::Remove { id, .. } if result.is_ok() => removed.push(*id),
                _ => {}
            }
            Then::GoOn
        };
        let world = drive(&up, policy, LIMIT, freeze, settled(5)).await;
        let frozen = frozen.unwrap();
        assert_eq!(removed.len(), 1, "one learner was given up");
        assert!(!world.incarnations.iter().any(|one| one.name.0 == frozen), "another one took its place");
        assert!(!up.member_dir(&frozen).exists());
        assert_eq!(up.processes().len(), 5, "the frozen process is gone too");
    });
}

#[test]
fn a_cluster_that_never_forms_starts_over_under_new_names() {
    let up = Up::prepare(&binary(Minor::V3_6), 3);
    runtime().block_on(async {
        let policy = Policy { bootstrap: Duration::from_secs(3), ..brisk() };
        let mut first = Vec::new();
        let freeze = |_: &World, step: &Step, result: &Result<(), _>| {
            if let Step::Start { name, .. } = step
                && result.is_ok()
                && first.len() < 3
            {
                // Two of three: no election can be won.
                if first.len() < 2 {
                    up.signal_member(&name.0, Signal::STOP);
                }
                first.push(name.0.clone());
            }
            Then::GoOn
        };
        let world = drive(&up, policy, LIMIT, freeze, settled(3)).await;
        assert_eq!(first.len(), 3);
        for name in &first {
            assert!(!world.incarnations.iter().any(|one| one.name.0 == *name), "{name} is not used again");
            assert!(!up.member_dir(name).exists());
        }
        assert_eq!(up.processes().len(), 3);
    });
}
