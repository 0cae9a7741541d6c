//! Between plain text and TLS: which round comes next, what a member that joins gets, and what happens when the spec
//! changes its mind on the way.

use super::{builder::*, trust::*};
use crate::plan::{
    Decision, Listed, Membership, Scheme, Step, World,
    certificates::Source,
    moves,
    status::describe,
    transport::Listen::{self, Both, Plain, Tls},
};

/// Three members in plain text, and TLS is wanted.
fn wanted() -> World {
    cluster(3, 3).managed()
}

#[test]
fn plain_text_to_tls_in_three_rounds() {
    let both = || wanted().all(Both);
    check([
        ("no authority is there", wanted().with(|w| w.certificates = Default::default()), "AddAuthority"),
        ("the first member listens in both ways", wanted(), "Drain 2"),
        ("told", wanted().drained(2), "Renew 2"),
        ("the second", wanted().one(2, Both), "Drain 3"),
        ("the leader", wanted().one(2, Both).one(3, Both), "Drain 1"),
        ("all listen in both ways", both(), "UpdatePeerUrl 1"),
        ("the list was read back", both().https([1]), "UpdatePeerUrl 2"),
        ("one is not healthy", both().https([1]).change(3, |one| one.report = None), "wait"),
        (
            "its platform has not made it anew",
            both().change(3, |one| one.behind = Some("Pod".into())),
            "Drain 3",
        ),
        ("all URLs are https", both().https(1..=3), "Drain 2"),
        ("the next", both().https(1..=3).one(2, Tls), "Drain 3"),
        ("done", cluster(3, 3).secured(), "settled"),
        ("not while paused", both().with(|w| w.desired.paused = true), "wait"),
        ("the members differ", both().with(differ), "wait"),
    ]);
    let listen = |world: World| {
        let transport = world.drained(2).recipe().transport;
        (transport.peer.listen, transport.client.listen)
    };
    assert_eq!(listen(wanted()), (Both, Both));
    assert_eq!(listen(both().https(1..=3)), (Tls, Tls));
    assert_eq!(listen(both().https(1..=3).with(|w| w.desired.client_plaintext = true)), (Tls, Both));
}

fn differ(world: &mut World) {
    world.divergence = Some(crate::plan::divergence::Divergence {
        at: ago(1),
        took: std::time::Duration::ZERO,
        voters: Vec::new(),
        outcome: crate::plan::divergence::Outcome::Differ(Vec::new()),
    });
}

#[test]
fn a_spec_that_is_put_back_turns_round_where_it_is() {
    let both = || wanted().all(Both);
    check([
        ("in the first round", wanted().one(2, Both).disabled(), "Drain 2"),
        ("between the rounds", both().https([1]).disabled(), "UpdatePeerUrl 1"),
        ("before any URL", both().disabled(), "Drain 2"),
        ("in the last round", both().https(1..=3).one(2, Tls).disabled(), "Drain 2"),
        ("that one listens in both ways again", both().https(1..=3).disabled(), "UpdatePeerUrl 1"),
        ("all URLs are http", both().disabled().one(2, Plain), "Drain 3"),
        ("done", cluster(3, 3).managed().disabled(), "settled"),
        ("from the end", cluster(3, 3).secured().disabled(), "Drain 2"),
    ]);
    let back = cluster(3, 3).secured().disabled().drained(2).recipe().transport;
    assert_eq!((back.peer.listen, back.client.listen), (Both, Both));
    assert_eq!(back.peer.trust, [id("1a2b")].into(), "it goes on to trust whom the others trust");
}

#[test]
fn the_client_side_alone_needs_no_url_of_peers() {
    let only = |world: World| world.with(|w| w.desired.tls.peer = Source::None);
    let client = |world: World, serial: u64, listen: Listen| {
        world.change(serial, |one| {
            listens(one, Plain, &[]);
            let trust = if listen == Plain { Default::default() } else { [id("1a2b")].into() };
            one.transport.client = crate::plan::transport::Channel { listen, trust };
        })
    };
    let all = |listen| (1..=3).fold(only(wanted()), |world, n| client(world, n, listen));
    check([
        ("first round", only(wanted()), "Drain 2"),
        ("the second of it", client(only(wanted()), 2, Both), "Drain 3"),
        ("last round", all(Both), "Drain 2"),
        ("the second of it", client(all(Both), 2, Tls), "Drain 3"),
        ("done", all(Tls), "settled"),
        ("plain text is to stay", all(Both).with(|w| w.desired.client_plaintext = true), "settled"),
        ("plain text comes back", all(Tls).with(|w| w.desired.client_plaintext = true), "Drain 2"),
    ]);
}

/// The rule of the rounds: etcd's list has no URL that some member does not have a listener for.
fn holds(world: &World) {
    let Membership::Known(list) = &world.membership else { panic!("{world:?}") };
    for url in list.iter().flat_map(|one| &one.peer_urls) {
        for one in &world.incarnations {
            assert!(
                one.transport.peer.listen.has(Scheme::of(url)),
                "{url}: {} {:?}",
                one.name,
                one.transport
            );
        }
    }
    let clients = |scheme| world.incarnations.iter().all(|one| one.transport.client.listen.has(scheme));
    assert!(clients(Scheme::Http) || clients(Scheme::Https), "{:?}", world.incarnations);
}

/// Goes on until all is settled, and changes the spec after so many steps each.
fn walk(mut world: World, edits: &[usize]) -> usize {
    world.policy.settle = std::time::Duration::ZERO;
    world.policy.drain = std::time::Duration::ZERO;
    let mut edits = edits.iter().copied();
    let mut edit = edits.next();
    for steps in 0..200 {
        while edit == Some(steps) {
            world = match world.desired.tls.peer {
                Source::None => world.with(|w| {
                    w.desired.tls = crate::plan::Sides { peer: Source::Managed, client: Source::Managed }
                }),
                _ => world.disabled(),
            };
            edit = edits.next().map(|more| steps + more);
        }
        let decision = world.decide();
        match &decision {
            Decision::Act { .. } => world.carry_out(&decision),
            Decision::Settled if edit.is_none() => {
                let listen = if world.desired.tls.peer == Source::None { Plain } else { Tls };
                for one in &world.incarnations {
                    assert_eq!((one.transport.peer.listen, one.transport.client.listen), (listen, listen));
                    assert!(one.draining.is_none());
                }
                assert_eq!(moves::unfinished(&world), None);
                return steps;
            }
            Decision::Settled => {}
            Decision::Wait { .. } => panic!("{decision:?}"),
        }
        holds(&world);
    }
    panic!("{edits:?} never ends: {world:?}");
}

#[test]
fn a_spec_that_changes_its_mind_at_any_moment_ends_as_wanted() {
    let there = walk(wanted(), &[]);
    let back = walk(cluster(3, 3).secured(), &[0]);
    assert_eq!(there, back, "the way back is as long");
    for first in 0..=there {
        walk(wanted(), &[first]);
        for second in 0..=back {
            walk(wanted(), &[first, second]);
            walk(cluster(3, 3).secured(), &[first, second]);
        }
    }
}

#[test]
fn a_member_that_joins_in_the_middle_talks_to_all() {
    let five = |world: World| world.with(|w| w.desired.size = crate::plan::ClusterSize::new(5).unwrap());
    let table = [
        ("plain text", five(cluster(3, 3)), Plain, Scheme::Http),
        ("nobody was changed yet", five(wanted()), Both, Scheme::Http),
        ("first round", five(wanted().one(2, Both)), Both, Scheme::Http),
        ("all listen in both ways", five(wanted().all(Both)), Both, Scheme::Https),
        ("last round", five(wanted().all(Both).https(1..=3).one(2, Tls)), Both, Scheme::Https),
        ("under TLS", five(cluster(3, 3).secured()), Tls, Scheme::Https),
        ("on the way back", five(cluster(3, 3).secured().disabled()), Both, Scheme::Https),
        ("further back", five(wanted().all(Both).disabled()), Both, Scheme::Http),
        ("with one in plain text", five(wanted().all(Both).disabled().one(2, Plain)), Both, Scheme::Http),
    ];
    for (case, world, listen, scheme) in table {
        let transport = world.recipe().transport;
        assert_eq!((transport.peer.listen, transport.client.listen), (listen, listen), "{case}");
        let trusts = transport.peer.trust == [id("1a2b")].into();
        assert_eq!(trusts, listen != Plain, "{case}: {:?}", transport.peer.trust);
        let placed = world.clone().with(|world| {
            let mut one = place(4);
            one.created = ago(1);
            dress(&mut one, &transport);
            world.incarnations.push(one);
        });
        let decision = placed.decide();
        let [Step::AddLearner { peer_url: told, .. }] = decision.steps() else {
            panic!("{case}: {decision:?}")
        };
        assert_eq!(*told, peer_url(4, scheme), "{case}");
        let turned = placed.change(4, |one| listens(one, if listen == Tls { Plain } else { Tls }, &[]));
        assert_eq!(
            turned.answer(),
            "Discard 4",
            "{case}: it was made for another cluster than this is by now"
        );
    }
}

#[test]
fn a_learner_is_told_the_urls_of_etcds_list() {
    let world = wanted().all(Both).https([2]).with(|world| {
        world.desired.size = crate::plan::ClusterSize::new(5).unwrap();
        world.incarnations.push(crate::plan::Incarnation { created: ago(1), ..place(4) });
        let listed = Listed { learner: true, name: String::new(), ..listed(4) };
        world.list().push(Listed { peer_urls: vec![peer_url(4, Scheme::Https)], ..listed });
    });
    let world = world.change(4, |one| listens(one, Both, &["1a2b"]));
    let decision = world.decide();
    let [Step::Admit { admission, .. }] = decision.steps() else { panic!("{decision:?}") };
    let mut told: Vec<_> = admission.initial_cluster.iter().map(|peer| peer.url.clone()).collect();
    told.sort();
    assert_eq!(told, [url(1), url(3), peer_url(2, Scheme::Https), peer_url(4, Scheme::Https)]);
}

#[test]
fn the_status_says_what_is_left_between_two_rounds() {
    let status = |world: &World| describe(world, &world.decide(), None, None, second(NOW));
    let applied = |world: &World| status(world).condition("SpecApplied").unwrap().clone();
    let rolling = applied(&wanted().one(2, Both));
    assert!(rolling.message.contains("1 of 3 members changed"), "{}", rolling.message);
    assert!(rolling.message.contains("(peer TLS: plain → both)"), "{}", rolling.message);
    let between = applied(&wanted().all(Both).https([1]));
    assert_eq!((&*between.status, &*between.reason), ("False", "RollingOut"));
    assert_eq!(between.message, "2 of 3 peer URLs in etcd's list are still to become https");
    assert_eq!(applied(&cluster(3, 3).secured()).status, "True");
    let trust = moves::difference(&cluster(3, 3).secured().incarnations[0].transport, &{
        let mut one = member(1, 1);
        listens(&mut one, Tls, &["1a2b", "9f3c"]);
        one.transport
    });
    assert_eq!(trust.unwrap(), "trust of peers: 1a2b → 1a2b + 9f3c");
}

#[test]
fn certificates_that_are_missing_are_told_and_restart_nobody() {
    let missing =
        |world: World| world.with(|w| w.certificates.peer.problem = Some("Secret x is missing".into()));
    let given = |world: World| {
        missing(world).with(|w| {
            w.desired.tls.peer = Source::Given;
            w.certificates.peer.authorities.clear();
            w.certificates.peer.leaves.clear();
        })
    };
    let secured = || cluster(3, 3).secured();
    let other = |world: &mut World| world.certificates.peer.leaves[0].issuer = id("9f3c");
    check([
        ("under TLS", missing(secured()), "settled"),
        ("in the first round", missing(wanted().one(2, Both)).with(client_done), "settled"),
        ("between the rounds", missing(wanted().all(Both)).with(client_done), "settled"),
        ("given by others", given(secured()), "settled"),
        ("signed by somebody else", secured().with(other), "settled"),
        ("one joins all the same", missing(cluster(3, 5).secured()), "Reserve 4"),
        ("one that is down is started as it was", missing(secured()).dead(2), "Start 2"),
    ]);
    for (world, reason, words) in [
        (missing(secured()), "NotUsable", "Secret x is missing"),
        (secured().with(other), "Untrusted", "9f3c"),
        (secured().with(|w| w.certificates.peer = Default::default()), "AuthorityLost", "members trust 1a2b"),
    ] {
        let status = describe(&world, &world.decide(), None, None, second(NOW));
        let ready = status.condition("CertificatesReady").unwrap();
        assert_eq!((&*ready.status, &*ready.reason), ("False", reason), "{}", ready.message);
        assert!(ready.message.contains(words), "{}", ready.message);
        assert_eq!(status.condition("SpecApplied").unwrap().reason, "CertificatesNotReady");
        assert_eq!(world.answer(), "settled", "{reason}");
    }
}

/// The client side has nothing to be changed.
fn client_done(world: &mut World) {
    world.desired.tls.client = Source::None;
    world.incarnations.iter_mut().for_each(|one| one.transport.client = Default::default());
}
