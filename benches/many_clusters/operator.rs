//! The operator as a child process, and what it takes.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use quorate::etcd::http::Http;

use super::{
    report::process,
    server::{Running, Server, free_ports, spawn, tail},
};

/// The program that is measured, if not the one that was built with the benchmark: that of an image, for instance.
const PROGRAM: &str = "QUORATE_BENCH_PROGRAM";
/// How long a reading of the metrics may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long it may take to begin with its work.
const PATIENCE: Duration = Duration::from_secs(60);

/// The operator.
pub struct Operator {
    child: Running,
    http: Http,
    address: String,
    log: PathBuf,
}

/// What was counted and taken up to a moment.
#[derive(Debug, Default, Clone, Copy)]
pub struct Reading {
    /// Seconds of CPU.
    pub cpu: f64,
    /// Calls to the API server that change something.
    pub writes: u64,
    /// Calls to the API server that only read.
    pub reads: u64,
    /// Calls to etcd.
    pub etcd_calls: u64,
    /// Passes over clusters.
    pub passes: u64,
}

impl Operator {
    /// Starts it and waits until its watches have listed. It needs no Lease: on a machine that is busy with other things
    /// it would lose it, and end.
    pub async fn start(server: &Server) -> Self {
        let [port] = free_ports();
        let address = format!("127.0.0.1:{port}");
        let program = std::env::var_os(PROGRAM).unwrap_or_else(|| env!("CARGO_BIN_EXE_quorate").into());
        let child = spawn(
            Command::new(program)
                .args(["operator", "--image", "quorate:bench", "--cluster-domain", "cluster.local"])
                .args(["--no-leader-election", "--identity", "bench", "--http", &address])
                .env("KUBECONFIG", server.kubeconfig())
                .env_remove("QUORATE_NAMESPACES"),
            server.folder(),
            "operator",
        );
        let log = server.folder().join("operator.log");
        let operator = Self { child, http: Http::new(), address, log };
        let began = Instant::now();
        while operator.get("/readyz").await.is_none() {
            assert!(began.elapsed() < PATIENCE, "the operator is not ready: {}", operator.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        operator
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        tail(&self.log)
    }

    /// The most memory it ever had resident.
    pub fn peak_kib(&self) -> u64 {
        process::peak_kib(self.child.0.id())
    }

    /// The memory it has resident now.
    pub fn resident_kib(&self) -> u64 {
        process::resident_kib(self.child.0.id())
    }

    /// How many files and connections it has open.
    pub fn open_files(&self) -> usize {
        process::open_files(self.child.0.id())
    }

    /// What was counted up to now.
    pub async fn reading(&self) -> Reading {
        let text = self.get("/metrics").await.expect("the operator tells its metrics");
        let mut reading = Reading { cpu: process::cpu(self.child.0.id()), ..Reading::default() };
        for sample in text.lines().filter_map(Sample::of) {
            match (sample.name, sample.label("verb")) {
                ("quorate_kubernetes_calls_total", "get" | "list" | "watch") => reading.reads += sample.value,
                ("quorate_kubernetes_calls_total", _) => reading.writes += sample.value,
                ("quorate_reconciles_total", ..) if sample.label("controller") == "clusters" => {
                    reading.passes += sample.value;
                }
                ("quorate_etcd_request_duration_seconds_count", _) => reading.etcd_calls += sample.value,
                _ => {}
            }
        }
        reading
    }

    async fn get(&self, path: &str) -> Option<String> {
        let reply = self.http.get(&format!("http://{}{path}", self.address), DEADLINE).await.ok()?;
        (reply.status == 200).then(|| String::from_utf8_lossy(&reply.body).into_owned())
    }
}

impl Reading {
    /// What came since an earlier one.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu - earlier.cpu,
            writes: self.writes - earlier.writes,
            reads: self.reads - earlier.reads,
            etcd_calls: self.etcd_calls - earlier.etcd_calls,
            passes: self.passes - earlier.passes,
        }
    }
}

/// One line of the metrics: `name{label="value",…} number`.
struct Sample<'a> {
    name: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    value: u64,
}

impl<'a> Sample<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let (head, value) = line.rsplit_once(' ')?;
        let (name, labels) = head.split_once('{').unwrap_or((head, ""));
        let pairs = labels.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once('='));
        let labels = pairs.map(|(label, value)| (label, value.trim_matches('"'))).collect();
        Some(Self { name, labels, value: value.parse().ok()? })
    }

    fn label(&self, name: &str) -> &'a str {
        self.labels.get(name).copied().unwrap_or_default()
    }
}
