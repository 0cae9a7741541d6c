//! An API server behind a bad network: every call is passed on to the real one, by the script of the life that makes it.
//!
//! Each life has a path of its own (`http://address/3/apis/…`), so that a call which was on its way when its life ended
//! is not mistaken for one of the next life.

use std::{
    net::SocketAddr,
    panic::resume_unwind,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body, extract::State, response::Response, routing::any};
use hyper::http::{Request, header};
use kube::{Client, Config, config::KubeConfigOptions};
use tokio::runtime::Runtime;

use crate::{
    link::Link,
    script::{Call, Script},
};

/// The largest body that is passed on.
const LIMIT: usize = 16 << 20;

pub struct Proxy {
    address: SocketAddr,
    links: Links,
    _runtime: Runtime,
}

type Links = Arc<Mutex<Vec<Arc<Link>>>>;

impl Proxy {
    pub fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let links = Links::default();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let client = runtime.block_on(client());
        let app = Router::new().fallback(any(pass_on)).with_state((client, Arc::clone(&links)));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { address, links, _runtime: runtime }
    }

    /// A way to the API server for one life, and its address.
    pub fn link(&self, script: Script) -> (Arc<Link>, String) {
        let mut links = self.links.lock().unwrap();
        let number = links.len();
        let link = Arc::new(Link::new(number as u64, script));
        links.push(Arc::clone(&link));
        (link, format!("http://{}/{number}", self.address))
    }
}

/// It must not try again by itself: the faults of the real server are the operator's too.
async fn client() -> Client {
    let mut config =
        Config::from_kubeconfig(&KubeConfigOptions::default()).await.expect("KUBECONFIG names a cluster");
    config.default_retry = false;
    config.read_timeout = None;
    Client::try_from(config).unwrap()
}

async fn pass_on(State((client, links)): State<(Client, Links)>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let asked = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let (number, rest) = asked[1..].split_once('/').unwrap_or_else(|| panic!("{asked} names no life"));
    let link = links.lock().unwrap()[number.parse::<usize>().unwrap()].clone();
    let path = format!("/{rest}");
    let body = axum::body::to_bytes(body, LIMIT).await.unwrap_or_default();
    let mut onward = Request::builder().method(parts.method.clone()).uri(&path);
    for (name, value) in &parts.headers {
        if ![header::HOST, header::CONNECTION, header::CONTENT_LENGTH].contains(name) {
            onward = onward.header(name, value);
        }
    }
    let onward = onward.body(kube::client::Body::from(body)).unwrap();
    let call = Call { method: parts.method, path };
    // In a task of its own: a call that reached the server is carried out, whatever becomes of the one who made it.
    let carried = tokio::spawn(link.carry(call, async move { client.send(onward).await }));
    carried.await.unwrap_or_else(|ended| resume_unwind(ended.into_panic()))
}
