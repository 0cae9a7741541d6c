//! The operator as a child process, whose only way to the API server is a link of the proxy.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
};

use tempfile::TempDir;

use crate::{link::Link, proxy::Proxy, script::Script};

/// How much of its log is shown when a test fails.
const SHOWN: usize = 40;

pub struct Operator {
    child: Child,
    log: PathBuf,
    /// Its way to the API server.
    pub link: Arc<Link>,
    _dir: TempDir,
}

impl Operator {
    /// Starts one that looks after namespaces. With an identity it takes part in the election of a leader, in the first.
    pub fn start(proxy: &Proxy, namespaces: &[&str], script: Script, identity: Option<&str>) -> Self {
        let (link, server) = proxy.link(script);
        let dir = tempfile::tempdir().unwrap();
        let (kubeconfig, log) = (dir.path().join("kubeconfig"), dir.path().join("log"));
        std::fs::write(&kubeconfig, config(&server)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
        command
            .args(["operator", "--image", "quorate:dev", "--cluster-domain", "cluster.local"])
            .args(["--lease-namespace", namespaces[0], "--http", "127.0.0.1:0"])
            .args(namespaces.iter().flat_map(|namespace| ["--namespace", namespace]))
            .env("KUBECONFIG", &kubeconfig)
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        match identity {
            Some(identity) => command.args(["--identity", identity]),
            None => command.arg("--no-leader-election"),
        };
        let child = command.spawn().unwrap();
        link.of(child.id());
        Self { child, log, link, _dir: dir }
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Ends it at once.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
            eprintln!("the operator wrote {:#?} and logged\n{last}", self.link.writes());
        }
    }
}

fn config(server: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]
contexts: [{{name: c, context: {{cluster: c, user: nobody}}}}]
current-context: c
users: [{{name: nobody, user: {{}}}}]
"
    )
}
