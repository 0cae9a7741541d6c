//! Builds small worlds: a formed, healthy cluster to start from, and one change at a time.

use jiff::Timestamp;

use crate::plan::{
    Admission, ClusterId, ClusterSize, ClusterState, Data, Decision, Desired, Draining, EtcdOptions,
    EtcdVersion, Incarnation, Listed, MemberId, MemberName, Membership, Peer, Policy, Process, Record,
    Report, Sides, Step, Transport, World, decide,
};

pub const NOW: i64 = 1_000_000;
pub const CLUSTER: ClusterId = ClusterId(0xc1);

pub fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub fn ago(seconds: i64) -> Timestamp {
    second(NOW - seconds)
}

pub fn version() -> EtcdVersion {
    "3.6.16".parse().unwrap()
}

/// The name of the `serial`-th member.
pub fn name(serial: u64) -> MemberName {
    MemberName::nth("demo", "uid", serial)
}

pub fn url(serial: u64) -> String {
    format!("http://{serial}:2380")
}

pub fn report(serial: u64, leader: Option<u64>) -> Report {
    Report {
        id: MemberId(serial),
        cluster_id: CLUSTER,
        leader: leader.map(MemberId),
        term: 2,
        learner: false,
        raft_index: 1000,
        applied_index: 1000,
        db_size: 0,
        db_size_in_use: 0,
        version: "3.6.16".into(),
        storage: Some(crate::plan::version::Minor::V3_6),
        downgrade: None,
        cluster_version: None,
        raft_snapshots: None,
        revision: 1,
        alarms: Vec::new(),
        ready: true,
    }
}

/// A place that was made and told nothing.
pub fn place(serial: u64) -> Incarnation {
    Incarnation {
        name: name(serial),
        peer_url: url(serial),
        second_peer_url: None,
        client_url: String::new(),
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

pub fn admission(state: ClusterState, serials: impl IntoIterator<Item = u64>) -> Admission {
    let initial_cluster = serials.into_iter().map(|n| Peer { name: name(n).0, url: url(n) }).collect();
    Admission { state, initial_cluster, token: "token".into(), id: None }
}

/// A member that serves.
pub fn member(serial: u64, leader: u64) -> Incarnation {
    Incarnation {
        admission: Some(admission(ClusterState::New, 1..=3)),
        process: Process::Running { since: ago(500) },
        data: Data { started: true, present: true },
        report: Some(report(serial, Some(leader))),
        ..place(serial)
    }
}

pub fn listed(serial: u64) -> Listed {
    Listed { id: MemberId(serial), name: name(serial).0, peer_urls: vec![url(serial)], learner: false }
}

pub fn none(size: i64) -> World {
    World {
        cluster: "demo".into(),
        uid: "uid".into(),
        desired: Desired {
            size: ClusterSize::new(size).unwrap(),
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
        membership: Membership::Unknown { why: "nobody answers".into(), hearsay: Vec::new() },
        certificates: Sides::default(),
        snapshots: Vec::new(),
        divergence: None,
        left: Vec::new(),
        domain: None,
        policy: Policy::default(),
    }
}

/// A healthy cluster of members 1 to `count`, led by the first, of which `size` are wanted.
pub fn cluster(count: u64, size: i64) -> World {
    World {
        record: Record { cluster_id: Some(CLUSTER), serial: count },
        incarnations: (1..=count).map(|serial| member(serial, 1)).collect(),
        membership: Membership::Known((1..=count).map(listed).collect()),
        ..none(size)
    }
}

#[allow(missing_docs, reason = "the names say it")]
impl World {
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn change(self, serial: u64, change: impl FnOnce(&mut Incarnation)) -> Self {
        self.with(|world| {
            change(world.incarnations.iter_mut().find(|one| one.name == name(serial)).unwrap());
        })
    }

    /// It ended long ago, so that it may be started at once.
    pub fn dead(self, serial: u64) -> Self {
        self.exited(serial, 1, 100, "signal: killed")
    }

    pub fn exited(self, serial: u64, failures: u32, seconds: i64, last_words: &str) -> Self {
        let process = Process::Exited { at: ago(seconds), failures, last_words: last_words.into() };
        self.change(serial, |one| {
            one.process = process;
            one.report = None;
        })
    }

    pub fn emptied(self, serial: u64) -> Self {
        self.change(serial, |one| one.data.present = false)
    }

    /// Clients were told long enough ago.
    pub fn drained(self, serial: u64) -> Self {
        self.change(serial, |one| one.draining = Some(Draining::seen(ago(10))))
    }

    pub fn led_by(self, serial: u64) -> Self {
        self.with(|world| {
            for report in world.incarnations.iter_mut().filter_map(|one| one.report.as_mut()) {
                report.leader = Some(MemberId(serial));
            }
        })
    }

    pub fn list(&mut self) -> &mut Vec<Listed> {
        match &mut self.membership {
            Membership::Known(list) => list,
            Membership::Unknown { hearsay, .. } => hearsay,
        }
    }

    pub fn unlisted(self, serial: u64) -> Self {
        self.with(|world| world.list().retain(|one| one.id != MemberId(serial)))
    }

    /// Nobody confirms the list; some member still says it.
    pub fn no_quorum(self) -> Self {
        self.with(|world| {
            let hearsay = std::mem::take(world.list());
            world.membership = Membership::Unknown { why: "request timed out".into(), hearsay };
            for one in &mut world.incarnations {
                one.report = None;
            }
        })
    }

    /// A learner that etcd lists, told or not.
    pub fn learner(self, serial: u64, told: bool) -> Self {
        self.with(|world| {
            let unnamed = if told { name(serial).0 } else { String::new() };
            world.list().push(Listed { learner: true, name: unnamed, ..listed(serial) });
            let mut one = Incarnation { created: ago(10), ..place(serial) };
            if told {
                let mut list: Vec<_> = (1..=serial).map(|n| Peer { name: name(n).0, url: url(n) }).collect();
                list.sort();
                one = Incarnation {
                    admission: Some(Admission {
                        initial_cluster: list,
                        id: Some(MemberId(serial)),
                        ..admission(ClusterState::Existing, [])
                    }),
                    created: ago(10),
                    report: Some(Report { learner: true, ready: false, ..report(serial, Some(1)) }),
                    process: Process::Running { since: ago(5) },
                    data: Data { started: true, present: true },
                    ..place(serial)
                };
            }
            world.incarnations.push(one);
            world.record.serial = serial;
        })
    }

    pub fn decide(&self) -> Decision {
        decide(self, second(NOW))
    }

    /// The decision, short: its steps with their members' serials, or `wait`, or `settled`.
    pub fn answer(&self) -> String {
        let decision = self.decide();
        let serial = |member: &str| (0..20).find(|n| name(*n).0 == member).map(|n| n.to_string());
        let short = |step: &Step| match step {
            Step::RecordFormed { .. } => "RecordFormed".to_owned(),
            _ => format!("{} {}", step.kind(), serial(step.member()).unwrap_or_default()).trim().to_owned(),
        };
        match decision {
            Decision::Act { steps, .. } => steps.iter().map(short).collect::<Vec<_>>().join(", "),
            Decision::Wait { .. } => "wait".into(),
            Decision::Settled => "settled".into(),
        }
    }

    #[track_caller]
    pub fn waits_for(&self, words: &str) {
        let decision = self.decide();
        assert!(
            matches!(decision, Decision::Wait { .. }) && decision.reason().contains(words),
            "{words}: {decision:?}"
        );
    }
}

/// Checks a table of worlds and short answers.
#[track_caller]
pub fn check(table: impl IntoIterator<Item = (&'static str, World, &'static str)>) {
    for (case, world, expected) in table {
        let decision = world.decide();
        assert_eq!(world.answer(), expected, "{case}: {decision:?}");
    }
}
