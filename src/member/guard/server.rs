//! `GET /state` and `POST /start` at the guard's port.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::net::TcpListener;

use super::{
    desk::{Desk, Objection},
    words::Start,
};

/// The largest word that is read, in bytes. An admission of nine members is two kilobytes.
const LIMIT: usize = 64 * 1024;

/// Serves until the future is dropped.
///
/// # Errors
/// When the listener breaks.
pub(super) async fn serve(listener: TcpListener, desk: Arc<Desk>) -> std::io::Result<()> {
    let app = Router::new()
        .route("/state", get(state))
        .route("/start", post(start))
        .layer(DefaultBodyLimit::max(LIMIT))
        .with_state(desk);
    axum::serve(listener, app).await
}

async fn state(State(desk): State<Arc<Desk>>) -> Response {
    match serde_json::to_string(&desk.state()) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn start(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if bearer.and_then(|value| value.strip_prefix("Bearer ")) != Some(&desk.assignment.uid) {
        return (StatusCode::UNAUTHORIZED, "the bearer token is not the UID of this member\n".into());
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
