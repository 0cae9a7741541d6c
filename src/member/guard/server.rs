//! `GET /state`, `GET /started`, `POST /start` and `POST /snapshot` at the guard's port.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::{net::TcpListener, time::Instant};

use super::{
    desk::{Desk, Objection},
    leave,
    words::{Start, TakeSnapshot},
};
use crate::etcd::http::Http;

/// The largest word that is read, in bytes. An admission of nine members is two kilobytes.
const LIMIT: usize = 64 * 1024;

/// How long `GET /started` waits for etcd to serve. The kubelet gives it three seconds.
const HOLD: Duration = Duration::from_secs(2);
/// How often etcd is asked meanwhile, and how long it has to answer.
const LOOK: Duration = Duration::from_millis(50);
const ANSWER: Duration = Duration::from_millis(500);

/// Where etcd itself says whether it serves.
#[derive(Debug, Clone)]
pub(super) struct Readiness {
    /// The client to ask with.
    pub(super) http: Http,
    /// What to ask; none where etcd has no such port.
    pub(super) url: Option<String>,
}

/// Serves until the future is dropped.
///
/// # Errors
/// When the listener breaks.
pub(super) async fn serve(
    listener: TcpListener,
    desk: Arc<Desk>,
    readiness: Readiness,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/state", get(state))
        .route("/start", post(start))
        .route("/snapshot", post(snapshot))
        .layer(DefaultBodyLimit::max(LIMIT))
        .with_state(desk)
        .route("/started", get(async move || started(&readiness).await));
    axum::serve(listener, app).await
}

/// Answers that the guard is there, and once etcd serves, if that is soon. The kubelet asks etcd itself right after this
/// answer, and then only every second: a member that is back would lose half a second on average.
async fn started(readiness: &Readiness) -> StatusCode {
    let began = Instant::now();
    while let Some(url) = readiness.url.as_ref().filter(|_| began.elapsed() < HOLD) {
        if readiness.http.get(url, ANSWER).await.is_ok_and(|reply| reply.status == 200) {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    StatusCode::OK
}

async fn state(State(desk): State<Arc<Desk>>) -> Response {
    match serde_json::to_string(&desk.state()) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn start(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    if let Err(refusal) = authorized(&desk, &headers) {
        return refusal;
    }
    let start: Start = match serde_json::from_slice(&body) {
        Ok(start) => start,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("the body is no admission: {error}\n")),
    };
    match desk.take(start) {
        Ok(()) => (StatusCode::OK, String::new()),
        Err(objection) => {
            let code = match &objection {
                Objection::Nonsense(_) => StatusCode::BAD_REQUEST,
                Objection::TooLate(_) => StatusCode::CONFLICT,
                Objection::NotKept(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (code, format!("{objection}\n"))
        }
    }
}

async fn snapshot(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    if let Err(refusal) = authorized(&desk, &headers) {
        return refusal;
    }
    match serde_json::from_slice::<TakeSnapshot>(&body) {
        Ok(wanted) => {
            let credentials = desk.credentials();
            let urls = desk.assignment.client_url.split(',');
            let url = leave::usable(urls, &credentials).unwrap_or(&desk.assignment.client_url);
            desk.snapshots.begin(url.to_owned(), credentials, wanted.to);
            (StatusCode::ACCEPTED, String::new())
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("the body names no minor version: {error}\n")),
    }
}

/// Only who knows the UID of the member may tell its guard anything.
fn authorized(desk: &Desk, headers: &HeaderMap) -> Result<(), (StatusCode, String)> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if bearer.and_then(|value| value.strip_prefix("Bearer ")) == Some(&desk.assignment.uid) {
        return Ok(());
    }
    Err((StatusCode::UNAUTHORIZED, "the bearer token is not the UID of this member\n".into()))
}
