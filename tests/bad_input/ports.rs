//! Ports that somebody else took while the members were down.

use std::net::TcpListener;

use quorate::plan::version::Minor;

use super::{
    common::{etcd::binary, up::Up},
    wait_for,
};

#[test]
fn a_taken_port_is_named_and_the_member_starts_once_it_is_free() {
    let mut up = Up::start(&binary(Minor::V3_7), 3);
    up.wait_ready(3);
    let before = up.status();
    let names = up.names();
    assert_eq!(up.interrupt(), Some(0));
    let port = |url: &str| url.rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let taken = [port(&before.members[0].peer_url), port(&before.members[1].client_url)];
    let mut others: Vec<_> =
        taken.iter().map(|port| TcpListener::bind(("127.0.0.1", *port)).unwrap()).collect();
    up.run();
    // Two of three are kept from starting, so there is no quorum either.
    for (name, port) in names.iter().zip(taken) {
        let port = port.to_string();
        let what_to_do = "stop that program";
        wait_for(&up, "Degraded", "True", &[name, &port, "is taken by another program", what_to_do]);
    }
    others.pop();
    // With a quorum the third is waited for.
    let port = taken[0].to_string();
    wait_for(&up, "Available", "True", &[]);
    wait_for(&up, "Degraded", "True", &[&names[0], &port, "is taken by another program"]);
    others.clear();
    up.wait_ready(3);
    let ids = |status: &quorate::plan::status::ClusterStatus| -> Vec<_> {
        status.members.iter().map(|one| (one.name.clone(), one.id.clone())).collect()
    };
    assert_eq!(ids(&up.status()), ids(&before), "nobody was replaced");
}
