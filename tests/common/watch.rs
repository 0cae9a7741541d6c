//! How many members are ready while something goes on: as the status tells clients, and as the members say themselves.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt, fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use quorate::{process::state::MemberFile, yaml};

use super::{
    etcd::http_status_within,
    up::{Up, read_status},
};

/// How often the status is read.
const FOLLOW: Duration = Duration::from_millis(50);
/// How long after all members answered they are asked again.
const REST: Duration = Duration::from_millis(100);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(2);
/// A member that does not say so once in as many answers is not ready.
const TRIES: u32 = 4;
/// The pause between two of them.
const PAUSE: Duration = Duration::from_millis(500);
/// A look that the machine held up for so long says nothing about the members.
const HELD_UP: Duration = Duration::from_millis(300);

/// Looks all the time.
pub struct Watch {
    stop: Arc<AtomicBool>,
    told: JoinHandle<i64>,
    own: JoinHandle<i64>,
}

/// The fewest ready members that were seen at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lowest {
    /// In the status.
    pub told: i64,
    /// By the members' own word.
    pub own: i64,
}

impl fmt::Display for Lowest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at least {} ready by the status and {} by their own word", self.told, self.own)
    }
}

impl Watch {
    /// Begins to look.
    pub fn begin(up: &Up) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = {
            let dir = up.dir();
            lowest(&stop, FOLLOW, move || Some(read_status(&dir).ready_members))
        };
        let own = {
            let (dir, mut urls) = (up.dir().join("members"), BTreeMap::new());
            lowest(&stop, REST, move || ready(&members(&dir, &mut urls)))
        };
        Self { stop, told, own }
    }

    /// Ends it.
    pub fn lowest(self) -> Lowest {
        self.stop.store(true, Ordering::Relaxed);
        Lowest { told: self.told.join().unwrap(), own: self.own.join().unwrap() }
    }
}

/// The lowest number that a look sees, of all that see something.
fn lowest(
    stop: &Arc<AtomicBool>,
    rest: Duration,
    mut look: impl FnMut() -> Option<i64> + Send + 'static,
) -> JoinHandle<i64> {
    let stopped = Arc::clone(stop);
    std::thread::spawn(move || {
        let mut lowest = i64::MAX;
        while !stopped.load(Ordering::Relaxed) {
            lowest = lowest.min(look().unwrap_or(i64::MAX));
            std::thread::sleep(rest);
        }
        lowest
    })
}

/// How many members call themselves ready, all asked at once; `None` when the machine held the look up.
fn ready(urls: &[String]) -> Option<i64> {
    std::thread::scope(|scope| {
        let answers: Vec<_> = urls.iter().map(|url| scope.spawn(|| says_ready(url))).collect();
        let mut held_up = Duration::ZERO;
        while !answers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let began = Instant::now();
            std::thread::sleep(Duration::from_millis(5));
            held_up = held_up.max(began.elapsed());
        }
        let ready = answers.into_iter().map(|one| i64::from(one.join().unwrap())).sum();
        (held_up < HELD_UP).then_some(ready)
    })
}

/// What a member says that is asked again for some time: reads fail everywhere while leadership moves, and on a busy machine
/// until the next election.
fn says_ready(url: &str) -> bool {
    (0..TRIES).any(|number| {
        if number > 0 {
            std::thread::sleep(PAUSE);
        }
        http_status_within(url, ANSWER) == Some(200)
    })
}

/// Where the members there are tell whether they are ready. A member keeps its ports, so each is looked up once.
fn members(dir: &Path, known: &mut BTreeMap<OsString, String>) -> Vec<String> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let there = names.filter(|name| !name.to_string_lossy().starts_with('.'));
    let url = |name: OsString| {
        if let Some(url) = known.get(&name) {
            return Some(url.clone());
        }
        let text = fs::read_to_string(dir.join(&name).join("member.yaml")).ok()?;
        let file: MemberFile = yaml::from_str(&text).ok()?;
        let url = format!("{}/readyz", file.ports.metrics_url());
        known.insert(name, url.clone());
        Some(url)
    };
    there.filter_map(url).collect()
}
