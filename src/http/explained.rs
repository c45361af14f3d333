//! Why a request waits or was refused, and what a command would be answered.

use super::app::App;
use super::caller::Caller;
use super::problem::Problem;
use super::read::{self, Asked, Named};
use super::reports::At;
use crate::estimate::Estimates;
use crate::explain::{
    ExplainReport, Follower, PlanReport, explain, explain_at, follow, give_reasons,
    give_reasons_of_plan, plan,
};
use crate::service::now;
use crate::wire::json::{Defaults, read_command};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use conclave_core::units::{CommandId, PoolId, RequestId};

/// Why a request waits, or what became of it: blockers as intervals, who is ahead and by which
/// rule, the smallest changes that would let it start; of a vote of networks the reasons, computed
/// again from the log.
#[utoipa::path(
    get, path = "/v1/pools/{pool}/requests/{request}/explain", tag = "state",
    params(("pool" = String, Path), ("request" = String, Path), ("at" = Option<i64>, Query)),
    responses(
        (status = 200, body = ExplainReport),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn request(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Named((pool, request)): Named<(String, String)>,
    Asked(asked): Asked<At>,
) -> Result<Json<ExplainReport>, Problem> {
    let (pool, id) = (PoolId::from(read::name(&pool)?), RequestId::from(read::name(&request)?));
    let (part, viewer) = (app.home(&pool), caller.viewer());
    if let Some(at) = asked.at {
        let at = part.existing(at)?;
        let explained = part
            .ask_log(move |service| {
                let log = service.log();
                let mut report = explain_at(&log, Some(&pool), &id, Some(at), &viewer)?;
                report.add_estimate(&Estimates::of_log(&log, at)?);
                give_reasons(&log, service.seat().models(), &mut report);
                Ok(report)
            })
            .await?;
        return Ok(Json(explained));
    }
    part.service().view().await?;
    let explained = part.ask_log(move |service| {
        let log = service.log();
        // The view is held for no longer than it takes to look the request up.
        let (arrival, covered) = service.view_now().read(|folded| {
            let state = &folded.state;
            let live = state.pools.get(&pool).and_then(|pool| pool.request(&id));
            (live.map(|request| request.arrival), state.covered)
        });
        let mut report = match arrival {
            None => explain_at(&log, Some(&pool), &id, Some(covered), &viewer)?,
            Some(arrival) => {
                let mut follower = Follower::new(id, Some(pool));
                let folded = follow(&log, arrival, covered, &mut follower)?;
                explain(&log, &follower, &folded.state, &viewer)?
            }
        };
        service.read_with_estimates(|_, estimates| report.add_estimate(estimates));
        give_reasons(&log, service.seat().models(), &mut report);
        Ok(report)
    });
    Ok(Json(explained.await?))
}

/// What a command would be answered if it were the next one. Nothing is done.
#[utoipa::path(
    post, path = "/v1/plan", tag = "state",
    request_body(description = "one JSON command (docs/json.md)", content = serde_json::Value),
    responses(
        (status = 200, body = PlanReport),
        (status = 400, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn planned(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<PlanReport>, Problem> {
    caller.check_is_sender()?;
    let bytes = read::body(&headers, body, app.http().body_bytes_max).await?;
    let command_id = Some(CommandId::from("plan"));
    let defaults = Defaults { command_id, actor: Some(caller.actor()), now: now() };
    let command = read_command(&bytes, &defaults)
        .map_err(|error| Problem::bad_request(error.to_string()).at(error.line, error.column))?;
    caller.check_sends(&command)?;
    let viewer = caller.viewer();
    let part = app.home_of(&command, None)?;
    let (mut seat, at) = (part.service().seat(), now());
    let (mut planned, command, ground) = part
        .ask_with_estimates(None, move |folded, estimates| {
            let state = &folded.state;
            let mut planned = plan(state, command.clone(), at, &mut seat, &viewer)?;
            planned.add_estimate(estimates, &command);
            // The view is held for no longer than it takes to copy what the vote was about.
            let copy = || state.for_plan(&command.pool, at.max(state.time_ms), None);
            let ground = planned.networks.is_some().then(copy);
            Ok((planned, command, ground))
        })
        .await?;
    if let Some(ground) = ground {
        let explained = part.ask(move |service| {
            let models = service.seat().models().clone();
            give_reasons_of_plan(&ground, (&command, at), &models, &mut planned);
            Ok(planned)
        });
        planned = explained.await?;
    }
    Ok(Json(planned))
}
