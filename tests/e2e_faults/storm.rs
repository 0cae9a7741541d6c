//! An API server that is busy, broken or away for a fifth of all calls, and whose watches are worth nothing.

use std::time::{Duration, Instant};

use crate::{
    common::SECONDS,
    look::Look,
    script::{Script, Watches},
    world::World,
};

/// How long each change may take in the storm before the next one comes all the same.
const PATIENCE: Duration = Duration::from_secs(40);

/// How many calls have to meet a fault at the least, of well over a hundred.
const FAULTS: usize = 10;

fn storm() -> Script {
    let watches = Watches { cut: true, late: 30, swallowed: 3, ..Watches::default() };
    Script { faults: 20, watches, ..Script::default() }
}

#[test]
fn a_storm_passes() {
    let world = World::new("quorate-storm");
    let first = world.operator(Script::default());
    world.settled(3, SECONDS(120));
    first.kill();
    let mut operator = world.operator(storm());
    let load = world.place.load(50);
    let wait = |what: &str, done: &dyn Fn(&Look) -> bool| {
        let start = Instant::now();
        let mut reached = false;
        world.until(what, PATIENCE * 2, |look| {
            reached = done(look);
            reached || start.elapsed() > PATIENCE
        });
        let how = if reached { "done" } else { "given up" };
        world.tell(&format!("{what}: {how} after {:.1} s", start.elapsed().as_secs_f64()));
    };
    world.place.scale(5);
    wait("to 5 in the storm", &|look| look.ready(5));
    let lost = world.place.follower();
    world.place.delete_with_data(&lost);
    wait("a volume lost in the storm", &|look| {
        look.ready(5) && !look.members.iter().any(|(name, _)| *name == lost)
    });
    world.place.scale(3);
    wait("to 3 in the storm", &|look| look.ready(3));
    assert_eq!(operator.ended(), None, "it ended\n{}", operator.log());
    world.tell(&format!("{} faults, {} writes", operator.link.faults(), operator.link.writes().len()));
    assert!(operator.link.faults() >= FAULTS, "only {} calls met a fault", operator.link.faults());
    operator.link.calm();
    let calm = Instant::now();
    let look = world.settled(3, SECONDS(180));
    world.tell(&format!("settled {:.1} s after the storm", calm.elapsed().as_secs_f64()));
    let outcome = load.finish();
    world.tell(&outcome.to_string());
    assert_eq!(outcome.lost, 0, "acknowledged writes are gone");
    outcome.assert_most_acknowledged("a storm");
    // Three, two more, and one in the place of the one whose volume was lost.
    assert!(world.member_ids() <= 6, "etcd has had {} members\n{look:#?}", world.member_ids());
}
