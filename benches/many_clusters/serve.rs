//! The addresses of the Pods: guard, etcd's client port, metrics and peers, all of them by one handler.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    http::HeaderMap,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use quorate::member::guard::words::{CLIENT_PORT, GUARD_PORT, METRICS_PORT, PEER_PORT};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{etcd::Refusal, pods::Pods};

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// What gRPC puts before a message: not compressed, and the length in four bytes.
const PREFIX: usize = 5;

/// Serves a Pod's address until the tasks are dropped.
pub async fn pod(pods: &Arc<Pods>, address: Ipv4Addr) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for port in [GUARD_PORT, CLIENT_PORT, METRICS_PORT, PEER_PORT] {
        let listener = TcpListener::bind(SocketAddr::from((address, port))).await.unwrap();
        tasks.spawn(accept(listener, Arc::clone(pods), address));
    }
    tasks
}

async fn accept(listener: TcpListener, pods: Arc<Pods>, address: Ipv4Addr) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let _ = stream.set_nodelay(true);
        connections.spawn(connection(stream, Arc::clone(&pods), address));
    }
}

async fn connection(stream: TcpStream, pods: Arc<Pods>, address: Ipv4Addr) {
    let service = service_fn(move |request| answer(Arc::clone(&pods), address, request));
    // How a connection ends is of no interest.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// An answer; an error closes the connection, as if nobody were there.
async fn answer(
    pods: Arc<Pods>,
    address: Ipv4Addr,
    request: Request<Incoming>,
) -> Result<Answer, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(match (&head.method, head.uri.path()) {
        (&Method::GET, "/state") => json(serde_json::to_vec(&pods.guard(address)).unwrap()),
        (&Method::GET, "/members") => json(serde_json::to_vec(&pods.hearsay(address)).unwrap()),
        (&Method::POST, "/start") if pods.start(address, &body) => plain(200, "ok"),
        (&Method::POST, "/start") => plain(409, "it runs already"),
        (&Method::GET, "/readyz") if pods.ready(address) => plain(200, "ok"),
        (&Method::GET, _) => plain(503, "not ready"),
        (_, path) => match pods.call(address, path, body.get(PREFIX..).unwrap_or_default()) {
            Some(Ok(message)) => grpc(Some(&message), 0, ""),
            Some(Err(Refusal(code, words))) => grpc(None, code, words),
            None => grpc(None, 14, "no etcd runs here"),
        },
    })
}

fn json(body: Vec<u8>) -> Answer {
    Response::new(Full::from(body).boxed())
}

fn plain(status: u16, words: &'static str) -> Answer {
    Response::builder().status(status).body(Full::from(words).boxed()).unwrap()
}

/// One message, or none, and how the call ended.
fn grpc(message: Option<&[u8]>, code: u32, words: &'static str) -> Answer {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.into());
    if !words.is_empty() {
        trailers.insert("grpc-message", hyper::http::HeaderValue::from_static(words));
    }
    let mut framed = Vec::new();
    if let Some(message) = message {
        framed.push(0);
        framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        framed.extend(message);
    }
    let body = Full::new(Bytes::from(framed)).with_trailers(async move { Some(Ok(trailers)) });
    Response::builder().header("content-type", "application/grpc").body(body.boxed()).unwrap()
}
