//! helm, a release of the chart, and the operator that was there before.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::kubectl::{Namespace, program};

/// The namespace of the operator that `make e2e` installs.
const SYSTEM: &str = "quorate-system";

fn said(command: &mut Command) -> Result<String, String> {
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// helm; `None`, with a word about it, where it can't be had.
pub fn helm() -> Option<PathBuf> {
    match said(Command::new("scripts/tool").arg("helm")) {
        Ok(path) => Some(PathBuf::from(path.trim())),
        Err(error) => {
            println!("not checked: there is no helm here: {}", error.trim());
            None
        }
    }
}

/// A copy of the chart whose definition of EtcdCluster differs, as that of an older version does.
pub fn older_chart() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/quorate");
    said(Command::new("cp").args(["-RL", &format!("{}/.", from.display())]).arg(folder.path())).unwrap();
    let file = folder.path().join("files/crds/quorate.dev_etcdclusters.yaml");
    let newer = fs::read_to_string(&file).unwrap();
    let older = newer.replace("    categories:\n", "    categories:\n    - outdated\n");
    assert_ne!(newer, older);
    fs::write(file, older).unwrap();
    folder
}

/// The release `quorate` in a namespace of its own, gone when this value is dropped.
pub struct Release {
    helm: PathBuf,
    namespace: String,
}

impl Release {
    /// Installs nothing yet.
    pub fn new(helm: PathBuf) -> Self {
        Self { helm, namespace: format!("quorate-helm-{}", std::process::id()) }
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    fn try_run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.helm);
        command.args(arguments).args(["--namespace", &self.namespace, "--timeout=120s"]);
        if arguments[0] != "test" {
            command.arg("--wait");
        }
        said(&mut command)
    }

    /// Runs helm, which must end well and waits until what it did is done.
    pub fn run(&self, arguments: &[&str]) {
        if let Err(error) = self.try_run(arguments) {
            panic!("helm {}: {error}", arguments.join(" "));
        }
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        let _ = self.try_run(&["uninstall", "quorate", "--ignore-not-found"]);
        let delete = ["delete", "namespace", &self.namespace, "--ignore-not-found", "--wait=false"];
        if let Err(error) = said(Command::new(program()).args(delete)) {
            eprintln!("namespace {} is left behind: {error}", self.namespace);
        }
    }
}

/// The operator of the manifest, away as long as this value lives: two would undo each other's work.
pub struct Other;

impl Other {
    /// Stops it, and waits until it is gone.
    pub fn put_away(kubectl: &Namespace) -> Self {
        kubectl.must(&["scale", "deployment/quorate", "--namespace", SYSTEM, "--replicas=0"], "");
        let gone = ["wait", "pods", "--namespace", SYSTEM, "--selector=app.kubernetes.io/name=quorate"];
        kubectl.must(&[&gone[..], &["--for=delete", "--timeout=60s"]].concat(), "");
        Self
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // The definitions belong to the manifest again too.
        let apply = ["apply", "--server-side", "--force-conflicts", "--filename", "deploy/quorate.yaml"];
        if let Err(error) = said(Command::new(program()).args(apply)) {
            eprintln!("the operator of deploy/quorate.yaml is not back: {error}");
        }
    }
}
