//! A scripted engine: it serves on a unix socket what it is told, and only what the registrator may ask for.

use std::{
    collections::BTreeMap,
    path::{Path as FilePath, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{Method, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::{net::UnixListener, sync::mpsc, task::JoinHandle};

type Piece = Result<Bytes, std::io::Error>;

/// The engine of a host.
#[derive(Clone)]
pub struct Engine {
    world: Arc<Mutex<World>>,
    path: PathBuf,
    serving: Arc<Mutex<Option<JoinHandle<()>>>>,
    /// While set, nothing is sent to those who listen, though it happens.
    pub silent: Arc<AtomicBool>,
}

#[derive(Default)]
struct World {
    containers: BTreeMap<String, Value>,
    listeners: Vec<mpsc::UnboundedSender<Piece>>,
    /// How often each question was asked.
    asked: BTreeMap<String, usize>,
    /// What was asked that must not be.
    forbidden: Vec<String>,
    /// How many streams of events were opened.
    streams: usize,
    clock: u64,
}

/// A container to be run.
#[derive(Debug, Clone)]
pub struct Run {
    pub id: String,
    pub name: String,
    pub image: String,
    pub env: Vec<String>,
    pub labels: Vec<(String, String)>,
    /// `80/tcp` and the port on the host.
    pub ports: Vec<(String, u16)>,
    pub network: (String, String),
    pub health: Option<String>,
}

impl Run {
    /// A container with one published port; its ID follows from its name.
    pub fn new(name: &str, host_port: u16) -> Self {
        Self {
            id: id_of(name),
            name: name.into(),
            image: "web:1".into(),
            env: vec!["PATH=/bin".into(), "PASSWORD=hidden-word".into()],
            labels: Vec::new(),
            ports: vec![("80/tcp".into(), host_port)],
            network: ("bridge".into(), "172.17.0.2".into()),
            health: None,
        }
    }

    pub fn env(mut self, entry: &str) -> Self {
        self.env.push(entry.into());
        self
    }

    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.push((key.into(), value.into()));
        self
    }
}

/// 64 digits that follow from a name.
pub fn id_of(name: &str) -> String {
    let mixed = quorate::registrator::layout::key::digest(name);
    format!("{mixed:016x}").repeat(4)
}

impl Engine {
    /// An engine without containers, serving below a folder.
    pub fn start(folder: &FilePath) -> Self {
        let engine = Self {
            world: Arc::default(),
            path: folder.join("docker.sock"),
            serving: Arc::default(),
            silent: Arc::default(),
        };
        engine.serve();
        engine
    }

    pub fn host(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Begins to serve, after the start or after [`Self::stop`].
    pub fn serve(&self) {
        let _ = std::fs::remove_file(&self.path);
        let listener = UnixListener::bind(&self.path).unwrap();
        let router = Router::new()
            .route("/version", get(version))
            .route("/events", get(events))
            .route("/containers/json", get(list))
            .route("/containers/{id}/json", get(inspect))
            .fallback(forbidden)
            .with_state(self.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        *self.serving.lock().unwrap() = Some(task);
    }

    /// Stops serving, as when the daemon ends: streams end too.
    pub fn stop(&self) {
        if let Some(task) = self.serving.lock().unwrap().take() {
            task.abort();
        }
        let _ = std::fs::remove_file(&self.path);
        self.cut();
    }

    /// Ends all streams of events in an orderly way.
    pub fn cut(&self) {
        self.world().listeners.clear();
    }

    /// Breaks all streams of events in the middle.
    pub fn reset(&self) {
        for listener in self.world().listeners.drain(..) {
            let _ = listener.send(Err(std::io::Error::other("reset")));
        }
    }

    pub fn streams(&self) -> usize {
        self.world().streams
    }

    pub fn forbidden(&self) -> Vec<String> {
        self.world().forbidden.clone()
    }

    pub fn asked(&self) -> BTreeMap<String, usize> {
        self.world().asked.clone()
    }

    /// Tells those who listen of something.
    pub fn event(&self, kind: &str, action: &str, id: &str, attributes: Value) {
        if self.silent.load(Ordering::Relaxed) {
            return;
        }
        let line = json!({"Type": kind, "Action": action, "Actor": {"ID": id, "Attributes": attributes}, "scope": "local",
            "time": 1, "timeNano": 1});
        let line = Bytes::from(format!("{line}\n"));
        self.world().listeners.retain(|listener| listener.send(Ok(line.clone())).is_ok());
    }

    fn container_event(&self, action: &str, id: &str, more: &[(&str, &str)]) {
        let mut attributes = json!({"image": "web:1", "name": "x"});
        for (key, value) in more {
            attributes[*key] = json!(value);
        }
        self.event("container", action, id, attributes);
    }

    /// Runs a container: it is there, then its start is told.
    pub fn run(&self, run: &Run) {
        self.put(run);
        self.container_event("start", &run.id, &[]);
    }

    /// A container that runs, with no word about it.
    pub fn put(&self, run: &Run) {
        let mut world = self.world();
        world.clock += 1;
        let started = format!(
            "2026-11-22T{:02}:{:02}:{:02}Z",
            world.clock / 3600 % 24,
            world.clock / 60 % 60,
            world.clock % 60
        );
        let mut ports = json!({});
        let mut exposed = json!({});
        for (port, host_port) in &run.ports {
            ports[port] = json!([{"HostIp": "0.0.0.0", "HostPort": host_port.to_string()}]);
            exposed[port] = json!({});
        }
        let mut labels = json!({});
        for (key, value) in &run.labels {
            labels[key] = json!(value);
        }
        let mut state = json!({"Status": "running", "Running": true, "Paused": false, "Restarting": false,
            "Dead": false, "Pid": 1, "ExitCode": 0, "StartedAt": started});
        if let Some(health) = &run.health {
            state["Health"] = json!({"Status": health, "FailingStreak": 0, "Log": []});
        }
        let mut networks = json!({});
        networks[&run.network.0] = json!({"IPAddress": run.network.1});
        let mode = if run.network.0 == "bridge" { "default" } else { &run.network.0 };
        let container = json!({
            "Id": run.id, "Name": format!("/{}", run.name), "Image": "sha256:abc", "Created": "2026-11-22T00:00:00Z",
            "State": state,
            "HostConfig": {"NetworkMode": mode, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}},
            "Config": {"Hostname": run.id[..12], "Image": run.image, "Env": run.env, "Labels": labels, "ExposedPorts": exposed},
            "NetworkSettings": {"Ports": ports, "Networks": networks},
        });
        world.containers.insert(run.id.clone(), container);
    }

    /// Changes a container, with no word about it.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Value)) {
        if let Some(container) = self.world().containers.get_mut(id) {
            change(container);
        }
    }

    fn end(&self, id: &str, code: i64) {
        self.change(id, |one| {
            one["State"]["Running"] = json!(false);
            one["State"]["Status"] = json!("exited");
            one["State"]["ExitCode"] = json!(code);
            one["NetworkSettings"]["Ports"] = json!({});
        });
    }

    /// Its process ends: it is not running, then its end is told.
    pub fn die(&self, id: &str, code: i64) {
        self.end(id, code);
        self.container_event("die", id, &[("exitCode", &code.to_string())]);
    }

    /// `docker stop`.
    pub fn stop_container(&self, id: &str) {
        self.container_event("kill", id, &[("signal", "15")]);
        self.die(id, 0);
        self.container_event("stop", id, &[]);
    }

    /// A container ends and goes with no word about it.
    pub fn vanish(&self, id: &str) {
        self.world().containers.remove(id);
    }

    /// Any other event about a container.
    pub fn say(&self, action: &str, id: &str, more: &[(&str, &str)]) {
        self.container_event(action, id, more);
    }
}

/// A value as the body of an answer.
struct Json(Value);

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], self.0.to_string()).into_response()
    }
}

fn count(engine: &Engine, question: &str) {
    *engine.world().asked.entry(question.to_owned()).or_default() += 1;
}

async fn version(State(engine): State<Engine>) -> Json {
    count(&engine, "version");
    Json(
        json!({"Version": "29.3.1", "ApiVersion": "1.52", "MinAPIVersion": "1.44", "Os": "linux", "Arch": "amd64"}),
    )
}

async fn events(State(engine): State<Engine>, uri: Uri) -> Response {
    count(&engine, "events");
    assert!(uri.query().unwrap_or_default().contains("filters"), "events are asked for with a filter");
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut world = engine.world();
    world.streams += 1;
    world.listeners.push(sender);
    drop(world);
    let stream = futures::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    Body::from_stream(stream.boxed()).into_response()
}

async fn list(State(engine): State<Engine>) -> Json {
    count(&engine, "list");
    let world = engine.world();
    let running = world.containers.values().filter(|one| one["State"]["Running"] == json!(true));
    let all: Vec<Value> = running
        .map(|one| {
            let ports = one["NetworkSettings"]["Ports"].as_object().unwrap().iter().map(|(port, bindings)| {
                let (number, protocol) = port.split_once('/').unwrap();
                let public = bindings[0]["HostPort"].as_str().unwrap().parse::<u16>().unwrap();
                json!({"IP": "0.0.0.0", "PrivatePort": number.parse::<u16>().unwrap(), "PublicPort": public, "Type": protocol})
            });
            let health = one["State"]["Health"]["Status"].as_str().map(|health| format!(" ({health})"));
            json!({
                "Id": one["Id"], "Names": [one["Name"]], "Image": one["Config"]["Image"], "ImageID": "sha256:abc",
                "Command": "/web", "Created": 1, "Labels": one["Config"]["Labels"], "State": one["State"]["Status"],
                "Status": format!("Up 3 minutes{}", health.unwrap_or_default()), "Ports": ports.collect::<Vec<_>>(),
                "HostConfig": {"NetworkMode": one["HostConfig"]["NetworkMode"]},
                "NetworkSettings": {"Networks": one["NetworkSettings"]["Networks"]}, "Mounts": [],
            })
        })
        .collect();
    Json(json!(all))
}

async fn inspect(State(engine): State<Engine>, Path(id): Path<String>) -> Response {
    count(&engine, "inspect");
    match engine.world().containers.get(&id) {
        Some(container) => Json(container.clone()).into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({"message": format!("No such container: {id}")})))
            .into_response(),
    }
}

async fn forbidden(State(engine): State<Engine>, request: Request) -> StatusCode {
    let allowed = request.method() == Method::GET && request.uri().path() == "/_ping";
    if !allowed {
        engine.world().forbidden.push(format!("{} {}", request.method(), request.uri().path()));
    }
    if allowed { StatusCode::OK } else { StatusCode::FORBIDDEN }
}
