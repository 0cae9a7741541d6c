//! An operator that is told at its start how things were long ago, as by an API server that lags behind.

use std::collections::BTreeSet;

use crate::{
    common::SECONDS,
    look::Look,
    script::{Lists, Script, Watches},
    world::World,
};

/// All that is in use, as one line each.
fn in_use(look: &Look) -> BTreeSet<String> {
    let kinds = [("EtcdMember", &look.members), ("Pod", &look.pods), ("claim", &look.claims)];
    let objects =
        kinds.into_iter().flat_map(|(kind, all)| all.iter().map(move |one| format!("{kind} {one:?}")));
    let listed = look.etcd.iter().flat_map(|etcd| &etcd.members);
    objects.chain(listed.map(|one| format!("etcd {one:x?}"))).collect()
}

/// What there was and is not any more. More may be there for a while: a Pod that is made for a member which is gone has no
/// owner, and the garbage collector takes it.
fn taken(before: &Look, now: &Look) -> Vec<String> {
    in_use(before).difference(&in_use(now)).cloned().collect()
}

/// A life that begins with old lists over a cluster that wants for nothing.
fn believes(world: &World, what: &str, stale: &Lists, held: u64, size: i64) {
    let before = world.settled(size, SECONDS(60));
    let watches = Watches { held: SECONDS(held), ..Watches::default() };
    let operator = world.operator(Script { stale: stale.clone(), watches, ..Script::default() });
    let until = std::time::Instant::now() + SECONDS(held + 5);
    while std::time::Instant::now() < until {
        let gone = taken(&before, &world.look());
        assert!(gone.is_empty(), "{what}: it took {gone:#?}\n{}", operator.log());
        std::thread::sleep(SECONDS(1) / 5);
    }
    let after = world.settled(size, SECONDS(60));
    assert_eq!(in_use(&after), in_use(&before), "{what}");
    world.tell(&format!("{what}: writes {:?}", operator.link.writes()));
}

#[test]
fn old_lists_take_nothing_away() {
    let world = World::new("quorate-stale");
    let operator = world.operator(Script::default());
    world.settled(3, SECONDS(120));
    operator.kill();
    world.write();
    // Lists of a cluster of three that is ready.
    let operator = world.operator(Script::default());
    world.until("its lists are answered", SECONDS(20), |_| operator.link.recorded().len() >= 6);
    let young = operator.link.recorded();
    world.tell(&format!("recorded {:?}", young.keys().collect::<Vec<_>>()));

    let old = world.place.follower();
    world.replace(&old);
    let gone = |look: &Look| !look.members.iter().any(|(name, _)| *name == old);
    world.until("replace", SECONDS(90), |look| gone(look) && look.ready(3));
    world.place.scale(5);
    world.settled(5, SECONDS(120));
    operator.kill();
    world.tell("one was replaced, and two more are there");
    believes(&world, "three at first, and the watches catch up", &young, 0, 5);
    believes(&world, "three at first, and the watches are held", &young, 5, 5);

    // And the other way: what it believes in was taken away by its former life.
    let operator = world.operator(Script::default());
    world.until("its lists are answered", SECONDS(20), |_| operator.link.recorded().len() >= 6);
    let large = operator.link.recorded();
    world.place.scale(3);
    world.settled(3, SECONDS(120));
    operator.kill();
    let before = world.settled(3, SECONDS(60));
    let watches = Watches { held: SECONDS(5), ..Watches::default() };
    let operator = world.operator(Script { stale: large, watches, ..Script::default() });
    world.until("the watches are let go", SECONDS(60), {
        let start = std::time::Instant::now();
        move |_| start.elapsed() > SECONDS(10)
    });
    let look = world.settled(3, SECONDS(120));
    assert_eq!(in_use(&look), in_use(&before), "it gave up what is in use\n{}", operator.log());
    world.tell(&format!("five at first: writes {:?}", operator.link.writes()));
    world.nothing_lost();
}
