//! From plain text to TLS, to other authorities and back, while the cluster serves.

use quorate::plan::version::Minor;

use super::{
    CHANGE, PLAIN, SECONDS, SECURED, UNSAID, applied,
    common::{
        load::{connect, connect_with},
        up::Up,
    },
    processes_below, read,
    renewal::authorities_take_over,
    runtime, serves, spec, start, under_load, urls, with_each_version,
};

#[test]
fn to_tls_to_other_authorities_and_back_under_load() {
    with_each_version(to_tls_and_back);
}

fn to_tls_and_back(minor: Minor) {
    let up = start(minor, PLAIN);
    assert!(urls(&up).iter().all(|url| url.starts_with("http://")), "{:?}", urls(&up));
    stays_as_it_is(&up, minor);
    for (what, tls, scheme) in
        [("plain text → TLS", SECURED, "https://"), ("TLS → plain text", PLAIN, "http://")]
    {
        let next = up.status().observed_generation.unwrap() + 1;
        under_load(&up, &format!("{minor}: {what}"), applied(next), |up| up.write_spec(&spec(minor, tls)));
        assert!(urls(&up).iter().all(|url| url.starts_with(scheme)), "{:?}", urls(&up));
        let listening = listening(&up);
        assert_eq!(listening.len(), 3 * 3, "a port for clients, peers and metrics each: {listening:?}");
        stays_as_it_is(&up, minor);
        if tls == SECURED {
            authorities_take_over(&up, &format!("{minor}: new authorities"));
        }
    }
}

/// A spec that stops speaking of TLS changes nothing at a cluster that is there.
fn stays_as_it_is(up: &Up, minor: Minor) {
    let was = (urls(up), processes_below(&up.dir()));
    let next = up.status().observed_generation.unwrap() + 1;
    up.write_spec(&spec(minor, UNSAID));
    up.wait("a spec without tls", SECONDS(30), applied(next));
    assert_eq!((urls(up), processes_below(&up.dir())), was, "no process was restarted");
}

/// What the etcd processes of a cluster are told to listen on.
fn listening(up: &Up) -> Vec<String> {
    let flags = processes_below(&up.dir()).into_iter().flat_map(|pid| {
        let line = read(format!("/proc/{pid}/cmdline"));
        line.split('\0').filter(|flag| flag.starts_with("--listen-")).map(str::to_owned).collect::<Vec<_>>()
    });
    flags.flat_map(|flag| flag.split(',').map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn plain_clients_are_kept_as_long_as_they_are_wanted() {
    let minor = Minor::V3_6;
    let up = start(minor, PLAIN);
    let old = up.status().members[0].client_url.clone();
    let both = "tls: {peer: {mode: Managed}, client: {mode: Managed, plaintext: true}}";
    up.write_manifest(&spec(minor, both));
    up.wait("both", CHANGE, applied(2));
    let new = up.status().members[0].client_url.clone();
    assert!(new.starts_with("https://"), "{new}");
    runtime().block_on(async {
        assert!(serves(connect(&old).await).await, "the plain URL of before");
        assert!(serves(connect_with(&new, &up.dir().join("tls")).await).await);
    });
}
