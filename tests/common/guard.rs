//! Real guards on loopback, each with its own folders and a real etcd; all killed when dropped.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use quorate::{
    etcd::{Endpoint, MemberClient, http::Http},
    member::guard::words::{ASSIGNMENT, Assignment, GuardState, Phase, Start},
    plan::{Admission, ClusterState, MemberName, Peer},
};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    MILLIS, SECONDS,
    etcd::{Binary, http_status, wait_until},
    ports::free_port,
    up::processes_below,
};

/// One member with its guard.
pub struct Guard {
    pub assignment: Assignment,
    pub volume: PathBuf,
    pub pod: PathBuf,
    /// The folder with its certificates.
    pub certificates: PathBuf,
    address: String,
    metrics_url: String,
    binary: Binary,
    child: Option<Child>,
}

impl Guard {
    /// The place of a member; nothing is started. Peers reach it by a name, and it listens on an address.
    pub fn place(binary: &Binary, name: &str, parent: &Path) -> Self {
        let url = || format!("http://localhost:{}", free_port());
        let (volume, pod) = (parent.join(name).join("volume"), parent.join(name).join("pod"));
        fs::create_dir_all(&volume).unwrap();
        fs::create_dir_all(&pod).unwrap();
        Self {
            assignment: Assignment {
                name: MemberName(name.into()),
                uid: format!("uid-of-{name}"),
                version: binary.version,
                options: Default::default(),
                transport: Default::default(),
                peer_url: url(),
                second_peer_url: None,
                client_url: url(),
                // Nobody listens there: these members find each other by the URLs they are told.
                peers: "127.0.0.77".into(),
                admission: None,
                started: false,
                alone: false,
            },
            certificates: parent.join(name).join("certificates"),
            volume,
            pod,
            address: format!("127.0.0.1:{}", free_port()),
            metrics_url: format!("http://127.0.0.1:{}", free_port()),
            binary: binary.clone(),
            child: None,
        }
    }

    /// Starts the guard.
    pub fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let listen = |url: &str| url.replace("localhost", "127.0.0.1");
        let child = Command::new(env!("CARGO_BIN_EXE_quorate"))
            .args(["member", "run", "--listen", &self.address])
            .args(["--client-listen", &listen(&self.assignment.client_url)])
            .args(["--peer-listen", &listen(&self.assignment.peer_url)])
            .args(["--metrics-listen", &self.metrics_url])
            .args([Path::new("--etcd"), &self.binary.path, Path::new("--volume"), &self.volume])
            .args([Path::new("--pod-folder"), &self.pod, Path::new("--certificates"), &self.certificates])
            .env(ASSIGNMENT, serde_json::to_string(&self.assignment).unwrap())
            // etcd would not start beside its flag.
            .env("ETCD_NAME", "another")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait_until("the guard answers", SECONDS(5), || self.state().is_some());
    }

    fn log_path(&self) -> PathBuf {
        self.pod.with_extension("log")
    }

    /// What the guard and its etcd have written.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// What the guard says of itself.
    pub fn state(&self) -> Option<GuardState> {
        let (status, body) = self.request("GET /state", &[], "")?;
        assert_eq!(status, 200, "{body}");
        Some(serde_json::from_str(&body).unwrap())
    }

    /// Waits until the guard says that it does this.
    pub fn wait_phase(&self, phase: Phase) -> GuardState {
        let mut state = None;
        let what = format!("{} to be {phase:?}", self.assignment.name);
        wait_until(&what, SECONDS(10), || {
            state = self.state();
            state.as_ref().is_some_and(|state| state.phase == phase)
        });
        state.unwrap()
    }

    /// Whether etcd is ready as a voter.
    pub fn ready(&self) -> bool {
        http_status(&format!("{}/readyz", self.metrics_url)) == Some(200)
    }

    /// Waits until etcd is ready as a voter.
    pub fn wait_ready(&self) {
        wait_until(&format!("{} to be ready", self.assignment.name), SECONDS(15), || self.ready());
    }

    /// Asks the guard; the status and the body.
    pub fn request(&self, what: &str, headers: &[&str], body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(SECONDS(5))).ok()?;
        let headers: String = headers.iter().map(|one| format!("{one}\r\n")).collect();
        let (length, address) = (body.len(), &self.address);
        write!(
            stream,
            "{what} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Gives the guard the word.
    pub fn tell(&self, admission: &Admission) -> (u16, String) {
        let body = serde_json::to_string(&Start { admission: admission.clone() }).unwrap();
        self.request("POST /start", &[&self.bearer()], &body).unwrap()
    }

    /// The header that the guard believes.
    pub fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.assignment.uid)
    }

    /// The process of its etcd.
    pub fn etcd(&self) -> Option<i32> {
        processes_below(&self.volume).first().copied()
    }

    /// Sends a signal to its etcd.
    pub fn signal_etcd(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.etcd().unwrap()).unwrap(), signal).unwrap();
    }

    /// Sends a signal to the guard.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().unwrap().id();
        kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
    }

    /// Waits until the guard ends.
    pub fn wait_exit(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let mut status = None;
        wait_until(&format!("the guard of {} to end", self.assignment.name), SECONDS(10), || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(self.etcd(), None, "etcd ends before its guard");
        status.unwrap()
    }

    /// Stops the guard and with it etcd, as Kubernetes does.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.wait_exit().code(), Some(0), "{}", self.log());
    }

    /// etcd's data folder.
    pub fn data(&self) -> PathBuf {
        self.volume.join("data")
    }

    /// A Pod that is made anew knows nothing of the one before.
    pub fn forget_pod(&self) {
        fs::remove_dir_all(&self.pod).unwrap();
        fs::create_dir(&self.pod).unwrap();
    }

    /// A client of its etcd.
    pub fn client(&self) -> MemberClient {
        let Assignment { client_url, peer_url, .. } = &self.assignment;
        let (client_url, peer_url) = (client_url.clone(), peer_url.clone());
        let metrics_url = Some(self.metrics_url.clone());
        MemberClient::new(Endpoint { client_url, peer_url, metrics_url }, Http::new(), None)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // The last child that a killed guard had is nobody's now.
        std::thread::sleep(MILLIS(10));
        for pid in processes_below(&self.volume) {
            let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
        }
    }
}

/// How these members enter one cluster.
pub fn admission(state: ClusterState, guards: &[Guard]) -> Admission {
    let peer =
        |one: &Guard| Peer { name: one.assignment.name.0.clone(), url: one.assignment.peer_url.clone() };
    Admission { state, initial_cluster: guards.iter().map(peer).collect(), token: "demo-1".into(), id: None }
}

/// Three members that are ready.
pub fn cluster(binary: &Binary, parent: &Path) -> (Vec<Guard>, Admission) {
    let mut guards: Vec<_> = ["a", "b", "c"].map(|name| Guard::place(binary, name, parent)).into();
    let admission = admission(ClusterState::New, &guards);
    for guard in &mut guards {
        guard.start();
        assert_eq!(guard.tell(&admission).0, 200);
    }
    for guard in &guards {
        guard.wait_ready();
    }
    (guards, admission)
}
