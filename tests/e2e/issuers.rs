//! The authorities that issue certificates are replaced. This waits for minutes, so it begins before the tests of the rest
//! of TLS, whose names come later.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use quorate::plan::status::ClusterStatus;

use crate::{
    keys::assert_told_nowhere,
    place::Place,
    tell::planned,
    tls::{BESIDE, der, secret, shown},
};

/// Two rolls, and two minutes before and after the second authority signs.
const ROTATED: Duration = Duration::from_secs(420);

/// A process of a member: its Pod, the certificate that it showed first, and when its Secret was seen to have another one.
type Process = Option<(String, Vec<u8>, Option<Instant>)>;

/// Whether a process that goes on shows another certificate, and how long after it was made: etcd reads its own at each
/// connection, once the kubelet has brought it into the Pod.
fn swaps(place: &Place, member: &str, known: &mut Process) -> Option<Duration> {
    let pod = place.pod_uid(member)?;
    let shows = shown(place, member)?;
    if known.as_ref().is_none_or(|(of, ..)| *of != pod) {
        *known = Some((pod, shows.clone(), None));
    }
    let (_, first, made) = known.as_mut()?;
    let kept = der(&secret(place, &format!("{member}-tls"))?["server.crt"]);
    if made.is_none() && kept != *first {
        *made = Some(Instant::now());
    }
    (shows != *first).then(|| made.map(|made| made.elapsed()).unwrap_or_default())
}

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
    let (swapped, process, asked) = (Cell::new(None), RefCell::default(), Cell::new(Instant::now()));
    let took = place.wait("demo", "new authorities", ROTATED, |status| {
        if swapped.get().is_none() && asked.get().elapsed() > Duration::from_secs(1) {
            asked.set(Instant::now());
            swapped.set(swaps(&place, &names[0], &mut process.borrow_mut()));
        }
        let now = signs(status);
        let done = |(now, old): (&(Option<String>, _), &(Option<String>, _))| now.0 != old.0;
        now.iter().zip(&before).all(done)
            && now.iter().all(|(_, step)| step.is_none())
            && status.updated_members == 3
            && status.is("Ready")
            && status.is("CertificatesReady")
    });
    println!("new authorities: {:.1} s", took.as_secs_f64());
    let swapped: Duration = swapped.get().expect("a process that showed a renewed certificate");
    println!("a member showed clients its renewed certificate after {:.1} s", swapped.as_secs_f64());
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
