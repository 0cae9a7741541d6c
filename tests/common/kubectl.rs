//! kubectl, as people use it, on the cluster of `KUBECONFIG`, in a namespace of the test's own.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// What a command said.
pub struct Said {
    /// Whether it ended well.
    pub ok: bool,
    /// What it printed.
    pub out: String,
    /// What it complained about.
    pub err: String,
}

/// A namespace that is deleted when this value is dropped.
pub struct Namespace {
    program: PathBuf,
    name: String,
}

impl Namespace {
    /// Makes a namespace whose name begins with a prefix.
    pub fn create(prefix: &str) -> Self {
        let namespace = Self { program: program(), name: unique(prefix) };
        namespace.must(&["create", "namespace", &namespace.name], "");
        namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs kubectl in the namespace.
    pub fn run(&self, args: &[&str], input: &str) -> Said {
        let mut child = Command::new(&self.program)
            .args(["--namespace", &self.name])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.program.display()));
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { ok: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Runs kubectl, which must end well, and returns what it printed.
    pub fn must(&self, args: &[&str], input: &str) -> String {
        let said = self.run(args, input);
        assert!(said.ok, "kubectl {}: {}\n{input}", args.join(" "), said.err);
        said.out
    }

    /// Runs kubectl until it ends well.
    pub fn eventually(&self, args: &[&str], within: Duration) -> String {
        let start = Instant::now();
        loop {
            let said = self.run(args, "");
            if said.ok {
                return said.out;
            }
            assert!(start.elapsed() < within, "kubectl {} after {within:?}: {}", args.join(" "), said.err);
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let said = self.run(&["delete", "namespace", &self.name, "--wait=false"], "");
        if !said.ok {
            eprintln!("namespace {} is left behind: {}", self.name, said.err);
        }
    }
}

/// A name that no other namespace of this run has, and none that an earlier run left to be deleted.
fn unique(prefix: &str) -> String {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("{prefix}-{}-{count}", std::process::id())
}

/// kubectl of `PATH`, or else the one that the test cluster was built with.
pub fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let built = std::env::home_dir().unwrap_or_default().join(".cache/quorate/bin");
    std::env::split_paths(&path)
        .chain([built])
        .map(|folder| folder.join("kubectl"))
        .find(|program| program.is_file())
        .expect("kubectl is neither in PATH nor in ~/.cache/quorate/bin")
}
