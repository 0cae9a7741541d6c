//! The engine of `quorate up` inside the test, so that it can be ended between any two effects, with other waiting
//! times.

use std::{path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use quorate::{
    api::manifest,
    engine::{Engine, StepError},
    plan::{self, Decision, Policy, Step, World},
    process::{ProcessPlatform, binaries::Binaries, folder::Folder, setup},
    telemetry::metrics::Metrics,
};
use tokio::time::Instant;

use super::up::Up;

/// Short waiting times, so that a test spends its time on what etcd itself waits for.
pub fn brisk() -> Policy {
    Policy { drain: Duration::from_millis(200), settle: Duration::from_millis(300), ..Policy::default() }
}

/// Takes the folder of a cluster, as a new `up` does after the last one died.
pub async fn engine(up: &Up, policy: Policy) -> Engine<ProcessPlatform> {
    let folder = Folder::new(up.dir());
    let text = std::fs::read_to_string(folder.manifest()).unwrap();
    setup::prepare(&folder, &manifest::read(&text).unwrap()).unwrap();
    let programs: Vec<_> =
        std::iter::once(&up.binary).chain(&up.others).map(|one| one.path.clone()).collect();
    let binaries = Binaries::find(&programs).await.unwrap();
    let platform = ProcessPlatform::new(folder, binaries, up.port).with_policy(policy);
    Engine::new(platform, policy, Arc::new(Metrics::default()), None)
}

/// What the loop does after an effect was carried out and before its result is known to anybody.
pub enum Then {
    GoOn,
    /// The operator dies here.
    Crash,
    /// The loop returns.
    Stop,
}

/// Observes, decides and acts until `done`, and asks `then` after each effect. Answers the last look.
pub async fn drive(
    up: &Up,
    policy: Policy,
    limit: Duration,
    mut then: impl FnMut(&World, &Step, &Result<(), StepError>) -> Then,
    mut done: impl FnMut(&World, &Decision) -> bool,
) -> World {
    let deadline = Instant::now() + limit;
    let mut operator = engine(up, policy).await;
    loop {
        let (world, _) = operator.observe().await.unwrap();
        let decision = plan::decide(&world, Timestamp::now());
        if done(&world, &decision) {
            return world;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {} in {world:#?}", decision.reason());
        let mut pause = Duration::from_millis(if decision.steps().is_empty() { 100 } else { 0 });
        for step in decision.steps() {
            let result = operator.carry_out(&world, step).await;
            if let Err(error) = &result {
                pause = error.pause();
            }
            match then(&world, step, &result) {
                Then::GoOn => {}
                Then::Crash => {
                    operator = engine(up, policy).await;
                    break;
                }
                Then::Stop => return world,
            }
            if result.is_err() {
                break;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Everything is as wanted with this many members.
pub fn settled(size: usize) -> impl FnMut(&World, &Decision) -> bool {
    move |world, decision| matches!(decision, Decision::Settled) && world.incarnations.len() == size
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The names of the folders of members.
pub fn folders(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir.join("members"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
