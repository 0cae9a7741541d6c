//! Worlds as a platform and the members' answers would make them.

use jiff::Timestamp;
use quorate::plan::{
    Admission, ClusterId, ClusterSize, ClusterState, Data, Desired, EtcdOptions, EtcdVersion, Incarnation,
    Listed, MemberId, MemberName, Membership, Peer, Policy, Process, Record, Report, Sides, Transport, World,
};

type Make = fn(u64) -> World;

/// The states that are measured, each for a wanted number of members.
pub const ALL: [(&str, Make); 9] = [
    ("nothing exists", nothing),
    ("bootstrap, places are made", reserved),
    ("bootstrap, members start", forming),
    ("settled", settled),
    ("one more is wanted", growing),
    ("learner behind", |size| learner(size, 100)),
    ("learner caught up", |size| learner(size, 1000)),
    ("replacement: data of a voter lost", replacing),
    ("no quorum", without_quorum),
];

pub fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() - seconds).unwrap()
}

fn version() -> EtcdVersion {
    "3.6.16".parse().unwrap()
}

fn name(serial: u64) -> MemberName {
    MemberName::nth("demo", "uid", serial)
}

fn url(serial: u64) -> String {
    format!("http://10.0.0.{serial}:2380")
}

fn peers(count: u64) -> Vec<Peer> {
    let mut peers: Vec<_> = (1..=count).map(|n| Peer { name: name(n).0, url: url(n) }).collect();
    peers.sort();
    peers
}

fn admission(state: ClusterState, count: u64, id: Option<MemberId>) -> Admission {
    Admission { state, initial_cluster: peers(count), token: "demo-uid".into(), id }
}

fn place(serial: u64) -> Incarnation {
    Incarnation {
        name: name(serial),
        peer_url: url(serial),
        second_peer_url: None,
        client_url: format!("http://10.0.0.{serial}:2379"),
        created: ago(1000 - serial.cast_signed()),
        version: version(),
        options: EtcdOptions::default(),
        transport: Transport::default(),
        admission: None,
        process: Process::NotStarted,
        data: Data { started: false, present: false },
        supervised: false,
        behind: None,
        ephemeral: false,
        closed: None,
        ahead: None,
        misplaced: None,
        lost_since: None,
        draining: None,
        returned: None,
        restart_requested: None,
        replace_requested: false,
        node: format!("node{serial}"),
        report: None,
    }
}

/// A voter of `count` that serves; the first leads.
fn voter(serial: u64, count: u64) -> Incarnation {
    Incarnation {
        admission: Some(admission(ClusterState::New, count, None)),
        process: Process::Running { since: ago(500) },
        data: Data { started: true, present: true },
        report: Some(Report {
            id: MemberId(serial),
            cluster_id: ClusterId(0xc1),
            leader: Some(MemberId(1)),
            term: 2,
            learner: false,
            raft_index: 1000,
            applied_index: 1000,
            db_size: 20_480,
            db_size_in_use: 16_384,
            version: "3.6.16".into(),
            storage: None,
            downgrade: None,
            cluster_version: None,
            raft_snapshots: None,
            revision: 900,
            alarms: Vec::new(),
            ready: true,
        }),
        ..place(serial)
    }
}

fn listed(serial: u64) -> Listed {
    Listed { id: MemberId(serial), name: name(serial).0, peer_urls: vec![url(serial)], learner: false }
}

fn nothing(size: u64) -> World {
    World {
        cluster: "demo".into(),
        uid: "uid".into(),
        desired: Desired {
            size: ClusterSize::new(size.cast_signed()).unwrap(),
            version: version(),
            options: EtcdOptions::default(),
            tls: Sides::default(),
            client_plaintext: false,
            rotate: None,
            token: None,
            paused: false,
            adopt: false,
            replaces_misplaced: false,
            not_applied: Vec::new(),
            unfit: Vec::new(),
        },
        record: Record::default(),
        incarnations: Vec::new(),
        membership: Membership::Unknown { why: "the cluster has not formed yet".into(), hearsay: Vec::new() },
        snapshots: Vec::new(),
        divergence: None,
        certificates: Sides::default(),
        left: Vec::new(),
        domain: None,
        policy: Policy::default(),
    }
}

fn reserved(size: u64) -> World {
    let incarnations = (1..=size).map(|serial| Incarnation { created: ago(1), ..place(serial) }).collect();
    World { record: Record { cluster_id: None, serial: size }, incarnations, ..nothing(size) }
}

fn forming(size: u64) -> World {
    let started = |serial| Incarnation {
        created: ago(1),
        process: Process::Running { since: ago(1) },
        report: None,
        ..voter(serial, size)
    };
    World { incarnations: (1..=size).map(started).collect(), ..reserved(size) }
}

/// `count` healthy voters, of which `size` are wanted.
fn formed(count: u64, size: u64) -> World {
    World {
        record: Record { cluster_id: Some(ClusterId(0xc1)), serial: count },
        incarnations: (1..=count).map(|serial| voter(serial, count)).collect(),
        membership: Membership::Known((1..=count).map(listed).collect()),
        ..nothing(size)
    }
}

fn settled(size: u64) -> World {
    formed(size, size)
}

fn growing(size: u64) -> World {
    formed(size - 1, size)
}

/// The last of the members wanted is a learner that has applied so many entries of a thousand and more.
fn learner(size: u64, applied_index: u64) -> World {
    let mut world = formed(size - 1, size);
    let mut one = voter(size, size);
    one.created = ago(10);
    one.process = Process::Running { since: ago(5) };
    one.admission = Some(admission(ClusterState::Existing, size, Some(MemberId(size))));
    one.report = one.report.map(|report| Report { learner: true, ready: false, applied_index, ..report });
    world.incarnations.push(one);
    if let Membership::Known(list) = &mut world.membership {
        list.push(Listed { learner: true, ..listed(size) });
    }
    world.record.serial = size;
    world
}

fn replacing(size: u64) -> World {
    let mut world = settled(size);
    let last = world.incarnations.last_mut().unwrap();
    last.process = Process::Exited { at: ago(100), failures: 1, last_words: "signal: killed".into() };
    last.data.present = false;
    last.report = None;
    world
}

fn without_quorum(size: u64) -> World {
    let mut world = settled(size);
    for one in &mut world.incarnations {
        one.report = None;
    }
    let hearsay = (1..=size).map(listed).collect();
    world.membership = Membership::Unknown { why: "request timed out".into(), hearsay };
    world
}
