//! Two operators for one namespace at once.

use crate::{common::SECONDS, script::Script, world::World};

#[test]
fn two_without_an_election_do_no_harm() {
    let world = World::new("quorate-two");
    let both = [world.operator(Script::default()), world.operator(Script::default())];
    let tell = |what: &str| {
        let writes = both.each_ref().map(|one| one.link.writes().len());
        world.tell(&format!("{what}: writes {writes:?}, members so far {}", world.member_ids()));
    };
    world.settled(3, SECONDS(150));
    tell("created");
    world.write();
    for size in [5, 3] {
        world.place.scale(size);
        world.settled(size, SECONDS(150));
        tell(&format!("to {size}"));
        world.write();
    }
    assert!(world.member_ids() <= 5, "etcd has had {} members", world.member_ids());
    world.nothing_lost();
}

#[test]
fn only_the_elected_one_writes() {
    let world = World::new("quorate-elected");
    let mut both =
        vec![world.candidate(Script::default(), Some("a")), world.candidate(Script::default(), Some("b"))];
    world.settled(3, SECONDS(150));
    world.write();
    both.sort_by_key(|one| one.link.writes().len());
    let writes: Vec<_> = both.iter().map(|one| one.link.writes()).collect();
    assert!(writes[0].is_empty(), "the one that does not lead wrote {:?}", writes[0]);
    both.pop().unwrap().kill();
    world.place.scale(5);
    world.settled(5, SECONDS(150));
    world.tell(&format!(
        "the first wrote {} times, its heir {}",
        writes[1].len(),
        both[0].link.writes().len()
    ));
    assert!(!both[0].link.writes().is_empty(), "somebody else did its work");
    world.nothing_lost();
}
