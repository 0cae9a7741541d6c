//! The cluster for this program alone: the operator that is installed in it rests meanwhile.

use std::{
    process::Command,
    sync::{Condvar, Mutex},
    time::{Duration, Instant},
};

use crate::kubectl::program;

/// How many tests run at once: each has two operators' and five members' work to do.
const TURNS: usize = 2;
/// How long the installed operator may take to stop.
const STOP: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct State {
    running: usize,
    /// What the installed operator had before.
    replicas: String,
}

static STATE: Mutex<State> = Mutex::new(State { running: 0, replicas: String::new() });
static ENDED: Condvar = Condvar::new();

/// The turn of one test. After the last one, the installed operator works again.
pub struct Turn;

impl Turn {
    pub fn begin() -> Self {
        let mut state = ENDED.wait_while(STATE.lock().unwrap(), |state| state.running >= TURNS).unwrap();
        if state.running == 0 {
            state.replicas = install();
            scale("0");
            let start = Instant::now();
            while !run(&["get", "pods", "--output=name"]).trim().is_empty() {
                assert!(start.elapsed() < STOP, "the installed operator does not stop");
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        state.running += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // A test that failed while it waited for its turn must not keep the operator away.
        let mut state = STATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.running -= 1;
        if state.running == 0 {
            scale(&state.replicas);
        }
        ENDED.notify_all();
    }
}

/// The definitions have to be there, whoever installed them.
fn install() -> String {
    if run(&["get", "crd", "etcdclusters.quorate.dev", "--ignore-not-found", "--output=name"]).is_empty() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/quorate.yaml");
        run(&["apply", "--server-side", "--filename", manifest]);
        run(&[
            "wait",
            "--for=condition=Established",
            "crd/etcdclusters.quorate.dev",
            "crd/etcdmembers.quorate.dev",
        ]);
    }
    run(&["get", "deployment", "quorate", "--ignore-not-found", "--output=jsonpath={.spec.replicas}"])
}

fn scale(replicas: &str) {
    if !replicas.is_empty() {
        run(&["scale", "deployment", "quorate", &format!("--replicas={replicas}")]);
    }
}

fn run(args: &[&str]) -> String {
    let output = Command::new(program()).args(["--namespace", "quorate-system"]).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "kubectl {}: {said}", args.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
