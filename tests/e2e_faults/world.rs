//! A namespace with a cluster in it, the proxy before it, and what must hold all the time.

use std::{
    collections::BTreeSet,
    sync::Mutex,
    time::{Duration, Instant},
};

use etcd_client::{Client, GetOptions};
use kube::ResourceExt;

use crate::{
    common::load::connect, look::Look, operator::Operator, place::Place, proxy::Proxy, quiet::Turn,
    script::Script,
};

/// How often everything is looked at.
const PAUSE: Duration = Duration::from_millis(150);
/// How many keys are written at once.
const KEYS: usize = 20;

/// Members and clients under TLS, as in a cluster whose spec does not speak of it.
pub const TLS: &str = "size: 3\ntls: {peer: {mode: Managed}, client: {mode: Managed, plaintext: true}}";

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    cluster_id: Option<u64>,
    member_ids: BTreeSet<u64>,
    keys: usize,
}

pub struct World {
    pub place: Place,
    pub proxy: Proxy,
    seen: Mutex<Seen>,
    began: Instant,
    // Last, so that the installed operator comes back when the rest is gone.
    _turn: Turn,
}

impl World {
    /// A cluster of three in plain text that nobody looks after yet.
    pub fn new(prefix: &str) -> Self {
        Self::of(prefix, "size: 3")
    }

    /// The same under TLS, with the plain port for clients beside, where the test looks.
    pub fn under_tls(prefix: &str) -> Self {
        Self::of(prefix, TLS)
    }

    fn of(prefix: &str, spec: &str) -> Self {
        let turn = Turn::begin();
        let place = Place::new(prefix);
        place.apply("demo", spec);
        Self { place, proxy: Proxy::start(), seen: Mutex::default(), began: Instant::now(), _turn: turn }
    }

    /// A life of the operator without an election.
    pub fn operator(&self, script: Script) -> Operator {
        self.candidate(script, None)
    }

    /// A life of the operator.
    pub fn candidate(&self, script: Script, identity: Option<&str>) -> Operator {
        self.candidate_for(&[self.place.kubectl.name()], script, identity)
    }

    /// The same that looks after several namespaces, of which this one has to be the first.
    pub fn candidate_for(&self, namespaces: &[&str], script: Script, identity: Option<&str>) -> Operator {
        Operator::start(&self.proxy, namespaces, script, identity)
    }

    /// Says how far the test is.
    pub fn tell(&self, what: &str) {
        println!("{} {:.1} s: {what}", self.place.kubectl.name(), self.began.elapsed().as_secs_f64());
    }

    /// Looks, and checks what never changes.
    pub fn look(&self) -> Look {
        let look = Look::at(&self.place);
        let mut seen = self.seen.lock().unwrap();
        let etcd = look.etcd.as_ref().map(|etcd| etcd.cluster);
        for id in [look.recorded(), etcd.filter(|_| look.recorded().is_some())].into_iter().flatten() {
            let first = *seen.cluster_id.get_or_insert(id);
            assert_eq!(id, first, "the cluster has another ID: {id:x}, and it was {first:x}\n{look:#?}");
        }
        if let Some(etcd) = &look.etcd {
            seen.member_ids.extend(etcd.members.iter().map(|(id, _, _)| id));
        }
        look
    }

    /// How many members etcd has had since it formed.
    pub fn member_ids(&self) -> usize {
        self.seen.lock().unwrap().member_ids.len()
    }

    /// Looks until something is so.
    pub fn until(&self, what: &str, limit: Duration, mut done: impl FnMut(&Look) -> bool) -> Look {
        let start = Instant::now();
        loop {
            let look = self.look();
            if done(&look) {
                return look;
            }
            assert!(start.elapsed() < limit, "{what}: not within {limit:?}\n{}", self.picture(&look));
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until nothing is wrong with a cluster of that size.
    pub fn settled(&self, size: i64, limit: Duration) -> Look {
        let start = Instant::now();
        loop {
            let look = self.look();
            let wrong = look.wrong(size);
            if wrong.is_empty() {
                return look;
            }
            let words = wrong.join("\n");
            assert!(start.elapsed() < limit, "after {limit:?}: {words}\n{}", self.picture(&look));
            std::thread::sleep(PAUSE);
        }
    }

    /// Asks for a member to be replaced.
    pub fn replace(&self, name: &str) {
        let now = "quorate.dev/replace-requested=2026-01-01T00:00:00Z";
        self.place.kubectl.must(&["annotate", "etcdmember", name, now], "");
    }

    fn client(&self) -> Client {
        let look = self.look();
        let find = async {
            for address in &look.addresses {
                let Some(mut client) = connect(address).await else { continue };
                if client.get("reach", None).await.is_ok() {
                    return Some(client);
                }
            }
            None
        };
        self.place.wait_for(find).unwrap_or_else(|| panic!("no member answers\n{}", self.picture(&look)))
    }

    /// Writes some keys that have to be there at the end.
    pub fn write(&self) {
        let mut client = self.client();
        let first = self.seen.lock().unwrap().keys;
        for number in first..first + KEYS {
            let put = client.put(format!("kept/{number:04}"), "a value", None);
            self.place.wait_for(put).unwrap_or_else(|error| panic!("key {number} is not written: {error}"));
        }
        self.seen.lock().unwrap().keys = first + KEYS;
    }

    /// Reads them back.
    pub fn nothing_lost(&self) {
        let options = GetOptions::new().with_prefix();
        let found =
            self.place.wait_for(self.client().get("kept/", Some(options))).expect("a linearizable read");
        let written = self.seen.lock().unwrap().keys;
        assert_eq!(found.kvs().len(), written, "keys that were written are gone");
    }

    fn picture(&self, look: &Look) -> String {
        let said = |args: &[&str]| self.place.kubectl.run(args, "").out;
        let cluster = look.cluster.as_ref().map(|cluster| (cluster.annotations(), &cluster.status));
        format!(
            "{cluster:#?}\n{:x?}\n{}\n{}",
            look.etcd,
            said(&["get", "etcdmembers,pods,pvc", "--output=wide"]),
            said(&["get", "events", "--sort-by=.lastTimestamp"]),
        )
    }
}
