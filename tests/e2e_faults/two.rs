//! Two operators for one namespace at once.

use std::time::Instant;

use quorate::{kubernetes::lease::DEADLINE, plan::status::ClusterStatus};

use crate::{common::SECONDS, place::Place, script::Script, world::World};

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
fn only_the_elected_one_writes_in_both_namespaces_and_what_can_not_be_read_holds_up_its_own() {
    let world = World::new("quorate-elected");
    let other = Place::new("quorate-elected-too");
    other.apply("demo", "size: 3\nstorage: {emptyDir: {}}");
    let namespaces = [world.place.kubectl.name(), other.kubectl.name()];
    let candidate = |identity: &str| world.candidate_for(&namespaces, Script::default(), Some(identity));
    let mut both = vec![candidate("a"), candidate("b")];
    world.settled(3, SECONDS(150));
    other.wait_ready("demo", 3);
    world.tell("a cluster in each of two namespaces");
    world.write();
    both.sort_by_key(|one| one.link.writes().len());
    let writes: Vec<_> = both.iter().map(|one| one.link.writes()).collect();
    assert!(writes[0].is_empty(), "the one that does not lead wrote {:?}", writes[0]);
    // From here on, to the end of the first and into the life of its heir, one of the clusters can't be looked at.
    let hurt = other.names().remove(0);
    let version = |version: &str| {
        let change = format!(r#"{{"spec":{{"version":"{version}"}}}}"#);
        other.kubectl.must(&["patch", "etcdmember", &hurt, "--type=merge", "--patch", &change], "");
    };
    let named = |status: &ClusterStatus| {
        !status.is("Ready") && status.conditions.iter().any(|one| one.message.contains(&hurt))
    };
    let right = other.status("demo").version.expect("a version");
    version("x");
    other.wait("demo", "a member that can't be read is named", SECONDS(30), named);
    let before = world.look().members.len();
    world.place.scale(5);
    world.until("the other cluster is acted on", SECONDS(60), |look| look.members.len() > before);
    let mut first = both.pop().unwrap();
    first.link.cut_off();
    let cut = Instant::now();
    while first.ended().is_none() {
        assert!(cut.elapsed() < DEADLINE + SECONDS(2), "who is cut off leads on:\n{}", first.log());
        std::thread::sleep(SECONDS(1) / 10);
    }
    world.tell(&format!("who led is cut off, and ended after {:.1} s", cut.elapsed().as_secs_f64()));
    assert!(first.log().contains("could not be renewed"), "{}", first.log());
    assert!(both[0].link.writes().is_empty(), "the heir began before: {:?}", both[0].link.writes());
    world.settled(5, SECONDS(150));
    assert!(named(&other.status("demo")), "{:?}", other.status("demo").conditions);
    world.tell("the heir acts on one of them, and names what it can't read of the other");
    version(&right);
    other.scale(5);
    other.wait_ready("demo", 5);
    world.tell(&format!(
        "the first wrote {} times, its heir {}",
        first.link.writes().len(),
        both[0].link.writes().len()
    ));
    for namespace in namespaces {
        let of = format!("/namespaces/{namespace}/");
        let wrote = both[0].link.writes().iter().any(|write| write.contains(&of));
        assert!(wrote, "somebody else did its work in {namespace}");
    }
    world.nothing_lost();
}
