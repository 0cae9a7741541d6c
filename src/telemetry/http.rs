//! `/metrics`, `/healthz` and `/readyz` on an address of one's choice.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use super::{health::Health, metrics::Metrics};

/// A pass takes seconds at the most, even when every member hangs; one that takes this long is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// Opens the address, so that a taken port is an error at the start and not a line in a log later.
///
/// # Errors
/// When the address can't be opened.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves the metrics and the health of a program that looks after one cluster, until the task is dropped.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>) -> std::io::Result<()> {
    let app = Router::new()
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .with_state(metrics);
    axum::serve(listener, app).await
}

/// Serves the metrics and the health of the operator, until the task is dropped.
///
/// # Errors
/// When the listener breaks.
pub async fn serve_operator(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
) -> std::io::Result<()> {
    let ready = Arc::clone(&health);
    let app = Router::new()
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(move || async move { verdict(health.healthy()) }))
        .route("/readyz", get(move || async move { verdict(ready.ready()) }))
        .with_state(metrics);
    axum::serve(listener, app).await
}

fn verdict(said: Result<(), String>) -> (StatusCode, String) {
    match said {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn show_metrics(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.render() {
        Ok(text) => {
            ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
                .into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Whether passes still come to an end.
async fn healthy(State(metrics): State<Arc<Metrics>>) -> (StatusCode, &'static str) {
    match metrics.since_last_pass() {
        Some(age) if age > STUCK => {
            (StatusCode::SERVICE_UNAVAILABLE, "the last pass ended more than 60 s ago\n")
        }
        _ => (StatusCode::OK, "ok\n"),
    }
}

/// Whether the cluster was looked at and its status shown at least once.
async fn ready(State(metrics): State<Arc<Metrics>>) -> (StatusCode, &'static str) {
    match metrics.passed() {
        true => (StatusCode::OK, "ok\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "no pass has ended well yet\n"),
    }
}
