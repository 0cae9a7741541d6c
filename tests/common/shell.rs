//! Runs the blocks of a page in one shell, as a reader would, and compares what they print with what the page says.

#![allow(dead_code, reason = "every test program that has this module uses a part of it")]

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::pages::{Block, Page};

/// What a page runs in.
pub struct Shell {
    /// The folder that it begins in.
    pub folder: PathBuf,
    /// Folders with programs, before those of `PATH`.
    pub programs: Vec<PathBuf>,
    /// Texts of the page that stand for something else here, such as ports.
    pub instead: Vec<(String, String)>,
    /// How long all blocks may take; a machine that is busy takes several times of what a quiet one does.
    pub limit: Duration,
    /// Variables of the environment.
    pub variables: Vec<(&'static str, OsString)>,
}

/// Marks the beginning of a block in the output.
const MARK: &str = "=== block at line ";

impl Shell {
    /// Runs all blocks of a page that are to be run. Whatever they started ends with them.
    pub fn run(&self, page: &Page) {
        let blocks = page.blocks();
        let (script, log) = (self.folder.join("page.sh"), self.folder.join("page.log"));
        fs::write(&script, self.script(&blocks)).unwrap();
        let output = File::create(&log).unwrap();
        let mut path = self.programs.clone();
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let mut child = Command::new("setsid");
        child.args(["--wait", "bash", "-euo", "pipefail"]).arg(&script).current_dir(&self.folder);
        child.env("PATH", std::env::join_paths(path).unwrap());
        let etcdctl = ["ETCDCTL_ENDPOINTS", "ETCDCTL_CACERT", "ETCDCTL_CERT", "ETCDCTL_KEY"];
        for name in ["QUORATE_DIR", "QUORATE_ETCD", "RUST_LOG"].into_iter().chain(etcdctl) {
            child.env_remove(name);
        }
        child.envs(self.variables.iter().map(|(name, value)| (name, value)));
        child.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let mut child = child.spawn().unwrap();
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if began.elapsed() > self.limit {
                break None;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        self.end_all();
        let _ = child.wait();
        let said = fs::read_to_string(&log).unwrap_or_default();
        let name = page.path.display();
        assert!(status.is_some_and(|status| status.success()), "{name}: ended with {status:?}\n{said}");
        self.compare(page, &blocks, &said);
    }

    /// One script of all blocks; each tells its line first, so that its output can be found.
    fn script(&self, blocks: &[Block]) -> String {
        // The session is a group of its own, by which everything that was started is found again.
        let mut script = "echo $$ >page.pid\n".to_owned();
        for block in blocks.iter().filter(|one| one.info == "sh run") {
            let text = self.replaced(&block.text);
            script += &format!("echo; echo '{MARK}{}'\n{text}\n", block.line);
        }
        script
    }

    fn replaced(&self, text: &str) -> String {
        self.instead.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    /// Ends what the page left running.
    fn end_all(&self) {
        let pid = fs::read_to_string(self.folder.join("page.pid")).unwrap_or_default();
        if let Some(group) = pid.trim().parse().ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        for pid in crate::common::up::processes_below(&self.folder) {
            if let Some(pid) = Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
    }

    fn compare(&self, page: &Page, blocks: &[Block], said: &str) {
        let mut compared = blocks.iter();
        while let Some(block) = compared.next() {
            if block.info != "sh run" {
                continue;
            }
            let Some(shown) = compared.clone().next().filter(|next| next.info == "text output") else {
                continue;
            };
            let begin = format!("{MARK}{}\n", block.line);
            let printed = said.split(&begin).nth(1).unwrap().split(MARK).next().unwrap();
            let lines: Vec<String> = printed.lines().map(squeezed).collect();
            for wanted in self.replaced(&shown.text).lines().map(squeezed).filter(|one| !one.is_empty()) {
                let found = lines.iter().any(|line| fits(line, &wanted));
                assert!(found, "{}:{}: {wanted:?} is not in\n{printed}", page.path.display(), shown.line);
            }
        }
    }
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a line has all parts of what is wanted, one after the other; `…` is anything.
fn fits(line: &str, wanted: &str) -> bool {
    let mut rest = line;
    wanted.split('…').map(str::trim).all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// A folder with links to programs, under the names that the page calls them by.
pub fn programs(folder: &Path, all: &[(&str, &Path)]) -> PathBuf {
    let place = folder.join("programs");
    fs::create_dir_all(&place).unwrap();
    for (name, program) in all {
        std::os::unix::fs::symlink(program, place.join(name)).unwrap();
    }
    place
}
