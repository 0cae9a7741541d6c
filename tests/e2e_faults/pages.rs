//! More objects than one answer of the API server has.

use std::{fmt::Write, time::Instant};

use kube::api::ListParams;
use quorate::api::EtcdCluster;

use crate::{
    common::SECONDS,
    place::{IN_PLAIN_TEXT, Place},
    proxy::Proxy,
    quiet::Turn,
    script::Script,
};

/// Two pages, and a piece of a third.
const CLUSTERS: usize = 101;

/// How many clusters there are whose status tells of their newest spec.
fn told(place: &Place) -> usize {
    let list = place.wait_for(place.api::<EtcdCluster>().list(&ListParams::default())).expect("an answer");
    let told = |one: &&EtcdCluster| {
        one.status.as_ref().and_then(|status| status.observed_generation) == one.metadata.generation
    };
    list.items.iter().filter(told).count()
}

#[test]
fn what_is_on_later_pages_is_looked_after() {
    let _turn = Turn::begin();
    let place = Place::new("quorate-pages");
    let mut manifest = String::new();
    for n in 0..CLUSTERS {
        writeln!(
            manifest,
            "---\napiVersion: quorate.dev/v1alpha1\nkind: EtcdCluster\nmetadata: {{name: c{n}}}\n\
             spec:\n  size: 3\n  paused: true\n  {IN_PLAIN_TEXT}"
        )
        .unwrap();
    }
    place.kubectl.must(&["create", "--filename", "-"], &manifest);
    let proxy = Proxy::start();
    let operator = crate::operator::Operator::start(&proxy, &[place.kubectl.name()], Script::default(), None);
    let began = Instant::now();
    while told(&place) < CLUSTERS {
        assert!(began.elapsed() < SECONDS(60), "{} have a status\n{}", told(&place), operator.log());
        std::thread::sleep(SECONDS(1) / 5);
    }
    let lists: Vec<_> =
        operator.link.recorded().into_keys().filter(|path| path.contains("/etcdclusters?")).collect();
    println!("{CLUSTERS} clusters told of after {:.1} s, from {lists:#?}", began.elapsed().as_secs_f64());
    assert_eq!(lists.len(), 3, "{lists:#?}");
    assert!(lists.iter().all(|path| path.contains("limit=50")), "{lists:#?}");
    assert_eq!(lists.iter().filter(|path| path.contains("continue=")).count(), 2, "{lists:#?}");
}
