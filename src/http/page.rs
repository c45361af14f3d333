//! The timeline page at `/`, what it loads, and the data that it draws.

use super::app::App;
use super::caller::Caller;
use super::problem::Problem;
use super::read::{Asked, Named};
use crate::timeline::page::{assets, live_page};
use crate::timeline::{Options, Timeline};
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use conclave_core::units::{Offset, PoolId};
use serde::Deserialize;

/// Decisions before the last one that a live page shows when nobody says from where.
const LIVE_DECISIONS: i64 = 50_000;

/// How often a live answer looks up why somebody waits before it begins to sample: before a crowd
/// of 10,000 the ten million of a page on paper would take minutes.
const LIVE_LOOKS: u64 = 20_000;

/// The page.
#[utoipa::path(
    get, path = "/", tag = "page",
    responses((status = 200, content_type = "text/html", body = String))
)]
pub(super) async fn page() -> Html<&'static str> {
    Html(live_page())
}

/// What the page loads.
#[utoipa::path(
    get, path = "/{asset}", tag = "page", params(("asset" = String, Path)),
    responses(
        (status = 200, body = String),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn asset(Named(path): Named<String>) -> Result<Response, Problem> {
    let found = assets().find(|asset| asset.path == path);
    let asset = found.ok_or_else(|| Problem::not_found(format!("there is no page '/{path}'")))?;
    Ok(([(header::CONTENT_TYPE, asset.content_type)], asset.body).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    partition: Option<i64>,
    pool: Option<String>,
    from: Option<i64>,
    until: Option<i64>,
}

/// What happened to every request, as the page draws it.
#[utoipa::path(
    get, path = "/v1/timeline", tag = "page",
    params(
        ("pool" = Option<String>, Query), ("from" = Option<i64>, Query, description = "an offset"),
        ("until" = Option<i64>, Query, description = "an offset"),
        ("partition" = Option<i64>, Query, description = "else the pool's, or the first")
    ),
    responses(
        (status = 200, body = serde_json::Value),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn timeline(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Asked(span): Asked<Span>,
) -> Result<Json<Timeline>, Problem> {
    let pool = span.pool.map(PoolId::from);
    let part = app.part_or_home(span.partition, pool.as_ref())?;
    let end = part.last() + 1;
    if let Some(from) = span.from.filter(|from| *from > 0) {
        part.existing(from)?;
    }
    // Before the first decision there is nothing to begin with, so that `until` has a lower end.
    let until = span.until.map_or(end - 1, |until| until.clamp(0, (end - 1).max(0)));
    let from = span.from.unwrap_or(until - LIVE_DECISIONS).max(0);
    let options = Options {
        pool,
        from: Offset(from),
        until: (end > 0).then_some(Offset(until)),
        viewer: match caller.viewer() {
            crate::report::viewer::Viewer::Everything => None,
            crate::report::viewer::Viewer::Tenant(tenant) => Some(tenant),
        },
        looks_max: LIVE_LOOKS,
        ..Options::default()
    };
    let timeline = part.ask_log(move |service| Timeline::of(&service.log(), &options)).await?;
    Ok(Json(timeline))
}
