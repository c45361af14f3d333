//! Whether the service lives, whether it is ready, and what it counted.

use super::app::App;
use super::caller::Caller;
use super::problem::Problem;
use crate::service::Standing;
use crate::telemetry::{Latencies, Step, names};
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use utoipa::ToSchema;

/// Undecided commands may be this old before the service is not ready any more.
const FLOW_PATIENCE: Duration = Duration::from_secs(5);
/// Decisions that the view may lag behind before it is called degraded.
const VIEW_LAG_MAX: i64 = 10_000;

/// Whether decisions flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether commands are accepted and decided.
    pub ready: bool,
    /// How each part stands.
    pub parts: Vec<PartReadiness>,
}

/// How one part stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartReadiness {
    /// `deciding` or `view`.
    pub part: String,
    /// `ok` or `degraded`.
    pub state: String,
    /// What is wrong, and what to do; empty when nothing is.
    pub detail: String,
}

impl PartReadiness {
    fn of(part: &str, trouble: Option<String>) -> Self {
        let state = if trouble.is_some() { "degraded" } else { "ok" };
        let detail = trouble.unwrap_or_default();
        Self { part: part.to_owned(), state: state.to_owned(), detail }
    }
}

/// Answers as long as the process does.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = String)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether decisions flow; names what is degraded.
#[utoipa::path(
    get, path = "/readyz", tag = "operation",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness))
)]
pub(super) async fn readyz(State(app): State<App>) -> Response {
    let readiness = readiness(&app);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

fn readiness(app: &App) -> Readiness {
    let service = app.service();
    let lag = lag(app);
    let is_flowing = service.owing().is_none_or(|owing| owing < FLOW_PATIENCE);
    let trouble = match service.standing() {
        Standing::Deciding if is_flowing => None,
        Standing::Deciding => Some(format!(
            "{lag} commands wait and none was decided for {} s: see docs/runbooks/not-ready.md",
            FLOW_PATIENCE.as_secs()
        )),
        Standing::Away(why) => Some(format!("the log cannot be written: {why}")),
        Standing::Stopped(why) => Some(format!("deciding has stopped: {why}")),
        Standing::Closing => Some("the service is going down".to_owned()),
    };
    let view_lag = service.view_lag();
    let view = (view_lag > VIEW_LAG_MAX)
        .then(|| format!("answers to questions are {view_lag} decisions old; deciding goes on"));
    Readiness {
        ready: trouble.is_none(),
        parts: vec![PartReadiness::of("deciding", trouble), PartReadiness::of("view", view)],
    }
}

/// Commands that are accepted and not decided.
fn lag(app: &App) -> i64 {
    let watched = app.service().log();
    crate::log::LogReader::ends(&watched)
        .map_or(0, |ends| ends.commands_next.0 - ends.decisions_next.0)
}

/// Metrics in the text format of `OpenMetrics`.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses((status = 200, body = String, content_type = "application/openmetrics-text"))
)]
pub(super) async fn metrics(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    caller.check_sees_all()?;
    let mut registry = Registry::default();
    let http = app.figures();
    let doc = |text: &str| names::doc(text);
    let bare = |text: &'static str| text.trim_end_matches("_total");
    registry.register(bare(names::HTTP_REQUESTS), doc(names::HTTP_REQUESTS), http.requests.clone());
    registry.register(names::HTTP_DURATION, doc(names::HTTP_DURATION), http.durations.clone());
    registry.register(names::HTTP_IN_FLIGHT, doc(names::HTTP_IN_FLIGHT), http.in_flight.clone());
    registry.register(names::STREAMS, doc(names::STREAMS), http.streams.clone());
    registry.register_collector(Box::new(Decided(app.clone())));
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|_| Problem::internal("metrics could not be written"))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// What the shell loop counted, as of now.
#[derive(Debug)]
struct Decided(App);

impl Collector for Decided {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let service = self.0.service();
        let figures = service.figures();
        let mut samples = figures.counters.samples();
        samples.sort_by_key(|sample| sample.name);
        for series in samples.chunk_by(|one, other| one.name == other.name) {
            let name = series[0].name;
            let bare = name.trim_end_matches("_total");
            let mut family =
                to.encode_descriptor(bare, names::doc(name), None, MetricType::Counter)?;
            for sample in series {
                let counter = ConstCounter::new(sample.value);
                // A series without a label is a family of one.
                let labels: Vec<_> = sample.label.into_iter().collect();
                counter.encode(family.encode_family(&labels)?)?;
            }
        }
        let is_ready = i64::from(readiness(&self.0).ready);
        let gauges = [
            (names::LAG_RECORDS, lag(&self.0)),
            (names::VIEW_LAG_RECORDS, service.view_lag()),
            (names::READY, is_ready),
            (names::WAITING, waiting(&self.0)),
        ];
        for (name, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(to.encode_descriptor(
                name,
                names::doc(name),
                None,
                MetricType::Gauge,
            )?)?;
        }
        encode_steps(&mut to, &figures.latencies)
    }
}

/// Requests that wait for capacity, in all pools.
fn waiting(app: &App) -> i64 {
    let pools = |folded: &crate::fold::Folded| {
        folded.state.pools.values().map(|pool| pool.queue.len()).sum()
    };
    app.service().view_now().read(pools)
}

fn encode_steps(to: &mut DescriptorEncoder<'_>, latencies: &Latencies) -> Result<(), fmt::Error> {
    let name = names::STEP_DURATION;
    let mut family = to.encode_descriptor(name, names::doc(name), None, Steps::TYPE)?;
    for &step in Step::ALL {
        let label = (names::STEP, step.as_str());
        Steps { latencies, step }.encode(family.encode_family(&[label])?)?;
    }
    Ok(())
}

/// One step's histogram in Prometheus' form.
struct Steps<'a> {
    latencies: &'a Latencies,
    step: Step,
}

impl TypedMetric for Steps<'_> {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Steps<'_> {
    fn encode(&self, mut to: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let (buckets, count) = self.latencies.buckets(self.step);
        let sum = self.latencies.total(self.step).as_secs_f64();
        to.encode_histogram::<prometheus_client::encoding::NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
