//! What is simulated: the places of members, the etcd they form, the spec, the record, and the time.

use std::{collections::HashSet, fmt::Write as _};

use jiff::Timestamp;
use quorate::plan::{
    Admission, ClusterSize, Data, Desired, Draining, EtcdOptions, EtcdVersion, Incarnation, MemberId,
    MemberName, Policy, Process, Record, Report, Sides, Transport,
    certificates::{Certificates, LeafFacts, Source},
    divergence::Divergence,
};

use crate::{
    coverage::Coverage,
    ends::{Ends, Hindered},
    etcd::Etcd,
    log::Log,
    rng::Rng,
    snapshots::Kept,
    versions::Form,
};

/// One incarnation on the platform, with the etcd process in it.
pub struct Place {
    pub uid: u32,
    pub name: MemberName,
    pub created: i64,
    pub version: EtcdVersion,
    pub options: EtcdOptions,
    /// The storage of the spec when it was made.
    pub storage: u64,
    pub transport: Transport,
    /// What its process was started with: it learns of no authority later.
    pub started_with: Transport,
    pub leaf: Sides<Option<LeafFacts>>,
    pub ends: Ends,
    pub node: String,
    pub admission: Option<Admission>,
    pub draining: Option<i64>,
    pub returned: Option<i64>,
    pub restart_requested: Option<i64>,
    pub replace_requested: bool,
    pub process: State,
    /// Written down before the first start.
    pub started: bool,
    /// Whether the files are in the folder. A process whose folder was emptied runs on until it ends.
    pub folder: bool,
    /// The files are damaged: each start ends, and says so.
    pub corrupt: bool,
    /// Its next starts fail for a reason of its surroundings.
    pub blocked: bool,
    /// It started on an emptied folder, so it may vote for anybody.
    pub amnesia: bool,
    /// The process has opened its data and talks to its peers.
    pub joined: bool,
    pub boot_at: i64,
    /// How often it ended in a row, up to its last start.
    pub ended: u32,
    /// It had a leader since it started; before that its client port is closed.
    pub served: bool,
    /// Since when its links can be up.
    pub linked: i64,
    /// Members of one group reach each other.
    pub group: u8,
    /// Catches up slowly, as over a thin link.
    pub slow: bool,
    pub log: Log,
    pub commit: u64,
    pub form: Form,
    /// When it was last a healthy voter in truth.
    pub healthy_at: i64,
    /// What it said last, to be told again by a stale probe.
    pub said: Option<(i64, Report)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    NotStarted,
    Running { since: i64 },
    Exited { at: i64, failures: u32, words: &'static str },
    Blocked { at: i64 },
}

pub struct Model {
    pub now: i64,
    pub rng: Rng,
    pub places: Vec<Place>,
    pub etcd: Option<Etcd>,
    pub record: Record,
    pub desired: Desired,
    /// The storage of the spec: it counts its edits.
    pub storage: u64,
    pub policy: Policy,
    /// The authorities; certificates are with those who hold them.
    pub certificates: Sides<Certificates>,
    pub client_leaf: Sides<Option<LeafFacts>>,
    pub snapshots: Vec<Kept>,
    /// Whether they lie on the volume of the member that was asked.
    pub snapshots_on_volumes: bool,
    /// Hardly anybody writes.
    pub quiet: bool,
    /// Whether certificates are made anew before they end, as the platforms do.
    pub renews: bool,
    pub hindered: Hindered,
    /// Every name that was ever given to a place.
    pub names: HashSet<MemberName>,
    /// Whether whoever starts etcd refuses an emptied folder, as the platforms do.
    pub guard: bool,
    /// Whether faults still happen.
    pub faulty: bool,
    /// When the partition there is will heal.
    pub heal_at: Option<i64>,
    /// Until when nothing passes.
    pub away_until: i64,
    /// Faults may take the data of a majority.
    pub merciless: bool,
    pub divergence: Option<Divergence>,
    pub next_uid: u32,
    pub cover: Coverage,
    pub trace: Option<String>,
    /// The last line of the trace: waiting is told once.
    said: String,
}

impl Model {
    pub fn new(seed: u64, traced: bool) -> Self {
        let mut rng = Rng::new(seed);
        let size = random_size(&mut rng);
        let merciless = rng.per_mille(250);
        let tls = Sides { peer: random_source(&mut rng), client: random_source(&mut rng) };
        let version = random_version(&mut rng);
        let (quiet, snapshots_on_volumes) = (rng.per_mille(400), rng.per_mille(500));
        Self {
            now: 1_000_000,
            rng,
            places: Vec::new(),
            etcd: None,
            record: Record::default(),
            desired: Desired {
                size,
                version,
                options: EtcdOptions::default(),
                tls,
                client_plaintext: false,
                rotate: None,
                token: None,
                paused: false,
                adopt: false,
                replaces_misplaced: false,
                not_applied: Vec::new(),
                unfit: Vec::new(),
            },
            storage: 0,
            // Shorter than in life where only the order of events matters.
            policy: Policy {
                learner: std::time::Duration::from_secs(40),
                back_off: std::time::Duration::from_secs(8),
                authority_life: std::time::Duration::from_secs(150),
                leaf_life: std::time::Duration::from_secs(60),
                ..Policy::default()
            },
            certificates: Sides::default(),
            client_leaf: Sides::default(),
            snapshots: Vec::new(),
            snapshots_on_volumes,
            quiet,
            renews: true,
            hindered: Hindered::default(),
            names: HashSet::new(),
            guard: true,
            faulty: true,
            heal_at: None,
            away_until: 0,
            merciless,
            divergence: None,
            next_uid: 1,
            cover: Coverage::default(),
            trace: traced.then(String::new),
            said: String::new(),
        }
    }

    pub fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let (since, what) = (self.now - 1_000_000, what());
            if what != self.said {
                let _ = writeln!(trace, "{:>5}.{:03}  {what}", since / 1000, since % 1000);
                self.said = what;
            }
        }
    }

    pub fn index(&self, name: &MemberName) -> Option<usize> {
        self.places.iter().position(|place| place.name == *name)
    }

    pub fn place(&self, uid: u32) -> Option<&Place> {
        self.places.iter().find(|place| place.uid == uid)
    }

    /// How the platform shows a place.
    pub fn incarnation(&self, place: &Place, report: Option<Report>) -> Incarnation {
        let (peer_url, second_peer_url) = place.urls();
        Incarnation {
            name: place.name.clone(),
            peer_url,
            second_peer_url,
            client_url: String::new(),
            created: at(place.created),
            version: place.version,
            options: place.options.clone(),
            transport: place.transport.clone(),
            admission: place.admission.clone(),
            process: match &place.process {
                State::NotStarted => Process::NotStarted,
                State::Running { since } => Process::Running { since: at(*since) },
                State::Exited { at: when, failures, words } => {
                    Process::Exited { at: at(*when), failures: *failures, last_words: (*words).to_owned() }
                }
                State::Blocked { at: when } => {
                    Process::Blocked { why: "its port is taken".into(), at: at(*when) }
                }
            },
            data: Data { started: place.started, present: place.folder },
            supervised: false,
            behind: None,
            ephemeral: false,
            closed: None,
            ahead: None,
            misplaced: (place.storage != self.storage).then(|| "its volume is another one".into()),
            lost_since: None,
            draining: place.draining.map(at).map(Draining::seen),
            returned: place.returned.map(at),
            restart_requested: place.restart_requested.map(at),
            replace_requested: place.replace_requested,
            node: place.node.clone(),
            report,
        }
    }
}

impl Place {
    pub fn running(&self) -> bool {
        matches!(self.process, State::Running { .. })
    }

    /// The process ends. What was only in its open files goes with it.
    pub fn end(&mut self, now: i64, failures: u32, words: &'static str) {
        self.process = State::Exited { at: now, failures, words };
        self.ended = failures;
        self.joined = false;
        self.served = false;
        self.form.end();
        if !self.folder {
            self.forget();
        }
    }

    /// Its files are gone, and no process has them open.
    pub fn forget(&mut self) {
        self.log = Log::default();
        self.commit = 0;
        self.form = Form::default();
    }

    /// It ends by itself, or is killed.
    pub fn exit(&mut self, now: i64, words: &'static str) {
        let failures = match self.process {
            State::Running { since } if now - since > 10_000 => 1,
            _ => self.ended + 1,
        };
        self.end(now, failures, words);
    }

    /// Its data is lost for good, whether or not a process still has it open.
    pub fn lost(&self) -> bool {
        self.corrupt || (self.started && !self.folder)
    }
}

pub fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap()
}

pub fn version(text: &str) -> EtcdVersion {
    text.parse().unwrap()
}

/// A version that a cluster may begin with.
pub fn random_version(rng: &mut Rng) -> EtcdVersion {
    version(["3.5.35", "3.6.16", "3.6.16", "3.6.17", "3.7.3"][rng.below(5)])
}

/// A version that somebody writes into the spec: of the next minor version, of one that is too far or of one too old.
pub fn edited_version(rng: &mut Rng) -> EtcdVersion {
    let common = ["3.5.35", "3.5.36", "3.6.16", "3.6.16", "3.6.17", "3.7.3", "3.7.3"];
    let old = ["3.5.31", "3.6.10"];
    version(if rng.per_mille(100) { old[rng.below(2)] } else { common[rng.below(7)] })
}

/// Options that etcd starts with; those of different numbers differ, and no two of their times go together.
pub fn good_options(number: i64) -> EtcdOptions {
    let (heartbeat, election) = [(100, 1_000), (500, 5_000), (2_000, 50_000)][number as usize];
    EtcdOptions {
        snapshot_count: Some(1000 + number),
        heartbeat_interval: Some(heartbeat),
        election_timeout: Some(election),
        ..EtcdOptions::default()
    }
}

/// Options with which etcd ends at every start.
pub fn bad_options() -> EtcdOptions {
    EtcdOptions { extra_args: [("no-such-flag".into(), String::new())].into(), ..EtcdOptions::default() }
}

pub fn random_source(rng: &mut Rng) -> Source {
    if rng.per_mille(500) { Source::Managed } else { Source::None }
}

/// Whether etcd ends at every start with these options.
pub fn is_bad(options: &EtcdOptions) -> bool {
    !options.extra_args.is_empty()
}

/// Whether a member with the one options may lead one with the others, and the other way round.
pub fn go_together(one: &EtcdOptions, other: &EtcdOptions) -> bool {
    let heartbeat = |of: &EtcdOptions| of.heartbeat_interval.unwrap_or(100);
    let election = |of: &EtcdOptions| of.election_timeout.unwrap_or(1_000);
    election(one) >= 5 * heartbeat(other) && election(other) >= 5 * heartbeat(one)
}

pub fn random_size(rng: &mut Rng) -> ClusterSize {
    ClusterSize::new([3, 3, 3, 5, 5, 7, 9][rng.below(7)]).unwrap()
}

pub fn id_of(uid: u32) -> MemberId {
    MemberId(u64::from(uid).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
}
