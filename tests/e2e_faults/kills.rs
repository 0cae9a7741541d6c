//! An operator that dies again and again in the middle of its work, and never remembers anything.

use crate::{
    common::SECONDS,
    lives::Lives,
    look::Look,
    script::Script,
    world::{TLS, World},
};

/// Forms a cluster of three, makes it five and three again, and does something more, by lives of that script. `ids` is how
/// many members etcd has had in the end.
fn through(
    world: &World,
    script: impl Fn(usize) -> Script + 'static,
    more: impl FnOnce(&World, &mut Lives<'_>),
    ids: usize,
) {
    let mut lives = Lives::new(world, script);
    lives.until("create", |look| look.ready(3));
    world.write();
    for size in [5, 3] {
        world.place.scale(size);
        lives.until(&format!("to {size}"), |look| look.ready(size) && look.members.len() as i64 == size);
        world.write();
    }
    more(world, &mut lives);
    world.write();
    world.tell(&format!("{} lives ended in all", lives.killed()));
    drop(lives);
    let _free = world.operator(Script::default());
    let look = world.settled(3, SECONDS(60));
    assert_eq!(world.member_ids(), ids, "members were removed that had to stay\n{look:#?}");
    world.nothing_lost();
    world.tell("settled");
}

#[test]
fn a_life_ends_after_each_write_under_tls() {
    let world = World::under_tls("quorate-kill-after");
    let roll = |world: &World, lives: &mut Lives<'_>| {
        world.place.apply("demo", &format!("{TLS}\netcd: {{snapshotCount: 5000}}"));
        lives.until("a flag", |look| look.ready(3) && look.updated() == 3);
    };
    // Three that stay, and two that came and went.
    through(&world, |_| Script::dying(1, true), roll, 5);
}

#[test]
fn a_life_ends_before_its_second_write_and_answers_get_lost() {
    let world = World::under_tls("quorate-kill-before");
    // What a life does after it did not hear of its first write is what the next one, which never made it, would do.
    let script =
        |life: usize| Script { lost: life.is_multiple_of(3).then_some(1), ..Script::dying(2, false) };
    let replace = |world: &World, lives: &mut Lives<'_>| {
        let old = world.place.follower();
        world.replace(&old);
        let gone = |look: &Look| !look.members.iter().any(|(name, _)| *name == old);
        lives.until("replace", |look| gone(look) && look.ready(3));
    };
    // One that was replaced beside those.
    through(&world, script, replace, 6);
}
