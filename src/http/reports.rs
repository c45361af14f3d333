//! What the state says, now or right after any past decision.

use super::app::App;
use super::caller::Caller;
use super::parts::Part;
use super::problem::Problem;
use super::read::{self, Asked, Named};
use crate::fold::Folded;
use crate::report::budgets::BudgetsReport;
use crate::report::fairness::FairnessReport;
use crate::report::nodes::NodesReport;
use crate::report::pools::{PoolReport, PoolsReport};
use crate::report::queue::{QueueReport, ROWS_DEFAULT};
use crate::report::quotas::QuotasReport;
use crate::report::requests::{RequestReport, RequestsReport, StageName};
use crate::report::reservations::ReservationsReport;
use crate::report::status::StatusReport;
use axum::Json;
use axum::extract::{Extension, State};
use conclave_core::units::{Offset, PoolId, RequestId, TenantId};
use serde::Deserialize;

/// Rows of one answer.
const ROWS_MAX: usize = 10_000;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct At {
    pub(super) at: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whole {
    at: Option<i64>,
    partition: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rows {
    at: Option<i64>,
    limit: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StageRows {
    at: Option<i64>,
    limit: Option<usize>,
    stage: Option<StageName>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfTenant {
    at: Option<i64>,
    tenant: Option<String>,
}

fn rows(limit: Option<usize>) -> usize {
    limit.unwrap_or(ROWS_DEFAULT).clamp(1, ROWS_MAX)
}

fn pool_of(named: &str) -> Result<PoolId, Problem> {
    Ok(PoolId::from(read::name(named)?))
}

/// All partitions at a glance, or one of them.
#[utoipa::path(
    get, path = "/v1/status", tag = "state",
    params(
        ("at" = Option<i64>, Query, description = "right after this decision; else now"),
        ("partition" = Option<i64>, Query, description = "only this one")
    ),
    responses(
        (status = 200, body = StatusReport),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn status(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Asked(Whole { at, partition }): Asked<Whole>,
) -> Result<Json<StatusReport>, Problem> {
    let viewer = caller.viewer();
    let of =
        move |folded: &Folded| (StatusReport::of(&folded.state, folded.head, &viewer), folded.head);
    let mut report = StatusReport::sum(app.ask_states(partition, at, of).await?);
    if at.is_none() {
        let is_meant = |part: &Part| partition.is_none_or(|it| it == part.service().partition());
        let parts = app.parts().into_iter().filter(is_meant);
        report.awaiting = parts.filter_map(|part| part.service().awaiting()).collect();
    }
    if !report.councils.is_empty() {
        let seat = app.partitions()[0].seat();
        report.name_members(|model| seat.labels_at_once(model));
    }
    Ok(Json(report))
}

/// All pools, or those of one partition.
#[utoipa::path(
    get, path = "/v1/pools", tag = "state",
    params(
        ("at" = Option<i64>, Query),
        ("partition" = Option<i64>, Query, description = "only this one's")
    ),
    responses(
        (status = 200, body = PoolsReport),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn pools(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Asked(Whole { at, partition }): Asked<Whole>,
) -> Result<Json<PoolsReport>, Problem> {
    let viewer = caller.viewer();
    let of = move |folded: &Folded| PoolsReport::of(&folded.state, &viewer);
    Ok(Json(PoolsReport::sum(app.ask_states(partition, at, of).await?)))
}

macro_rules! reports {
    ($(
        #[doc = $doc:literal]
        $name:ident, $path:literal, $report:ident, ($($parameter:tt)*),
        |$folded:ident, $viewer:ident, $pool:ident; $asked:ident: $query:ident|
        $body:expr;
    )*) => {$(
        #[doc = $doc]
        #[utoipa::path(
            get, path = $path, tag = "state",
            params($($parameter)*),
            responses(
                (status = 200, body = $report),
                (status = 404, body = Problem, content_type = "application/problem+json")
            )
        )]
        pub(super) async fn $name(
            State(app): State<App>,
            Extension(caller): Extension<Caller>,
            Named($pool): Named<String>,
            Asked($asked): Asked<$query>,
        ) -> Result<Json<$report>, Problem> {
            let $pool = pool_of(&$pool)?;
            let ($viewer, part) = (caller.viewer(), app.home(&$pool));
            let at = $asked.at.map(Offset);
            let report = part.ask_state(at, move |$folded| $body).await?;
            Ok(Json(report))
        }
    )*};
}

reports! {
    /// One pool, with its policy.
    pool, "/v1/pools/{pool}", PoolReport,
    (("pool" = String, Path), ("at" = Option<i64>, Query)),
    |folded, viewer, pool; asked: At| PoolReport::of(&folded.state, &pool, &viewer);

    /// A pool's nodes and what is left of them.
    nodes, "/v1/pools/{pool}/nodes", NodesReport,
    (("pool" = String, Path), ("at" = Option<i64>, Query)),
    |folded, viewer, pool; asked: At| NodesReport::of(&folded.state, &pool, &viewer);

    /// Who may use how much of a pool, and does.
    quotas, "/v1/pools/{pool}/quotas", QuotasReport,
    (("pool" = String, Path), ("at" = Option<i64>, Query)),
    |folded, viewer, pool; asked: At| QuotasReport::of(&folded.state, &pool, &viewer);

    /// Who has used how much of a pool for its weight, and who stands above and below its part.
    fairness, "/v1/pools/{pool}/fairness", FairnessReport,
    (("pool" = String, Path), ("at" = Option<i64>, Query)),
    |folded, viewer, pool; asked: At| FairnessReport::of(&folded.state, &pool, &viewer);

    /// What is left of tenants' GPU-hour budgets in the current window, and what their GPUs cost.
    budgets, "/v1/pools/{pool}/budgets", BudgetsReport,
    (
        ("pool" = String, Path),
        ("tenant" = Option<String>, Query, description = "only this one's"),
        ("at" = Option<i64>, Query)
    ),
    |folded, viewer, pool; asked: OfTenant| {
        let tenant = asked.tenant.as_deref().map(TenantId::from);
        BudgetsReport::of(&folded.state, &pool, tenant.as_ref(), &viewer)
    };

    /// What of a pool is kept free for whom, and when.
    reservations, "/v1/pools/{pool}/reservations", ReservationsReport,
    (("pool" = String, Path), ("at" = Option<i64>, Query)),
    |folded, viewer, pool; asked: At| ReservationsReport::of(&folded.state, &pool, &viewer);

    /// Live requests of a pool.
    requests, "/v1/pools/{pool}/requests", RequestsReport,
    (
        ("pool" = String, Path),
        ("stage" = Option<String>, Query, description = "waiting, deferred or running"),
        ("limit" = Option<usize>, Query), ("at" = Option<i64>, Query)
    ),
    |folded, viewer, pool; asked: StageRows| {
        RequestsReport::of(&folded.state, &pool, &viewer, asked.stage, rows(asked.limit))
    };
}

/// Who waits in a pool, in order, and for what; and how long such requests waited lately.
#[utoipa::path(
    get, path = "/v1/pools/{pool}/queue", tag = "state",
    params(
        ("pool" = String, Path), ("limit" = Option<usize>, Query), ("at" = Option<i64>, Query)
    ),
    responses(
        (status = 200, body = QueueReport),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn queue(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Named(pool): Named<String>,
    Asked(asked): Asked<Rows>,
) -> Result<Json<QueueReport>, Problem> {
    let pool = pool_of(&pool)?;
    let (viewer, part) = (caller.viewer(), app.home(&pool));
    let report = part.ask_with_estimates(asked.at.map(Offset), move |folded, estimates| {
        let report = QueueReport::of(&folded.state, &pool, &viewer, rows(asked.limit))?;
        Ok(report.estimated(estimates, &pool))
    });
    Ok(Json(report.await?))
}

/// One live request: where it runs, or what keeps it from running.
#[utoipa::path(
    get, path = "/v1/pools/{pool}/requests/{request}", tag = "state",
    params(("pool" = String, Path), ("request" = String, Path), ("at" = Option<i64>, Query)),
    responses(
        (status = 200, body = RequestReport),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn request(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Named((pool, request)): Named<(String, String)>,
    Asked(asked): Asked<At>,
) -> Result<Json<RequestReport>, Problem> {
    let (pool, id) = (pool_of(&pool)?, RequestId::from(read::name(&request)?));
    let viewer = caller.viewer();
    let found = app
        .home(&pool)
        .ask_state(asked.at.map(Offset), move |folded| {
            RequestReport::of(&folded.state, &pool, &id, &viewer)
        })
        .await?;
    found.map(Json).ok_or_else(|| {
        Problem::not_found(format!(
            "no live request '{request}' of yours: what became of an ended one says …/explain"
        ))
    })
}
