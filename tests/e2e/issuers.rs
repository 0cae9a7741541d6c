//! The authorities that issue certificates are replaced. This waits for minutes, so it begins before the tests of the rest
//! of TLS, whose names come later.

use std::time::Duration;

use jiff::Timestamp;
use quorate::plan::status::ClusterStatus;

use crate::{
    keys::assert_told_nowhere,
    place::Place,
    tell::planned,
    tls::{BESIDE, secret},
};

/// Two rolls, and two minutes before and after the second authority signs.
const ROTATED: Duration = Duration::from_secs(420);

#[test]
fn authorities_are_made_anew_under_load() {
    let place = Place::new("quorate-tls-rotation");
    place.apply("demo", BESIDE);
    place.wait_ready("demo", 3);
    let names = place.names();
    let signs = |status: &ClusterStatus| {
        let sides = status.certificates.clone().unwrap_or_default();
        [sides.peer, sides.client]
            .map(|side| side.unwrap_or_default())
            .map(|side| (side.authority, side.step))
    };
    let before = signs(&place.status("demo"));
    // Two times of two minutes, for clients to fetch what they are to trust and to show; the other loads don't wait so long.
    let load = place.load_beside(20);
    let now = format!("quorate.dev/rotateCertificates={}", Timestamp::now());
    place.kubectl.must(&["annotate", "etcd", "demo", &now], "");
    let took = place.wait("demo", "new authorities", ROTATED, |status| {
        let now = signs(status);
        let done = |(now, old): (&(Option<String>, _), &(Option<String>, _))| now.0 != old.0;
        now.iter().zip(&before).all(done)
            && now.iter().all(|(_, step)| step.is_none())
            && status.updated_members == 3
            && status.is("Ready")
            && status.is("CertificatesReady")
    });
    println!("new authorities: {:.1} s", took.as_secs_f64());
    planned("new authorities", &load.finish());
    assert_eq!(place.names(), names, "nobody was replaced");
    for side in ["peer", "client"] {
        let kept = secret(&place, &format!("demo-{side}-ca")).unwrap();
        let certificates: Vec<_> = kept.iter().filter(|(name, _)| name.ends_with(".crt")).collect();
        let [(_, authority)] = certificates.as_slice() else { panic!("{:?}", kept.keys()) };
        for member in &names {
            let trusted = &secret(&place, &format!("{member}-tls")).unwrap()[&format!("{side}-ca.crt")];
            assert_eq!(trusted, *authority, "{member} trusts the new one of {side} and no other");
        }
    }
    assert_told_nowhere(&place.kubectl, "quorate-system");
}
