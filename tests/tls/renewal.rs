//! Certificates that are made anew in time, and authorities that take over from others.

use std::sync::Arc;

use jiff::Timestamp;
use quorate::{
    pki::Certificate,
    plan::{Decision, MemberName, Policy, World, version::Minor},
    process::{folder::Folder, requests},
};

use super::{
    SECONDS, SECURED, all_authorities, authority,
    common::{
        inside::{Then, brisk, drive},
        load::{Load, connect_with},
        up::Up,
    },
    prepare, processes_below, read, rotated, runtime, serves, under_load, with_each_version,
};

/// Certificates that live for 30 s are renewed after 20 s.
fn short_lived() -> Policy {
    Policy { leaf_life: SECONDS(30), ..brisk() }
}

async fn goes_on(up: &Up, done: impl FnMut(&World, &Decision) -> bool) -> World {
    drive(up, short_lived(), SECONDS(120), |_, _, _| Then::GoOn, done).await
}

fn settled(_: &World, decision: &Decision) -> bool {
    matches!(decision, Decision::Settled)
}

#[test]
fn certificates_are_renewed_without_a_restart() {
    with_each_version(renewed_without_a_restart);
}

fn renewed_without_a_restart(minor: Minor) {
    let (up, runtime) = (prepare(minor, SECURED), runtime());
    let world = runtime.block_on(goes_on(&up, settled));
    let pids = processes_below(&up.dir());
    let tls = up.dir().join("tls");
    let names: Vec<_> = world.incarnations.iter().map(|one| one.name.clone()).collect();
    let ends = || {
        let of_member = |name: &MemberName| {
            ["peer", "client"].map(|side| up.member_dir(&name.0).join("tls").join(side).join("tls.crt"))
        };
        let paths = names.iter().flat_map(of_member).chain([tls.join("client.crt")]);
        paths.map(|path| Certificate::read(&read(path)).unwrap().until).collect::<Vec<_>>()
    };
    let first = ends();
    let urls: Vec<_> = world.incarnations.iter().map(|one| one.client_url.clone()).collect();
    let load = Load::secured(Arc::new(move || urls.clone()), tls.clone(), 200);
    // Long enough that nothing of what was there at first is valid any more.
    let end = *first.iter().max().unwrap() + SECONDS(1);
    runtime.block_on(goes_on(&up, |_, _| Timestamp::now() > end));
    let outcome = load.finish();
    println!("{minor}: certificates renewed; {outcome}");
    assert!(ends().iter().zip(&first).all(|(now, first)| now > first), "all were renewed");
    assert_eq!(processes_below(&up.dir()), pids, "no process was restarted");
    // A machine that stands still for as long as a try may take lets puts fail without anybody's fault.
    assert!(outcome.lost == 0 && (outcome.failed == 0 || outcome.held_up > SECONDS(1)), "{outcome}");

    // Links among peers outlive their certificates. A member that comes back needs new ones, both ways.
    let again = &names[0];
    requests::restart(&Folder::new(up.dir()), again, Timestamp::now()).unwrap();
    let old = up.member_pid(&again.0);
    let world = runtime.block_on(goes_on(&up, |world, decision| {
        settled(world, decision)
            && up.member_pid(&again.0) != old
            && world.incarnations.iter().all(|one| one.report.is_some())
    }));
    let url = &world.incarnations.iter().find(|one| one.name == *again).unwrap().client_url;
    let served = runtime.block_on(async { serves(connect_with(url, &tls).await).await });
    assert!(served, "the one that was restarted has what all have written");
}

/// New authorities of both sides, under load.
pub fn authorities_take_over(up: &Up, what: &str) {
    let before = all_authorities(up);
    under_load(up, what, rotated(up, &before), |up| {
        up.succeed(&["rotate-certificates"]);
    });
    for member in up.names() {
        for side in ["peer", "client"] {
            let new = authority(up, side);
            let folder = up.member_dir(&member).join("tls");
            let leaf = Certificate::read(&read(folder.join(side).join("tls.crt"))).unwrap();
            assert!(leaf.is_signed_by(new.facts()), "{member} {side}");
            let trusted = read(folder.join(format!("{side}-ca.crt")));
            assert_eq!(trusted, new.certificate(), "{member} trusts the new one of {side} and no other");
        }
    }
}
