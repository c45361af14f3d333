//! Whether the service lives, whether it is ready, and what it counted.

use super::app::App;
use super::caller::Caller;
use super::on_council::OnCouncil;
use super::on_engines::OnEngines;
use super::on_kafka::OnKafka;
use super::parts::Part;
use super::problem::Problem;
use crate::service::{Contact, Figures, Service, Standing};
use crate::telemetry::counters::Sample;
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
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// Undecided commands may be this old before the service is not ready any more.
const FLOW_PATIENCE: Duration = Duration::from_secs(5);
/// How brokers stand that do not answer.
const AWAY: &str = "away";
/// Decisions that the view may lag behind before it is called degraded.
const VIEW_LAG_MAX: i64 = 10_000;

/// Whether decisions flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether commands are accepted and decided; while the brokers are away, whether they are
    /// accepted.
    pub ready: bool,
    /// How each part stands.
    pub parts: Vec<PartReadiness>,
}

/// How one part stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartReadiness {
    /// `deciding` or `view`; of several partitions `deciding[0]` and so on. On Kafka `brokers` and
    /// `outbox`, too.
    pub part: String,
    /// `ok` or `degraded`; of the brokers also `away`, of the outbox `full`.
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
    let parts = app.parts();
    let is_one = parts.len() == 1;
    let mut readiness = Readiness { ready: true, parts: vec![] };
    for part in &parts {
        let service = part.service();
        let name = |what: &str| match is_one {
            true => what.to_owned(),
            false => format!("{what}[{}]", service.partition()),
        };
        let trouble = trouble(service);
        readiness.ready &= trouble.is_none();
        readiness.parts.push(PartReadiness::of(&name("deciding"), trouble));
        let lag = service.view_lag();
        let view = (lag > VIEW_LAG_MAX)
            .then(|| format!("answers to questions are {lag} decisions old; deciding goes on"));
        readiness.parts.push(PartReadiness::of(&name("view"), view));
    }
    // All partitions share one outbox, and whoever asks the brokers tells all of them.
    if let Some(first) = parts.first() {
        readiness.parts.extend(brokers(first.service()));
        let outbox = outbox(first.service());
        readiness.ready &= outbox.as_ref().is_none_or(|part| part.state == "ok");
        readiness.parts.extend(outbox);
    }
    readiness
}

/// When the brokers were last heard of; none of a log of this machine's own.
fn brokers(service: &Service) -> Option<PartReadiness> {
    let contact = service.contact();
    let (state, detail) = match contact {
        Contact::Own => return None,
        contact if contact.is_away() => (
            AWAY,
            format!(
                "{}: commands are kept and decided later, answers to questions are as old as \
                 that; see docs/runbooks/kafka-away.md",
                contact.in_words()
            ),
        ),
        _ => ("ok", String::new()),
    };
    Some(PartReadiness { part: "brokers".to_owned(), state: state.to_owned(), detail })
}

/// How full the outbox is; none where there is none.
fn outbox(service: &Service) -> Option<PartReadiness> {
    let level = service.outbox()?;
    let (commands, most) = (level.commands(), level.commands_max());
    let state = if level.is_full() { "full" } else { "ok" };
    let detail = match commands {
        0 => String::new(),
        _ => format!("{commands} of {most} commands wait for the brokers"),
    };
    Some(PartReadiness { part: "outbox".to_owned(), state: state.to_owned(), detail })
}

/// Whether decisions flow: commands that are only kept do not make them.
fn flows(readiness: &Readiness) -> bool {
    readiness.ready && readiness.parts.iter().all(|part| part.state != AWAY)
}

/// What keeps a partition from accepting and deciding.
fn trouble(service: &Service) -> Option<String> {
    // Nobody decides while the brokers are away, which the part `brokers` says.
    let is_away = service.contact().is_away();
    let is_flowing = is_away || service.owing().is_none_or(|owing| owing < FLOW_PATIENCE);
    match service.standing() {
        Standing::Deciding if is_flowing => None,
        Standing::Deciding => Some(match service.awaiting() {
            Some(awaiting) => awaiting.sentence(),
            None => format!(
                "{} commands wait and none was decided for {} s: see docs/runbooks/not-ready.md",
                service.lag(),
                FLOW_PATIENCE.as_secs()
            ),
        }),
        Standing::Away(_) if is_away => None,
        Standing::Away(why) => Some(format!("the log cannot be written: {why}")),
        Standing::Stopped(why) => Some(format!("deciding has stopped: {why}")),
        Standing::Closing => Some("the service is going down".to_owned()),
    }
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
    // The group may be about to move a partition just now, which is waited for.
    let text = tokio::task::spawn_blocking(move || metrics_text(&app)).await;
    let text = text.map_err(|_| Problem::internal("metrics broke an invariant"))?;
    let text = text.map_err(|_| Problem::internal("metrics could not be written"))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn metrics_text(app: &App) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    let http = app.figures();
    let doc = |text: &str| names::doc(text);
    let bare = |text: &'static str| text.trim_end_matches("_total");
    registry.register(bare(names::HTTP_REQUESTS), doc(names::HTTP_REQUESTS), http.requests.clone());
    registry.register(names::HTTP_DURATION, doc(names::HTTP_DURATION), http.durations.clone());
    registry.register(names::HTTP_IN_FLIGHT, doc(names::HTTP_IN_FLIGHT), http.in_flight.clone());
    registry.register(names::STREAMS, doc(names::STREAMS), http.streams.clone());
    registry.register_collector(Box::new(Decided(app.clone())));
    registry.register_collector(Box::new(OnCouncil(app.clone())));
    let engines = app.partitions()[0].engines();
    registry.register_collector(Box::new(OnEngines(Arc::clone(engines.figures()))));
    if let Some(gauges) = app.on_kafka() {
        registry.register_collector(Box::new(OnKafka(gauges.figures())));
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// What was counted of every partition, as of now. When there are several, each series names its
/// own.
#[derive(Debug)]
struct Decided(App);

/// One partition's figures, and the label that tells them from another's.
struct Counted {
    part: Part,
    label: Option<(&'static str, String)>,
    figures: Figures,
}

type Label<'a> = (&'static str, &'a str);

impl Counted {
    fn all(app: &App) -> Vec<Self> {
        let parts = app.parts();
        let is_one = parts.len() == 1;
        let counted = |part: Part| {
            let number = part.service().partition().to_string();
            let label = (!is_one).then_some((names::BY_PARTITION, number));
            let figures = part.service().figures();
            Self { part, label, figures }
        };
        parts.into_iter().map(counted).collect()
    }

    fn samples(&self) -> impl Iterator<Item = Sample> + use<> {
        self.figures.counters.samples().into_iter()
    }

    /// A series' own label, and the partition's.
    fn labels<'a>(&'a self, own: Option<Label<'a>>) -> Vec<Label<'a>> {
        let partition = self.label.as_ref().map(|(name, number)| (*name, number.as_str()));
        own.into_iter().chain(partition).collect()
    }
}

impl Collector for Decided {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counted = Counted::all(&self.0);
        encode_counters(&mut to, &counted)?;
        encode_gauge(&mut to, names::LAG_RECORDS, &counted, Service::lag)?;
        encode_gauge(&mut to, names::VIEW_LAG_RECORDS, &counted, Service::view_lag)?;
        let ready = ConstGauge::new(i64::from(flows(&readiness(&self.0))));
        let doc = names::doc(names::READY);
        ready.encode(to.encode_descriptor(names::READY, doc, None, MetricType::Gauge)?)?;
        encode_gauge(&mut to, names::WAITING, &counted, waiting)?;
        encode_kept(&mut to, &self.0)?;
        encode_steps(&mut to, &counted)
    }
}

fn encode_gauge(
    to: &mut DescriptorEncoder<'_>,
    name: &'static str,
    counted: &[Counted],
    value: impl Fn(&Service) -> i64,
) -> Result<(), fmt::Error> {
    let mut gauge = to.encode_descriptor(name, names::doc(name), None, MetricType::Gauge)?;
    for one in counted {
        let now = ConstGauge::new(value(one.part.service()));
        match one.labels(None).as_slice() {
            [] => return now.encode(gauge),
            labels => now.encode(gauge.encode_family(&labels)?)?,
        }
    }
    Ok(())
}

/// What all partitions of a log on Kafka share.
fn encode_kept(to: &mut DescriptorEncoder<'_>, app: &App) -> Result<(), fmt::Error> {
    let service = &app.partitions()[0];
    if let Some(level) = service.outbox() {
        let held = ConstGauge::new(i64::try_from(level.commands()).unwrap_or(i64::MAX));
        let (name, doc) = (names::OUTBOX, names::doc(names::OUTBOX));
        held.encode(to.encode_descriptor(name, doc, None, MetricType::Gauge)?)?;
    }
    Ok(())
}

fn encode_counters(to: &mut DescriptorEncoder<'_>, counted: &[Counted]) -> Result<(), fmt::Error> {
    let of_one = |one| Counted::samples(one).map(move |sample| (sample, one));
    let mut samples: Vec<(Sample, &Counted)> = counted.iter().flat_map(of_one).collect();
    samples.sort_by_key(|(sample, _)| sample.name);
    for series in samples.chunk_by(|(one, _), (other, _)| one.name == other.name) {
        let name = series[0].0.name;
        let bare = name.trim_end_matches("_total");
        let mut family = to.encode_descriptor(bare, names::doc(name), None, MetricType::Counter)?;
        for (sample, one) in series {
            let counter = ConstCounter::new(sample.value);
            // A series without a label is a family of one.
            counter.encode(family.encode_family(&one.labels(sample.label))?)?;
        }
    }
    Ok(())
}

/// Requests that wait for capacity, in all pools.
fn waiting(service: &Service) -> i64 {
    let pools = |folded: &crate::fold::Folded| {
        folded.state.pools.values().map(|pool| pool.queue.len()).sum()
    };
    service.view_now().read(pools)
}

fn encode_steps(to: &mut DescriptorEncoder<'_>, counted: &[Counted]) -> Result<(), fmt::Error> {
    let name = names::STEP_DURATION;
    let mut family = to.encode_descriptor(name, names::doc(name), None, Steps::TYPE)?;
    for one in counted {
        let latencies = &one.figures.latencies;
        for &step in Step::ALL {
            let labels = one.labels(Some((names::STEP, step.as_str())));
            Steps { latencies, step }.encode(family.encode_family(&labels)?)?;
        }
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
