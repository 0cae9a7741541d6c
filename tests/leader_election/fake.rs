//! An API server that knows one Lease, in memory, behind links that can be bad in every way a network and a server can.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use hyper::http::{Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tokio::time::sleep;
use tower::{BoxError, service_fn};

/// splitmix64: the same seed gives the same run.
#[derive(Debug, Clone)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// How a link treats calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Good,
    /// A third of the calls meet a fault.
    Flaky,
    /// Nothing gets through, and nothing is said about it.
    Away,
}

#[derive(Debug, Default)]
struct Store {
    lease: Option<Value>,
    version: u64,
    calls: u64,
}

/// The server.
#[derive(Debug, Clone, Default)]
pub struct Server(Arc<Mutex<Store>>);

/// The way of one client to the server.
#[derive(Debug, Clone)]
pub struct Link {
    mode: Arc<Mutex<Mode>>,
    rng: Arc<Mutex<Rng>>,
}

impl Link {
    pub fn new(seed: u64) -> Self {
        Self { mode: Arc::new(Mutex::new(Mode::Good)), rng: Arc::new(Mutex::new(Rng(seed))) }
    }

    pub fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap()
    }

    fn rng(&self) -> MutexGuard<'_, Rng> {
        self.rng.lock().unwrap()
    }
}

impl Server {
    pub fn client(&self, link: &Link) -> Client {
        let (server, link) = (self.clone(), link.clone());
        let service = service_fn(move |request| {
            let (server, link) = (server.clone(), link.clone());
            async move { server.through(&link, request).await }
        });
        Client::new(service, "default")
    }

    pub fn lease(&self) -> Value {
        self.0.lock().unwrap().lease.clone().unwrap_or_default()
    }

    pub fn calls(&self) -> u64 {
        self.0.lock().unwrap().calls
    }

    /// Someone deletes the Lease.
    pub fn delete(&self) {
        self.0.lock().unwrap().lease = None;
    }

    async fn through(&self, link: &Link, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let method = request.method().to_string();
        let body = request.into_body().collect_bytes().await?;
        let pause = link.rng().millis(1, 30);
        sleep(pause).await;
        match link.mode() {
            Mode::Away => return std::future::pending().await,
            Mode::Good => {}
            Mode::Flaky => {
                let (fault, late) = {
                    let mut rng = link.rng();
                    (rng.below(18), rng.millis(100, 14_000))
                };
                match fault {
                    0 => return Ok(status(500, "InternalError")),
                    1 => return Ok(status(409, "Conflict")),
                    2 => return Err("the connection was reset".into()),
                    // Carried out, and the answer is lost: at once, or after a while of silence.
                    3 => {
                        self.answer(&method, &body);
                        return Err("the connection was reset".into());
                    }
                    4 => {
                        self.answer(&method, &body);
                        return std::future::pending().await;
                    }
                    // Carried out at some time later, when nobody waits for it any more.
                    5 => {
                        let server = self.clone();
                        tokio::spawn(async move {
                            sleep(late).await;
                            server.answer(&method, &body);
                        });
                        return std::future::pending().await;
                    }
                    _ => {}
                }
            }
        }
        let answer = self.answer(&method, &body);
        let pause = link.rng().millis(1, 30);
        sleep(pause).await;
        Ok(answer)
    }

    fn answer(&self, method: &str, body: &[u8]) -> Response<Body> {
        let mut store = self.0.lock().unwrap();
        store.calls += 1;
        let sent: Value = serde_json::from_slice(body).unwrap_or_default();
        match (method, store.lease.clone()) {
            ("GET" | "PATCH", None) => status(404, "NotFound"),
            ("GET", Some(lease)) => reply(200, &lease),
            ("POST", Some(_)) => status(409, "AlreadyExists"),
            ("POST", None) => {
                let uid = store.version + 1;
                let mut lease = sent;
                lease["metadata"]["uid"] = json!(uid.to_string());
                store.put(lease)
            }
            ("PATCH", Some(mut lease)) => {
                let version = &sent["metadata"]["resourceVersion"];
                assert!(version.is_string(), "a write without a guard: {sent}");
                if *version != lease["metadata"]["resourceVersion"] {
                    return status(409, "Conflict");
                }
                for (field, value) in sent["spec"].as_object().unwrap() {
                    lease["spec"][field] = value.clone();
                }
                store.put(lease)
            }
            _ => panic!("the operator may only get, create and patch, and did {method}"),
        }
    }
}

impl Store {
    fn put(&mut self, mut lease: Value) -> Response<Body> {
        self.version += 1;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.lease = Some(lease.clone());
        reply(200, &lease)
    }
}

fn reply(code: u16, body: &Value) -> Response<Body> {
    Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
}

fn status(code: u16, reason: &str) -> Response<Body> {
    let body = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason,
                       "reason": reason, "code": code });
    reply(code, &body)
}
