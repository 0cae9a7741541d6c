//! An API server of the benchmark's own: etcd and kube-apiserver on free ports, below a temporary folder. Nothing else of
//! Kubernetes runs, so that the operator and the API server have the machine for themselves.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tempfile::TempDir;

/// Who presents it may do everything; the server ends with the benchmark and listens on loopback only.
const TOKEN: &str = "many-clusters";
/// How long both programs may take to be ready: seconds, on a machine that has nothing else to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the programs are.
pub struct Programs {
    etcd: PathBuf,
    api_server: PathBuf,
}

impl Programs {
    /// Finds them, or says what is missing.
    pub fn find() -> Result<Self, String> {
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
            .unwrap_or_default();
        let program = |name: &str| {
            let path = cache.join("quorate/bin").join(name);
            if path.is_file() { Ok(path) } else { Err(format!("{} is not there", path.display())) }
        };
        if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
            return Err("there is no program openssl".into());
        }
        Ok(Self { etcd: program("etcd")?, api_server: program("kube-apiserver")? })
    }
}

/// A process that ends with its owner.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The API server and what it stores its objects in.
pub struct Server {
    api_server: Running,
    _etcd: Running,
    folder: TempDir,
}

impl Server {
    /// Starts both and waits until they are ready.
    pub async fn start(programs: &Programs) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let [client, peer, port] = free_ports();
        let (etcd_url, peer_url) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
        let etcd = spawn(
            Command::new(&programs.etcd)
                .args(["--unsafe-no-fsync", "--data-dir", "etcd"])
                .args(["--listen-client-urls", &etcd_url, "--advertise-client-urls", &etcd_url])
                .args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url])
                .args(["--initial-cluster", &format!("default={peer_url}")]),
            at,
            "etcd",
        );
        fs::write(at.join("tokens.csv"), format!("{TOKEN},bench,bench,system:masters\n")).unwrap();
        // It insists on a key for the tokens of service accounts, of which none is ever made.
        let mut key = Command::new("openssl");
        key.args(["genrsa", "-out", "accounts.key", "2048"]).current_dir(at);
        assert!(key.output().expect("openssl runs").status.success(), "openssl makes no key");
        let api_server = spawn(
            Command::new(&programs.api_server)
                .args(["--etcd-servers", &etcd_url, "--bind-address", "127.0.0.1"])
                .args(["--secure-port", &port.to_string(), "--cert-dir", "certificates"])
                .args(["--token-auth-file", "tokens.csv", "--authorization-mode", "AlwaysAllow"])
                .args(["--service-account-key-file", "accounts.key"])
                .args(["--service-account-signing-key-file", "accounts.key"])
                .args(["--service-account-issuer", "https://kubernetes.default.svc"])
                .args(["--service-cluster-ip-range", "10.96.0.0/16", "--endpoint-reconciler-type", "none"])
                // What these two ask for is made, or taken away again, by controllers that do not run here.
                .args(["--disable-admission-plugins", "ServiceAccount,StorageObjectInUseProtection"]),
            at,
            "kube-apiserver",
        );
        fs::write(at.join("kubeconfig"), kubeconfig(port)).unwrap();
        let mut server = Self { api_server, _etcd: etcd, folder };
        server.ready().await;
        server
    }

    /// Waits until it answers. The certificate appears with the first start, and a client can't be made without it.
    async fn ready(&mut self) {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if let Some(status) = self.api_server.0.try_wait().unwrap() {
                panic!("kube-apiserver ended, {status}: {}", self.log("kube-apiserver"));
            }
            if self.folder.path().join("certificates/apiserver.crt").is_file()
                && let Ok(request) = hyper::Request::get("/readyz").body(Vec::new())
                && self.client().await.request_text(request).await.is_ok()
            {
                return;
            }
        }
        panic!("kube-apiserver is not ready: {}", self.log("kube-apiserver"));
    }

    /// A client of its own.
    pub async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig()).unwrap();
        let mut config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        config.proxy_url = None;
        config.read_timeout = None;
        Client::try_from(config).unwrap()
    }

    /// The file that a client connects with.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// The folder that is gone at the end.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The end of a program's log.
    fn log(&self, name: &str) -> String {
        tail(&self.folder.path().join(format!("{name}.log")))
    }
}

/// Starts a program in a folder, its output in a file there.
pub fn spawn(command: &mut Command, folder: &Path, name: &str) -> Running {
    let log = File::create(folder.join(format!("{name}.log"))).unwrap();
    command.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    Running(command.spawn().unwrap_or_else(|error| panic!("{name} can't be started: {error}")))
}

/// The last lines of a file.
pub fn tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// Ports that nobody listens on, a moment ago.
pub fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let listeners = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn kubeconfig(port: u16) -> String {
    format!(
        "apiVersion: v1
kind: Config
clusters: [{{name: bench, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: certificates/apiserver.crt}}}}]
users: [{{name: bench, user: {{token: {TOKEN}}}}}]
contexts: [{{name: bench, context: {{cluster: bench, user: bench}}}}]
current-context: bench
"
    )
}
