//! One authority takes over from another: step by step, and never before everybody is ready for it.

use super::{builder::*, trust::*};
use crate::plan::{
    Admission, ClusterState, Decision, Incarnation, PeerDomain, Side, Step, World,
    certificates::{Certificates, Source},
    status::describe,
    transport::Listen::{Both, Plain, Tls},
};

/// Under TLS among peers alone, so that each step is there once.
fn peers() -> World {
    cluster(3, 3).secured().with(|world| {
        world.desired.tls.client = Source::None;
        world.certificates.client = Certificates::default();
        world.incarnations.iter_mut().for_each(|one| one.transport.client = Default::default());
    })
}

fn asked(world: &mut World) {
    world.desired.rotate = Some(ago(10));
}

/// The second authority was made `seconds` ago.
fn second_made(seconds: i64) -> World {
    peers().with(|world| world.certificates.peer.authorities.push(authority("9f3c", seconds)))
}

fn trusting(one: &mut Incarnation) {
    one.transport.peer.trust = [id("1a2b"), id("9f3c")].into();
}

fn all_trust(world: World) -> World {
    (1..=3).fold(world, |world, serial| world.change(serial, trusting))
}

/// The second one signs, and all certificates are its own since `seconds`.
fn used(seconds: i64) -> World {
    all_trust(second_made(100)).with(|world| {
        world.certificates.peer.issuer = Some(id("9f3c"));
        world.certificates.peer.leaves = (1..=3).map(|n| leaf(&name(n).0, "9f3c", seconds)).collect();
    })
}

fn dropped() -> World {
    used(100).with(|world| drop(world.certificates.peer.authorities.remove(0)))
}

#[test]
fn step_by_step() {
    let moment = std::time::Duration::from_millis(900);
    check([
        ("nothing is asked for", peers(), "settled"),
        ("asked for", peers().with(asked), "AddAuthority"),
        ("in the future", peers().with(|w| w.desired.rotate = Some(ago(-60))), "settled"),
        (
            "one was made in the same second",
            peers().with(|w| w.desired.rotate = Some(ago(1000) + moment)),
            "settled",
        ),
        (
            "one of the future proves nothing about a wish",
            peers().with(|w| {
                w.desired.rotate = Some(ago(10));
                w.certificates.peer.authorities.iter_mut().for_each(|one| one.since = ago(-3600));
            }),
            "AddAuthority",
        ),
        (
            "one that is not valid yet is replaced",
            peers().with(|w| {
                w.certificates.peer.authorities.iter_mut().for_each(|one| one.since = ago(-4 * 3600));
            }),
            "AddAuthority",
        ),
        ("one was made since", peers().with(|w| w.desired.rotate = Some(ago(2000))), "settled"),
        (
            "two thirds of its life are over",
            peers().with(|w| w.certificates.peer.authorities[0].until = second(NOW + 499)),
            "AddAuthority",
        ),
        (
            "not yet",
            peers().with(|w| w.certificates.peer.authorities[0].until = second(NOW + 501)),
            "settled",
        ),
        ("members come to trust both", second_made(1), "Drain 2"),
        ("the next", second_made(1).change(2, trusting), "Drain 3"),
        ("asked for once more meanwhile", second_made(20).with(asked), "Drain 2"),
        ("all trust both, clients fetch it", all_trust(second_made(4)), "wait"),
        ("it signs", all_trust(second_made(5)), "UseAuthority"),
        (
            "one has not been made anew by its platform",
            all_trust(second_made(5)).change(3, |one| one.behind = Some("Pod".into())),
            "Drain 3",
        ),
        (
            "a certificate is left",
            used(9).with(|w| w.certificates.peer.leaves[1].issuer = id("1a2b")),
            "wait",
        ),
        ("one is not there", used(9).with(|w| drop(w.certificates.peer.leaves.pop())), "wait"),
        ("members and clients fetch theirs", used(4), "wait"),
        ("the old one goes", used(5), "DropAuthority"),
        ("members trust the new one alone", dropped(), "Drain 2"),
        (
            "done",
            dropped().with(|w| {
                w.incarnations.iter_mut().for_each(|one| one.transport.peer.trust = [id("9f3c")].into());
            }),
            "settled",
        ),
        ("not while paused", all_trust(second_made(5)).with(|w| w.desired.paused = true), "wait"),
        ("others look after it", peers().with(asked).with(|w| w.desired.tls.peer = Source::Given), "settled"),
    ]);
    assert_eq!(second_made(1).drained(2).recipe().transport.peer.trust, [id("1a2b"), id("9f3c")].into());
    assert_eq!(dropped().drained(2).recipe().transport.peer.trust, [id("9f3c")].into());
}

#[test]
fn given_authorities_are_rolled_out_unless_that_would_part_the_members() {
    let given = |trusted: &[&str]| {
        peers().with(|world| {
            world.desired.tls.peer = Source::Given;
            let peer = &mut world.certificates.peer;
            peer.issuer = None;
            peer.authorities = trusted.iter().map(|one| authority(one, 50)).collect();
        })
    };
    let signed_anew = |world: &mut World| world.certificates.peer.leaves[0].issuer = id("9f3c");
    check([
        ("one was added", given(&["1a2b", "9f3c"]), "Drain 2"),
        ("exchanged, and the certificates in use are of the old one", given(&["9f3c"]), "settled"),
        ("signed anew before all trust it", given(&["1a2b", "9f3c"]).with(signed_anew), "settled"),
        ("signed anew after all trust it", all_trust(given(&["1a2b", "9f3c"])).with(signed_anew), "settled"),
    ]);
}

#[test]
fn the_status_says_which_step_it_is_and_how_far() {
    let status = |world: &World| describe(world, &world.decide(), None, None, second(NOW));
    for (world, step, words) in [
        (second_made(1).change(2, trusting), "Trust", "1 of 3 members trust the new peer authority 9f3c"),
        (
            used(9).with(|w| w.certificates.peer.leaves[1].issuer = id("1a2b")),
            "Reissue",
            "2 of 3 peer certificates are signed by the new authority 9f3c",
        ),
        (dropped(), "Drop", "0 of 3 members trust the peer authority 9f3c alone"),
    ] {
        let status = status(&world);
        let peer = status.certificates.clone().unwrap().peer.unwrap();
        assert_eq!((peer.step.as_deref(), peer.message.as_deref()), (Some(step), Some(words)));
        let ready = status.condition("CertificatesReady").unwrap();
        assert_eq!((&*ready.status, &*ready.reason), ("True", "Rotating"));
        assert_eq!(ready.message, format!("{step}: {words}"));
    }
    let settled = status(&peers());
    let certificates = settled.certificates.clone().unwrap();
    assert_eq!(certificates.client, None);
    let peer = certificates.peer.unwrap();
    assert_eq!((peer.source.as_str(), peer.authority.as_deref(), peer.step), ("Managed", Some("1a2b"), None));
    assert_eq!(peer.expires.as_deref(), Some("1970-01-12T16:33:20Z"));
    assert_eq!(settled.condition("CertificatesReady").unwrap().reason, "AsExpected");
    let expired = status(&peers().with(|w| w.certificates.peer.leaves[2].until = ago(1)));
    assert_eq!(expired.condition("CertificatesReady").unwrap().reason, "Expired");
    let hour = jiff::SignedDuration::from_hours(1);
    let early = |since| status(&peers().with(|w| w.certificates.peer.leaves[2].since = since));
    assert_eq!(early(second(NOW) + hour).condition("CertificatesReady").unwrap().reason, "AsExpected");
    assert_eq!(early(second(NOW) + hour * 4).condition("CertificatesReady").unwrap().reason, "NotYetValid");
    let clock = |ahead| status(&peers().change(2, |one| one.ahead = Some(ahead)));
    for (ahead, words) in [(hour, "60 min ahead of"), (-hour, "60 min behind")] {
        let told = clock(ahead);
        let ready = told.condition("CertificatesReady").unwrap();
        assert_eq!((&*ready.status, &*ready.reason), ("False", "ClocksDiffer"));
        assert!(ready.message.contains(words) && told.is("Ready"), "{}", ready.message);
    }
    assert_eq!(clock(hour / 30).condition("CertificatesReady").unwrap().reason, "AsExpected");
    let plain = status(&cluster(3, 3));
    assert_eq!(
        (plain.certificates.clone(), plain.condition("CertificatesReady").unwrap().status.as_str()),
        (None, "True")
    );
}

#[test]
fn the_first_members_are_made_under_tls_at_once() {
    let bare = none(3).with(|world| {
        world.desired.tls = crate::plan::Sides { peer: Source::Managed, client: Source::Managed };
    });
    let ready = || none(3).managed();
    let placed = |listen| {
        ready().with(|world| {
            world.record.serial = 3;
            world.incarnations = (1..=3).map(place).collect();
            world.incarnations.iter_mut().for_each(|one| listens(one, listen, &["1a2b"]));
        })
    };
    let told = |listen| {
        placed(listen).with(|world| {
            for one in &mut world.incarnations {
                one.admission = Some(admission(ClusterState::New, 1..=3));
            }
        })
    };
    let missing = |world: &mut World| {
        world.desired.tls.peer = Source::Given;
        world.certificates.peer =
            Certificates { problem: Some("Secret x is missing".into()), ..Certificates::default() };
    };
    check([
        ("authorities first", bare.clone(), "AddAuthority, AddAuthority"),
        ("then places", ready(), "Reserve 1, Reserve 2, Reserve 3"),
        ("then all are told", placed(Tls), "Admit 1, Admit 2, Admit 3"),
        ("and start", told(Tls), "Start 1, Start 2, Start 3"),
        ("the spec was edited before that", placed(Tls).disabled(), "Discard 1, Discard 2, Discard 3"),
        ("the spec was edited before it formed", told(Plain), "Discard 1, Discard 2, Discard 3"),
        ("certificates are missing: nobody is made", none(3).managed().with(missing), "wait"),
        ("they went missing later: it goes on", told(Tls).with(missing), "Start 1, Start 2, Start 3"),
    ]);
    none(3)
        .managed()
        .with(missing)
        .waits_for("no member is made yet: peer certificates: Secret x is missing");
    let decision = placed(Tls).decide();
    let Step::Admit { admission, .. } = &decision.steps()[0] else { panic!("{decision:?}") };
    assert!(admission.initial_cluster.iter().all(|peer| peer.url.starts_with("https://")), "{admission:?}");
    let placeless = ready().with(|world| world.domain = Some(PeerDomain("p.ns.svc".into()))).decide();
    let Step::Reserve { admission: Some(told), recipe, .. } = &placeless.steps()[0] else {
        panic!("{placeless:?}")
    };
    assert_eq!(told.initial_cluster[0].url, format!("https://{}.p.ns.svc:2383", name(1)));
    assert_eq!((recipe.transport.peer.listen, recipe.transport.client.listen), (Tls, Tls));
}

#[test]
fn a_cluster_that_comes_back_listens_in_both_ways() {
    let left = |adopt: bool| {
        none(3).managed().with(|world| {
            world.left = (1..=3).map(name).collect();
            world.desired.adopt = adopt;
            world.record.serial = 3;
        })
    };
    left(false).waits_for("volumes of a former cluster");
    let unmade = left(true).with(|world| world.certificates = Default::default());
    assert_eq!(unmade.answer(), "AddAuthority, AddAuthority");
    let decision = left(true).decide();
    let Step::TakeUp { transport, .. } = &decision.steps()[0] else { panic!("{decision:?}") };
    assert_eq!((transport.peer.listen, transport.client.listen), (Both, Tls));
    let back = left(true).with(|world| {
        world.left.clear();
        world.incarnations = (1..=3).map(|n| member(n, 1)).collect();
        for one in &mut world.incarnations {
            one.admission = Some(Admission::over_data());
            listens(one, Both, &["1a2b"]);
        }
    });
    assert_eq!(back.answer(), "RecordFormed");
}

#[test]
fn both_sides_are_rotated_without_a_stop() {
    let mut world = cluster(3, 3).secured().with(asked);
    world.policy.settle = std::time::Duration::ZERO;
    world.policy.drain = std::time::Duration::ZERO;
    world.policy.spread = std::time::Duration::ZERO;
    for _ in 0..200 {
        let decision = world.decide();
        match &decision {
            Decision::Act { .. } => world.carry_out(&decision),
            Decision::Settled => break,
            Decision::Wait { .. } => panic!("{decision:?}"),
        }
        for one in &world.incarnations {
            let strange = |side: Side| {
                let issuers = world.certificates.get(side).leaves.iter().map(|leaf| &leaf.issuer);
                issuers.filter(|issuer| !one.transport.get(side).trust.contains(*issuer)).count()
            };
            assert_eq!(strange(Side::Peer) + strange(Side::Client), 0, "{decision:?}: {:?}", one.transport);
        }
    }
    for side in Side::ALL {
        let known = world.certificates.get(side);
        assert_eq!(known.trusted(), [id("0b01")].into(), "the second that was made is the only one");
        assert!(world.incarnations.iter().all(|one| one.transport.get(side).trust == known.trusted()));
    }
}
