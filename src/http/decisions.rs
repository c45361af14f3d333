//! Decisions one by one, in pages, and as a stream.

use super::app::App;
use super::caller::Caller;
use super::commands::{decision_at, json, written};
use super::parts::Part;
use super::problem::Problem;
use super::read::{self, Asked, Named};
use super::visible::shown;
use crate::error::Result as Answered;
use crate::fold::FOLD_BYTES_MAX;
use crate::log::LogReader;
use crate::report::filter::{Filter, kind};
use crate::report::viewer::Viewer;
use crate::service::Answer;
use crate::wire::decode_decision;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use conclave_core::units::{Offset, PoolId, RequestId, TenantId};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Deserialize;
use std::convert::Infallible;
use std::time::Duration;

/// Decisions in one page when nobody says how many, and at the most.
const LIMIT: (usize, usize) = (100, 1_000);
/// Decisions that one question looks at; the answer says where to go on.
const SCANNED_MAX: i64 = 50_000;
/// How often a silent stream shows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One decision, by its offset.
#[utoipa::path(
    get, path = "/v1/decisions/{offset}", tag = "decisions",
    params(
        ("offset" = i64, Path, description = "the offset of the command that it answers"),
        ("partition" = Option<i64>, Query, description = "else the first")
    ),
    responses(
        (status = 200, body = serde_json::Value),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn one(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Named(offset): Named<i64>,
    Asked(Of { partition }): Asked<Of>,
) -> Result<Response, Problem> {
    let part = app.part(partition)?;
    let decision = decision_at(&part, Offset(offset), caller.viewer()).await?;
    let decision = decision.ok_or_else(|| {
        let last = part.last();
        Problem::not_found(format!("no decision {offset} of yours: the log's last one is {last}"))
    })?;
    Ok(json(decision).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    partition: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    partition: Option<i64>,
    #[serde(default)]
    from: i64,
    limit: Option<usize>,
    pool: Option<String>,
    tenant: Option<String>,
    request: Option<String>,
    kind: Option<String>,
}

/// Decisions from an offset on.
#[utoipa::path(
    get, path = "/v1/decisions", tag = "decisions",
    params(
        ("from" = Option<i64>, Query), ("limit" = Option<usize>, Query, description = "1 to 1000"),
        ("pool" = Option<String>, Query), ("tenant" = Option<String>, Query),
        ("request" = Option<String>, Query),
        ("kind" = Option<String>, Query, description = "a command's or an event's name"),
        ("partition" = Option<i64>, Query, description = "else the pool's, or the first")
    ),
    responses(
        (status = 200, body = serde_json::Value,
            description = "`decisions`, `next` to go on from, `log_next` where the log ends"),
        (status = 400, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn page(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Asked(page): Asked<Page>,
) -> Result<Response, Problem> {
    let filter = Filter {
        pool: page.pool.map(PoolId::from),
        tenant: page.tenant.map(TenantId::from),
        request: page.request.map(RequestId::from),
        kind: page.kind.as_deref().map(kind).transpose().map_err(Problem::bad_request)?,
    };
    let limit = page.limit.unwrap_or(LIMIT.0).clamp(1, LIMIT.1);
    let part = app.part_or_home(page.partition, filter.pool.as_ref())?;
    let seen = Seen { part: part.clone(), viewer: caller.viewer() };
    part.check_is_reached()?;
    let from = Offset(page.from.max(0));
    let answer = part.ask(move |_| seen.page(from, limit, &filter)).await?;
    Ok(json(answer).into_response())
}

/// A decision's offset, and the decision as JSON.
type Written = (Offset, Vec<u8>);

/// The log of a partition as one caller sees it.
#[derive(Clone)]
struct Seen {
    part: Part,
    viewer: Viewer,
}

impl Seen {
    fn page(&self, from: Offset, limit: usize, filter: &Filter) -> Answered<Vec<u8>> {
        let log = self.part.service().log();
        let log_next = log.ends()?.decisions_next;
        let (mut next, mut found) = (from, Vec::new());
        while found.len() < limit && next < log_next && next.0 - from.0 < SCANNED_MAX {
            let (decisions, after) = self.some(next, limit - found.len(), filter)?;
            if after == next {
                break;
            }
            found.extend(decisions.into_iter().map(|(_, json)| json));
            next = after;
        }
        let mut body = b"{\"decisions\":[".to_vec();
        body.extend(found.join(&b','));
        body.extend(format!("],\"next\":{next},\"log_next\":{log_next}}}").into_bytes());
        Ok(body)
    }

    /// Some decisions from an offset on, and where to go on.
    fn some(&self, from: Offset, most: usize, filter: &Filter) -> Answered<(Vec<Written>, Offset)> {
        let (mut next, mut found) = (from, Vec::new());
        for record in self.part.service().log().decisions(from, FOLD_BYTES_MAX)? {
            if found.len() == most {
                break;
            }
            next = Offset(record.offset.0 + 1);
            // Filtered as it is shown: what is hidden is not found by guessing, either.
            let decision = shown(decode_decision(&record.body)?, &self.viewer);
            if let Some(decision) = decision.filter(|decision| filter.matches(decision)) {
                let answer = Answer { decision, hash: record.hash };
                let json = written(&self.part, &answer, &self.viewer);
                found.extend(json.map(|json| (record.offset, json)));
            }
        }
        Ok((found, next))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    partition: Option<i64>,
    from: Option<i64>,
}

/// Decisions as they are made, from an offset on.
#[utoipa::path(
    get, path = "/v1/decisions/stream", tag = "decisions",
    params(
        ("from" = Option<i64>, Query, description = "the end of the log when it is left out"),
        ("partition" = Option<i64>, Query, description = "else the first"),
        ("Last-Event-ID" = Option<String>, Header, description = "goes on after this decision")
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = String,
            description = "server-sent events: `id` is the offset, `event` is `decision`"),
        (status = 503, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn stream(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Asked(From { partition, from }): Asked<From>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let part = app.part(partition)?;
    let place = app.stream_place(&caller)?;
    let present = app.figures().enter_stream();
    let last_seen = read::text(&headers, "last-event-id").and_then(|id| id.parse::<i64>().ok());
    let end = part.last() + 1;
    let from = last_seen.map(|id| id.saturating_add(1)).or(from).unwrap_or(end);
    let seen = Seen { part, viewer: caller.viewer() };
    let events = seen.follow(Offset(from.max(0))).map(move |event| {
        // Held until the follower is gone.
        let _held = (&place, &present);
        Ok::<_, Infallible>(event)
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

impl Seen {
    /// Every decision from an offset on, read from the log at the pace of whoever follows.
    fn follow(self, from: Offset) -> impl Stream<Item = Event> {
        let watched = self.part.service().watch();
        let batches = stream::unfold(
            (self, from, watched, false),
            |(seen, from, mut watched, none)| async move {
                let app = seen.part.app().clone();
                let mut is_waiting = none;
                loop {
                    if app.is_closing() {
                        return None;
                    }
                    let is_more = watched.borrow_and_update().decisions_next > from;
                    if is_more && !is_waiting {
                        break;
                    }
                    is_waiting = false;
                    tokio::select! {
                        changed = watched.changed() => changed.ok()?,
                        () = app.closing() => return None,
                    }
                }
                let reader = seen.clone();
                let read = tokio::task::spawn_blocking(move || {
                    reader.some(from, usize::MAX, &Filter::default())
                });
                match read.await {
                    // A reader may see the log's new end later than whoever told of it.
                    Ok(Ok((decisions, next))) => {
                        Some((events(decisions), (seen, next, watched, next == from)))
                    }
                    Ok(Err(error)) => {
                        tracing::error!(%error, "a stream ends: the log is unreadable");
                        None
                    }
                    Err(_) => None,
                }
            },
        );
        batches.flat_map(stream::iter)
    }
}

fn events(decisions: Vec<Written>) -> Vec<Event> {
    let event = |(offset, json): Written| {
        let data = String::from_utf8(json).unwrap_or_default();
        Event::default().id(offset.to_string()).event("decision").data(data)
    };
    decisions.into_iter().map(event).collect()
}
