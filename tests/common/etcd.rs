//! Real etcd processes: found by version, started on free ports below a temporary folder, killed when dropped.

use std::{
    fs::File,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use quorate::plan::{EtcdVersion, version::Minor};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::ports::free_port;

/// An etcd program.
#[derive(Debug, Clone)]
pub struct Binary {
    pub path: PathBuf,
    pub version: EtcdVersion,
}

/// The etcd of a minor version: from `QUORATE_TEST_ETCD`, or from where `make test` keeps them.
pub fn binary(minor: Minor) -> Binary {
    let found = binaries();
    found.iter().find(|one| one.version.minor() == minor).cloned().unwrap_or_else(|| {
        panic!(
            "no etcd {minor} to test with (found {found:?}): `make test` fetches it, or name it in QUORATE_TEST_ETCD"
        )
    })
}

/// Every etcd program there is to test with.
pub fn binaries() -> &'static [Binary] {
    static FOUND: OnceLock<Vec<Binary>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let named = std::env::var_os("QUORATE_TEST_ETCD").filter(|value| !value.is_empty());
        let paths: Vec<PathBuf> = match named {
            Some(paths) => std::env::split_paths(&paths).collect(),
            None => cached(),
        };
        paths.into_iter().map(|path| Binary { version: version_of(&path), path }).collect()
    })
}

fn cached() -> Vec<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .unwrap_or_default();
    let folders = std::fs::read_dir(cache.join("quorate/bin")).into_iter().flatten().flatten();
    let named = folders.filter(|one| one.file_name().to_string_lossy().starts_with("etcd-"));
    let mut paths: Vec<_> = named.map(|one| one.path().join("etcd")).filter(|path| path.is_file()).collect();
    paths.sort();
    paths
}

fn version_of(path: &Path) -> EtcdVersion {
    let output = Command::new(path).arg("--version").output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {}: {error}", path.display()));
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().next().and_then(|line| line.strip_prefix("etcd Version: "));
    version
        .and_then(|one| one.trim().parse().ok())
        .unwrap_or_else(|| panic!("{} says {text:?}", path.display()))
}

/// Waits for something to become true, with a deadline; says how long it took.
pub fn wait_until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    began.elapsed()
}

/// The status code of a plain GET; `None` when nothing answers within a second.
pub fn http_status(url: &str) -> Option<u16> {
    http_status_within(url, Duration::from_secs(1))
}

/// The status code of a plain GET; `None` when nothing answers in time.
pub fn http_status_within(url: &str, limit: Duration) -> Option<u16> {
    let (address, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut stream = TcpStream::connect_timeout(&address.parse().ok()?, limit).ok()?;
    stream.set_read_timeout(Some(limit)).ok()?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head[9..]).ok()?.parse().ok()
}

/// One etcd process, or the place of one that was killed.
pub struct Etcd {
    pub name: String,
    pub folder: PathBuf,
    pub client_url: String,
    pub peer_url: String,
    pub metrics_url: String,
    binary: Binary,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Etcd {
    /// The place of a member with free ports; nothing is started.
    pub fn place(binary: &Binary, name: &str, parent: &Path) -> Self {
        let folder = parent.join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the member");
        let url = || format!("http://127.0.0.1:{}", free_port());
        Self {
            name: name.to_owned(),
            folder,
            client_url: url(),
            peer_url: url(),
            metrics_url: url(),
            binary: binary.clone(),
            arguments: Vec::new(),
            child: None,
        }
    }

    /// Starts the process with exactly these flags.
    pub fn start_with(&mut self, arguments: Vec<String>) {
        self.arguments = arguments;
        self.restart();
    }

    /// Starts the process as one of `peers`, with flags that suit tests, and `extra` ones.
    pub fn start(&mut self, state: &str, peers: &[(String, String)], extra: &[&str]) {
        let list: Vec<_> = peers.iter().map(|(name, url)| format!("{name}={url}")).collect();
        let mut arguments = vec![
            format!("--name={}", self.name),
            format!("--data-dir={}", self.folder.join("data").display()),
            format!("--listen-peer-urls={}", self.peer_url),
            format!("--initial-advertise-peer-urls={}", self.peer_url),
            format!("--listen-client-urls={}", self.client_url),
            format!("--advertise-client-urls={}", self.client_url),
            format!("--listen-metrics-urls={}", self.metrics_url),
            format!("--initial-cluster={}", list.join(",")),
            format!("--initial-cluster-state={state}"),
            // A killed process loses nothing the kernel has; only a power cut would.
            "--unsafe-no-fsync=true".to_owned(),
        ];
        arguments.extend(extra.iter().map(|one| (*one).to_owned()));
        self.start_with(arguments);
    }

    /// Starts it again with the flags of the last start. Its output goes to the end of `output` in its folder.
    pub fn restart(&mut self) {
        self.kill();
        let output =
            File::options().create(true).append(true).open(self.output_path()).expect("an output file");
        let child = Command::new(&self.binary.path)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .expect("etcd starts");
        self.child = Some(child);
    }

    /// Where its output is.
    pub fn output_path(&self) -> PathBuf {
        self.folder.join("output")
    }

    /// What it has written so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.output_path()).unwrap_or_default()
    }

    /// Waits until it is ready as a voter.
    pub fn wait_ready(&mut self) -> Duration {
        let url = format!("{}/readyz", self.metrics_url);
        let began = Instant::now();
        loop {
            if http_status(&url) == Some(200) {
                return began.elapsed();
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || began.elapsed() > Duration::from_secs(20) {
                panic!(
                    "{} is not ready, its process ended: {ended:?}; it wrote:\n{}",
                    self.name,
                    self.output()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until its process ends by itself.
    pub fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let mut child = self.child.take().expect("a process");
        let mut status = None;
        wait_until("the process ends", limit, || {
            status = child.try_wait().ok().flatten();
            status.is_some()
        });
        status.expect("it ended")
    }

    /// Its process ID.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Sends a signal to it.
    pub fn signal(&self, signal: Signal) {
        let pid = self.pid().and_then(|pid| Pid::from_raw(pid as i32)).expect("a process");
        kill_process(pid, signal).expect("the signal is sent");
    }

    /// Stops it as if the machine had frozen.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        // The signal is delivered a moment later, to one thread after the other.
        let tasks = format!("/proc/{}/task", self.pid().expect("a process"));
        wait_until("all threads stop", Duration::from_secs(5), || {
            let tasks = std::fs::read_dir(&tasks).expect("its threads").flatten();
            tasks.map(|task| std::fs::read_to_string(task.path().join("stat"))).all(|stat| {
                stat.is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
            })
        });
    }

    /// Ends [`Etcd::freeze`].
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it; its data stays.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGKILL ends a stopped process too.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Its entry of `--initial-cluster`.
    pub fn peer(&self) -> (String, String) {
        (self.name.clone(), self.peer_url.clone())
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A cluster of real processes in a temporary folder.
pub struct Cluster {
    pub members: Vec<Etcd>,
    pub binary: Binary,
    pub folder: TempDir,
}

impl Cluster {
    /// Starts `size` members with `extra` flags and waits until all are ready.
    pub fn start(binary: &Binary, size: usize, extra: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("quorate-test-").tempdir().expect("a temporary folder");
        let names = (0..size).map(|index| format!("m{index}"));
        let mut members: Vec<_> = names.map(|name| Etcd::place(binary, &name, folder.path())).collect();
        let peers: Vec<_> = members.iter().map(Etcd::peer).collect();
        for member in &mut members {
            member.start("new", &peers, extra);
        }
        for member in &mut members {
            member.wait_ready();
        }
        Self { members, binary: binary.clone(), folder }
    }

    /// The place of a further member; nothing is started.
    pub fn place(&self, name: &str) -> Etcd {
        Etcd::place(&self.binary, name, self.folder.path())
    }
}
