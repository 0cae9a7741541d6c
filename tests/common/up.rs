//! A cluster run by the real `quorate up`, in a temporary folder.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

use quorate::plan::status::{ClusterStatus, MemberStatus};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{etcd::Binary, ports::Place};

/// TLS has tests of its own; the others compare plain figures, and need no certificates for that.
const IN_PLAIN_TEXT: &str = "tls: {peer: {mode: Disabled}, client: {mode: Disabled}}";

/// A cluster under `quorate up`. Everything is killed and deleted when it is dropped.
pub struct Up {
    pub binary: Binary,
    /// Further programs that it knows.
    pub others: Vec<Binary>,
    pub port: u16,
    /// What `up`, its members and the commands beside it find in their environment.
    pub environment: Vec<(String, String)>,
    /// Held until all is killed.
    _place: Place,
    folder: TempDir,
    child: Option<Child>,
}

impl Up {
    /// Writes a manifest and starts `up`.
    pub fn start(binary: &Binary, size: u8) -> Self {
        let mut up = Self::prepare(binary, size);
        up.run();
        up
    }

    /// Writes a manifest and starts nothing.
    pub fn prepare(binary: &Binary, size: u8) -> Self {
        let place = Place::claim();
        let up = Self {
            binary: binary.clone(),
            others: Vec::new(),
            port: place.first,
            environment: Vec::new(),
            _place: place,
            folder: tempfile::tempdir().unwrap(),
            child: None,
        };
        fs::create_dir_all(up.dir()).unwrap();
        up.write_manifest(&format!("{{size: {size}, version: {}}}", binary.version));
        up
    }

    /// Replaces the manifest; `spec` is YAML in flow style, and of a cluster in plain text unless it speaks of TLS.
    pub fn write_manifest(&self, spec: &str) {
        match spec.strip_suffix('}').filter(|spec| !spec.contains("tls: ")) {
            Some(spec) => self.write_spec(&format!("{spec}, {IN_PLAIN_TEXT}}}")),
            None => self.write_spec(spec),
        }
    }

    /// Replaces the manifest by one with exactly this spec.
    pub fn write_spec(&self, spec: &str) {
        let text = format!(
            "# A comment that stays.\napiVersion: quorate.dev/v1alpha1\nkind: EtcdCluster\nmetadata: {{name: demo}}\nspec: {spec}\n"
        );
        fs::write(self.dir().join("cluster.yaml"), text).unwrap();
    }

    /// Starts `up` on the folder, as a person would.
    pub fn run(&mut self) {
        self.run_with(&[]);
    }

    /// The same with further arguments.
    pub fn run_with(&mut self, more: &[&str]) {
        self.run_logging(more, None);
    }

    /// The same, with another level of its log.
    pub fn run_logging(&mut self, more: &[&str], level: Option<&str>) {
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_quorate"))
            .args(["up", "--dir"])
            .arg(self.dir())
            .arg("--etcd")
            .arg(&self.binary.path)
            .args(self.others.iter().flat_map(|one| [Path::new("--etcd"), &one.path]))
            .args(["--port", &self.port.to_string()])
            .args(more)
            .env_remove("RUST_LOG")
            .envs(level.map(|level| ("RUST_LOG", level)))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// The first port that its members may get.
    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("cluster")
    }

    pub fn member_dir(&self, name: &str) -> PathBuf {
        self.dir().join("members").join(name)
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("up.log")
    }

    /// What `up` printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The pid of `up`.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("`up` runs").id()
    }

    /// Runs another command of quorate on the folder.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let mut command = prepared(arguments, Some(&self.dir()));
        command.envs(self.environment.iter().map(|(name, value)| (name, value))).output().unwrap()
    }

    /// Runs a command that must succeed.
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// The status that `up` wrote last; empty before the first.
    pub fn status(&self) -> ClusterStatus {
        read_status(&self.dir())
    }

    pub fn member(&self, name: &str) -> Option<MemberStatus> {
        self.status().members.into_iter().find(|one| one.name == name)
    }

    pub fn names(&self) -> Vec<String> {
        self.status().members.into_iter().map(|one| one.name).collect()
    }

    pub fn leader(&self) -> String {
        self.status().leader.expect("a leader")
    }

    pub fn follower(&self) -> String {
        let status = self.status();
        status.members.into_iter().find(|one| one.role == "voter").expect("a follower").name
    }

    /// Waits until the status is as wanted; says how long it took, and shows everything when it does not come.
    pub fn wait(&self, what: &str, limit: Duration, done: impl Fn(&ClusterStatus) -> bool) -> Duration {
        let began = Instant::now();
        loop {
            let status = self.status();
            if done(&status) {
                return began.elapsed();
            }
            assert!(
                began.elapsed() < limit,
                "{what}: not within {limit:?}; the status is\n{}\nand `up` said\n{}",
                serde_json::to_string_pretty(&status).unwrap(),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the whole spec is applied with this many members.
    pub fn wait_ready(&self, size: i64) -> Duration {
        self.wait(&format!("{size} ready members"), Duration::from_secs(90), |status| {
            status.size == size && status.ready_members == size && status.is("Ready")
        })
    }

    /// The pid of a member's process.
    pub fn member_pid(&self, name: &str) -> Option<i32> {
        let text = fs::read_to_string(self.member_dir(name).join("pid")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("pid: "))?.trim().parse().ok()
    }

    /// Sends a signal to a member's process.
    pub fn signal_member(&self, name: &str, signal: Signal) {
        let pid = Pid::from_raw(self.member_pid(name).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("a living process");
    }

    pub fn delete_data(&self, name: &str) {
        fs::remove_dir_all(self.member_dir(name).join("data")).unwrap();
    }

    /// `kill -9` of `up`; its members live on.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Ctrl-C: `up` stops its members and ends. Answers its exit code.
    pub fn interrupt(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("`up` runs");
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        child.wait().unwrap().code()
    }

    /// Waits for `up` to end by itself.
    pub fn join(&mut self) -> Option<i32> {
        self.child.take().expect("`up` runs").wait().unwrap().code()
    }

    /// All etcd processes that belong to the folder.
    pub fn processes(&self) -> Vec<i32> {
        processes_below(&self.dir())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.kill();
        for pid in self.processes() {
            if let Some(pid) = Pid::from_raw(pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// Runs quorate with arguments, on a folder if one is given.
pub fn command(arguments: &[&str], dir: Option<&Path>) -> Output {
    prepared(arguments, dir).output().unwrap()
}

fn prepared(arguments: &[&str], dir: Option<&Path>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    command.args(arguments).env_remove("QUORATE_DIR").env_remove("QUORATE_ETCD");
    if let Some(dir) = dir {
        command.env("QUORATE_DIR", dir);
    }
    command
}

/// The status in a cluster's folder; empty before the first.
pub fn read_status(dir: &Path) -> ClusterStatus {
    let text = fs::read_to_string(dir.join("status.yaml")).unwrap_or_default();
    if text.is_empty() { ClusterStatus::default() } else { quorate::yaml::from_str(&text).unwrap() }
}

/// The pids of processes whose data folder lies below a folder.
pub fn processes_below(dir: &Path) -> Vec<i32> {
    let flag = format!("--data-dir={}", dir.display());
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.split(|byte| *byte == 0).any(|word| word.starts_with(flag.as_bytes())))
        })
        .collect()
}
