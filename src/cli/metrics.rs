//! `/metrics` of whoever follows a log without being a service: one route, on an address of its
//! own.

use crate::error::{Error, Result};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use std::net::SocketAddr;

/// Serves what `text` says on `listen` until the process ends.
///
/// # Errors
/// `Invalid` or `Unavailable` when nobody can listen there.
pub(super) fn serve(
    listen: SocketAddr,
    text: impl Fn() -> Result<String> + Clone + Send + Sync + 'static,
) -> Result<()> {
    if !listen.ip().is_loopback() {
        return Err(Error::invalid(format!(
            "{listen} can be reached from elsewhere, and whoever asks /metrics is answered: choose \
             127.0.0.1, and a proxy that knows who may ask"
        )));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Error::unavailable("no thread for /metrics").caused_by(error))?;
    let listener = runtime.block_on(crate::http::bind(listen))?;
    let router = Router::new().route("/metrics", get(move || answer(text())));
    std::thread::spawn(move || runtime.block_on(async { axum::serve(listener, router).await }));
    Ok(())
}

async fn answer(text: Result<String>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
