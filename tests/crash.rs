//! The operator dies after its N-th effect, for every N of a cluster's making, of 3 → 5, of 5 → 3, of a replacement, of
//! upgrades and a downgrade, of moves to TLS and back and of a rotation of authorities, on real etcd: the next one always
//! ends in the same state.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use common::{
    etcd::{Binary, binary},
    inside::{Then, brisk, drive, folders, runtime, settled},
    load::connect,
    up::Up,
};
use quorate::{
    engine::StepError,
    plan::{Decision, Incarnation, Membership, Policy, Side, Step, World, transport::Listen, version::Minor},
};

/// Clusters at once: they mostly wait for links to be 5 s old.
const AT_ONCE: usize = 8;
const LIMIT: Duration = Duration::from_secs(180);

/// The effects of a story, chapter by chapter: each begins when all of the one before is at rest. So one run shows what
/// becomes of a death in each of them.
struct Story {
    /// The operator dies after this effect of each chapter that has as many, counted from 1.
    dies_after: Option<usize>,
    chapters: Vec<Vec<String>>,
}

impl Story {
    fn new(dies_after: Option<usize>) -> Self {
        Self { dies_after, chapters: Vec::new() }
    }

    fn next_chapter(&mut self) {
        self.chapters.push(Vec::new());
    }

    /// Notes what became of a step, and says whether the operator lives on.
    fn then(&mut self, step: &Step, result: &Result<(), StepError>) -> Then {
        // Refusals are no effects: how many there are depends on the clock.
        if result.is_err() {
            return Then::GoOn;
        }
        let chapter = self.chapters.last_mut().unwrap();
        chapter.push(format!("{} {}", step.kind(), step.member()));
        if self.dies_after == Some(chapter.len()) { Then::Crash } else { Then::GoOn }
    }
}

/// What a run ends in, as far as it must not depend on where the operator died.
#[derive(Debug, PartialEq, Eq)]
struct End {
    voters: usize,
    learners: usize,
    processes: usize,
    folders: usize,
    draining: usize,
    replaced_is_gone: bool,
    key: Option<String>,
}

/// One run of the whole story. Answers how it ended.
fn run(binary: &Binary, story: &mut Story) -> End {
    let up = Up::prepare(binary, 3);
    runtime().block_on(async {
        let mut replaced = String::new();
        let mut world = None;
        for chapter in ["form", "grow", "shrink", "replace"] {
            let size = if chapter == "grow" { 5 } else { 3 };
            up.write_manifest(&format!("{{size: {size}, version: {}}}", binary.version));
            if chapter == "replace" {
                let last: &World = world.as_ref().unwrap();
                let leads = |world: &World, name: &str| {
                    let report = world
                        .incarnations
                        .iter()
                        .find(|one| one.name.0 == name)
                        .and_then(|one| one.report.clone());
                    report.is_some_and(|report| report.leader == Some(report.id))
                };
                // The leader, so that the hand-over is one of the effects.
                replaced =
                    last.incarnations.iter().find(|one| leads(last, &one.name.0)).unwrap().name.0.clone();
                fs::write(up.member_dir(&replaced).join("replace.request"), "now\n").unwrap();
            }
            story.next_chapter();
            let after = drive(
                &up,
                brisk(),
                LIMIT,
                |_, step, result| story.then(step, result),
                |world, decision| {
                    settled(size)(world, decision)
                        && !world.incarnations.iter().any(|one| one.name.0 == replaced)
                },
            )
            .await;
            if chapter == "form" {
                let mut client = connect(&after.incarnations[0].client_url).await.unwrap();
                client.put("kept", "through it all", None).await.unwrap();
            }
            world = Some(after);
        }
        let world = world.unwrap();
        let Membership::Known(list) = &world.membership else { panic!("no member list") };
        let mut client = connect(&world.incarnations[0].client_url).await.unwrap();
        let read = client.get("kept", None).await.unwrap();
        let reserved = || story.chapters.iter().flatten().filter(|one| one.starts_with("Reserve"));
        let names: BTreeSet<_> = reserved().collect();
        assert_eq!(names.len(), reserved().count(), "{:?}", story.chapters);
        End {
            voters: list.iter().filter(|one| !one.learner).count(),
            learners: list.iter().filter(|one| one.learner).count(),
            processes: up.processes().len(),
            folders: folders(&up.dir()).len(),
            draining: world.incarnations.iter().filter(|one| one.draining.is_some()).count(),
            replaced_is_gone: !up.member_dir(&replaced).exists(),
            key: read.kvs().first().map(|kv| kv.value_str().unwrap().to_owned()),
        }
    })
}

/// What changes of the version end in, as far as it must not depend on where the operator died.
#[derive(Debug, PartialEq, Eq)]
struct Rolled {
    /// The version and the snapshot count of each member's process.
    members: Vec<(String, bool)>,
    processes: usize,
    draining: usize,
    /// Whether the data of before each change are kept.
    snapshots: bool,
    key: Option<String>,
}

/// What comes before the first member of 3.6 gets 3.7 and before it goes back, and the effects of changing that one.
const FIRST_OF_3_7: usize = 7;

/// One run: a minor version up together with a flag, another one up, and down again. The story begins once the cluster formed.
fn roll([first, second, third]: &[Binary; 3], story: &mut Story) -> Rolled {
    let mut up = Up::prepare(first, 3);
    up.others = vec![second.clone(), third.clone()];
    runtime().block_on(async {
        let mut world = drive(&up, brisk(), LIMIT, |_, _, _| Then::GoOn, settled(3)).await;
        let mut client = connect(&world.incarnations[0].client_url).await.unwrap();
        client.put("kept", "through it all", None).await.unwrap();
        // Members are changed alike in each chapter, so that the first one will do in the later ones.
        let goes_on = story.dies_after.is_none_or(|n| n <= FIRST_OF_3_7);
        let versions = [second, third, second];
        for binary in &versions[..if goes_on { 3 } else { 1 }] {
            let spec = format!("{{size: 3, version: {}, etcd: {{snapshotCount: 5000}}}}", binary.version);
            up.write_manifest(&spec);
            let followed = |world: &World| world.incarnations.iter().all(|one| one.version == binary.version);
            let mut at_rest = settled(3);
            let done = |world: &World, decision: &Decision| at_rest(world, decision) && followed(world);
            story.next_chapter();
            world = drive(&up, brisk(), LIMIT, |_, step, result| story.then(step, result), done).await;
        }
        let mut client = connect(&world.incarnations[0].client_url).await.unwrap();
        let read = client.get("kept", None).await.unwrap();
        let line = |name: &str| fs::read(format!("/proc/{}/cmdline", up.member_pid(name).unwrap())).unwrap();
        let flagged = |name: &str| String::from_utf8_lossy(&line(name)).contains("--snapshot-count=5000");
        let member = |one: &Incarnation| (one.report.as_ref().unwrap().version.clone(), flagged(&one.name.0));
        Rolled {
            members: world.incarnations.iter().map(member).collect(),
            processes: up.processes().len(),
            draining: world.incarnations.iter().filter(|one| one.draining.is_some()).count(),
            snapshots: ["3.6", "3.7"][..if goes_on { 2 } else { 1 }]
                .iter()
                .all(|minor| up.dir().join(format!("snapshots/before-{minor}.db")).exists()),
            key: read.kvs().first().map(|kv| kv.value_str().unwrap().to_owned()),
        }
    })
}

/// What moves between plain text and TLS end in, as far as it must not depend on where the operator died.
#[derive(Debug, PartialEq, Eq)]
struct Moved {
    /// How many authorities of each side there are after the chapters under TLS.
    authorities: Vec<[usize; 2]>,
    rotated: bool,
    processes: usize,
    draining: usize,
    key: Option<String>,
}

/// One run: to TLS, new authorities, back to plain text. The story begins once the cluster formed.
fn relocate(binary: &Binary, story: &mut Story) -> Moved {
    const PLAIN: &str = "tls: {peer: {mode: Disabled}, client: {mode: Disabled}}";
    const SECURED: &str = "tls: {peer: {mode: Managed}, client: {mode: Managed}}";
    let up = Up::prepare(binary, 3);
    let write = |tls: &str| up.write_manifest(&format!("{{size: 3, version: {}, {tls}}}", binary.version));
    write(PLAIN);
    let policy = || Policy { spread: Duration::from_secs(1), ..brisk() };
    runtime().block_on(async {
        let mut world = drive(&up, policy(), LIMIT, |_, _, _| Then::GoOn, settled(3)).await;
        let mut client = connect(&world.incarnations[0].client_url).await.unwrap();
        client.put("kept", "through it all", None).await.unwrap();
        let (mut authorities, mut issuers) = (Vec::new(), Vec::new());
        for (tls, listen) in [(SECURED, Listen::Tls), (SECURED, Listen::Tls), (PLAIN, Listen::Plain)] {
            let rotates = issuers.len() == 1;
            write(tls);
            if rotates {
                let now = format!("{}\n", jiff::Timestamp::now());
                fs::write(up.dir().join("rotate-certificates.request"), now).unwrap();
            }
            let old = issuers.last().cloned();
            let listens = |world: &World| {
                let there =
                    |one: &Incarnation| Side::ALL.map(|side| one.transport.get(side).listen) == [listen; 2];
                world.incarnations.iter().all(there)
            };
            let issuer = |world: &World| Side::ALL.map(|side| world.certificates.get(side).issuer.clone());
            let signed =
                |world: &World| !rotates || old.iter().flatten().all(|old| !issuer(world).contains(old));
            let mut at_rest = settled(3);
            let done = |world: &World, decision: &Decision| {
                at_rest(world, decision) && listens(world) && signed(world)
            };
            story.next_chapter();
            world = drive(&up, policy(), LIMIT, |_, step, result| story.then(step, result), done).await;
            if listen == Listen::Tls {
                authorities.push(Side::ALL.map(|side| world.certificates.get(side).authorities.len()));
            }
            issuers.push(issuer(&world));
        }
        let mut client = connect(&world.incarnations[0].client_url).await.unwrap();
        let read = client.get("kept", None).await.unwrap();
        Moved {
            authorities,
            rotated: issuers[0] != issuers[1],
            processes: up.processes().len(),
            draining: world.incarnations.iter().filter(|one| one.draining.is_some()).count(),
            key: read.kvs().first().map(|kv| kv.value_str().unwrap().to_owned()),
        }
    })
}

#[test]
fn the_operator_dies_after_its_nth_effect_of_moves_to_tls_and_back() {
    let binary = binary(Minor::V3_6);
    let expected = Moved {
        authorities: vec![[1, 1]; 2],
        rotated: true,
        processes: 3,
        draining: 0,
        key: Some("through it all".into()),
    };
    for_every_effect(&expected, |story| relocate(&binary, story));
}

#[test]
fn the_operator_dies_after_its_nth_effect_of_upgrades_and_a_downgrade() {
    let binaries = Minor::ALL.map(binary);
    let expected = Rolled {
        members: vec![(binaries[1].version.to_string(), true); 3],
        processes: 3,
        draining: 0,
        snapshots: true,
        key: Some("through it all".into()),
    };
    for_every_effect(&expected, |story| roll(&binaries, story));
}

#[test]
fn the_operator_dies_after_its_nth_effect_for_every_n() {
    let binary = binary(Minor::V3_6);
    let expected = End {
        voters: 3,
        learners: 0,
        processes: 3,
        folders: 3,
        draining: 0,
        replaced_is_gone: true,
        key: Some("through it all".into()),
    };
    for_every_effect(&expected, |story| run(&binary, story));
}

/// The effects of changing one member that leads: it is drained, hands over, is made anew, starts and is told of again.
const ONE_ROLL: usize = 5;

/// Runs a story undisturbed, then with a death after the first effect of each chapter, after the second, and so on to the
/// last of the longest.
fn for_every_effect<T: std::fmt::Debug + PartialEq + Sync>(
    expected: &T,
    run: impl Fn(&mut Story) -> T + Sync,
) {
    let began = Instant::now();
    let mut undisturbed = Story::new(None);
    assert_eq!(run(&mut undisturbed), *expected);
    println!("undisturbed: {:?} in {:.0?}", undisturbed.chapters, began.elapsed());
    let effects: Vec<_> = undisturbed.chapters.iter().map(Vec::len).collect();
    let longest = effects.iter().copied().max().unwrap();
    let next = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n > longest {
                        return;
                    }
                    let mut story = Story::new(Some(n));
                    let end = run(&mut story);
                    assert_eq!(end, *expected, "died after effect {n} of each of {:?}", story.chapters);
                    for (chapter, effects) in story.chapters.iter().zip(&effects) {
                        // The two sides of a rotation may share the roll of a member, or need one each.
                        let rotates = chapter.iter().any(|effect| effect.starts_with("UseAuthority"));
                        let shared = if rotates { ONE_ROLL } else { 0 };
                        assert!(
                            *effects < n + shared || chapter.len() >= n,
                            "no death after effect {n} of {chapter:?}"
                        );
                    }
                }
            });
        }
    });
    println!("died after each of {effects:?} effects; all in {:.0?}", began.elapsed());
}
