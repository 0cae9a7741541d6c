//! An operator that dies again and again in the middle of its work, and never remembers anything.

use crate::{common::SECONDS, lives::Lives, look::Look, script::Script, world::World};

/// Forms a cluster of three, makes it five and three again, and replaces one, by lives of that script.
fn through(world: &World, script: impl Fn(usize) -> Script) {
    let mut lives = Lives::new(world, script);
    lives.until("create", |look| look.ready(3));
    world.write();
    for size in [5, 3] {
        world.place.scale(size);
        lives.until(&format!("to {size}"), |look| look.ready(size) && look.members.len() as i64 == size);
        world.write();
    }
    let old = world.place.follower();
    world.replace(&old);
    let gone = |look: &Look| !look.members.iter().any(|(name, _)| *name == old);
    lives.until("replace", |look| gone(look) && look.ready(3));
    world.write();
    world.tell(&format!("{} lives in all", lives.count()));
    drop(lives);
    let _free = world.operator(Script::default());
    let look = world.settled(3, SECONDS(60));
    // One that was replaced, two that came and went, and three that stay.
    assert_eq!(world.member_ids(), 6, "members were removed that had to stay\n{look:#?}");
    world.nothing_lost();
    world.tell("settled");
}

#[test]
fn a_life_ends_after_each_write() {
    let world = World::new("quorate-kill-after");
    through(&world, |_| Script::dying(1, true));
}

#[test]
fn a_life_ends_before_its_second_write_and_answers_get_lost() {
    let world = World::new("quorate-kill-before");
    // What a life does after it did not hear of its first write is what the next one, which never made it, would do.
    through(&world, |life| Script { lost: (life % 3 == 0).then_some(1), ..Script::dying(2, false) });
}
