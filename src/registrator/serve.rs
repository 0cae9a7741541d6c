//! `/metrics`, `/healthz` and `/readyz` of the registrator.

use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use super::metrics::Metrics;

/// Serves until the task is dropped.
///
/// # Errors
/// When the listener breaks.
pub(super) async fn serve(listener: TcpListener, metrics: Metrics) -> std::io::Result<()> {
    let (all, healthy, ready) = (metrics.clone(), metrics.clone(), metrics);
    let app = Router::new()
        .route("/metrics", get(move || async move { show(&all) }))
        .route("/healthz", get(move || async move { verdict(healthy.healthy()) }))
        .route("/readyz", get(move || async move { verdict(ready.ready()) }));
    axum::serve(listener, app).await
}

fn show(metrics: &Metrics) -> Response {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn verdict(said: Result<(), String>) -> (StatusCode, String) {
    match said {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
