//! The HTTP API: every route in one table, and a description of it that is compared with the table.

mod admission;
mod app;
mod caller;
mod commands;
mod decisions;
mod explained;
mod figures;
mod kept;
mod on_council;
mod on_engines;
mod on_kafka;
mod page;
mod parts;
mod probes;
mod problem;
mod read;
mod reports;
mod server;
mod stall;
mod visible;

pub use app::App;
pub use commands::AVRO;
pub use probes::{PartReadiness, Readiness};
pub use problem::{PROBLEM_JSON, Problem};
pub use server::bind;

use crate::config::Config;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use server::Bounds;
use std::future::Future;
use std::time::Duration;
use tokio::net::TcpListener;
use utoipa::OpenApi;

/// The description of the API. Its paths are those of [`routes`]: a test compares them.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "conclave",
        description = "Who gets which GPUs: commands in, one decision each, and why. Errors are \
                       problem+json; a refused command is an answer and no error."
    ),
    paths(
        commands::send,
        commands::by_id,
        decisions::one,
        decisions::page,
        decisions::stream,
        reports::status,
        reports::pools,
        reports::pool,
        reports::nodes,
        reports::queue,
        reports::quotas,
        reports::fairness,
        reports::budgets,
        reports::reservations,
        reports::requests,
        reports::request,
        explained::request,
        explained::planned,
        page::page,
        page::asset,
        page::timeline,
        probes::healthz,
        probes::readyz,
        probes::metrics,
        description
    )
)]
pub struct Description;

/// Every route: its method and path, and who answers.
#[must_use]
pub fn routes() -> Vec<(&'static str, &'static str, MethodRouter<App>)> {
    vec![
        ("post", "/v1/commands", post(commands::send)),
        ("get", "/v1/pools/{pool}/commands/{command_id}", get(commands::by_id)),
        ("get", "/v1/decisions", get(decisions::page)),
        ("get", "/v1/decisions/stream", get(decisions::stream)),
        ("get", "/v1/decisions/{offset}", get(decisions::one)),
        ("get", "/v1/status", get(reports::status)),
        ("get", "/v1/pools", get(reports::pools)),
        ("get", "/v1/pools/{pool}", get(reports::pool)),
        ("get", "/v1/pools/{pool}/nodes", get(reports::nodes)),
        ("get", "/v1/pools/{pool}/queue", get(reports::queue)),
        ("get", "/v1/pools/{pool}/quotas", get(reports::quotas)),
        ("get", "/v1/pools/{pool}/fairness", get(reports::fairness)),
        ("get", "/v1/pools/{pool}/budgets", get(reports::budgets)),
        ("get", "/v1/pools/{pool}/reservations", get(reports::reservations)),
        ("get", "/v1/pools/{pool}/requests", get(reports::requests)),
        ("get", "/v1/pools/{pool}/requests/{request}", get(reports::request)),
        ("get", "/v1/pools/{pool}/requests/{request}/explain", get(explained::request)),
        ("post", "/v1/plan", post(explained::planned)),
        ("get", "/v1/timeline", get(page::timeline)),
        ("get", "/", get(page::page)),
        ("get", "/{asset}", get(page::asset)),
        ("get", "/healthz", get(probes::healthz)),
        ("get", "/readyz", get(probes::readyz)),
        ("get", "/metrics", get(probes::metrics)),
        ("get", "/openapi.json", get(description)),
    ]
}

/// The description itself.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation",
    responses((status = 200, body = serde_json::Value))
)]
async fn description() -> axum::Json<utoipa::openapi::OpenApi> {
    axum::Json(Description::openapi())
}

/// The whole API.
pub fn router(app: &App) -> Router {
    let empty = Router::new();
    let routed = routes().into_iter().fold(empty, |router, (_, path, to)| router.route(path, to));
    routed
        .fallback(async |uri: axum::http::Uri| {
            Problem::not_found(format!("there is no '{}': see /openapi.json", uri.path()))
        })
        .method_not_allowed_fallback(async |method: axum::http::Method| {
            Problem::method_not_allowed(format!("{method} is not among them: see /openapi.json"))
        })
        .layer(from_fn_with_state(app.clone(), admission::admit))
        .with_state(app.clone())
}

/// Serves the API until `ended`, then lets open requests finish.
pub async fn serve(
    listener: TcpListener,
    app: App,
    config: &Config,
    ended: impl Future<Output = ()>,
) {
    let bounds = Bounds {
        connections_max: config.http.connections_max,
        head_timeout: Duration::from_millis(config.http.head_timeout_ms),
        stall_timeout: Duration::from_millis(config.http.stall_timeout_ms),
    };
    let router = router(&app);
    let ended = async move {
        ended.await;
        app.close();
    };
    server::serve(listener, router, bounds, ended).await;
}
