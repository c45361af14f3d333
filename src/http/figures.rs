//! What the HTTP server counts of itself.

use axum::http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use std::time::Duration;

/// Bounds of the duration's buckets, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Labels of one kind of request: bounded, since a route is one of the table's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RouteStatus {
    route: String,
    status: u16,
}

/// A route alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Route {
    route: String,
}

/// What the HTTP server counts of itself.
#[derive(Clone, Debug)]
pub(super) struct HttpFigures {
    pub(super) requests: Family<RouteStatus, Counter>,
    pub(super) durations: Family<Route, Histogram, fn() -> Histogram>,
    pub(super) in_flight: Gauge,
    pub(super) streams: Gauge,
}

impl Default for HttpFigures {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_flight: Gauge::default(),
            streams: Gauge::default(),
        }
    }
}

/// Counts as long as it lives, also when its request is dropped halfway.
#[derive(Debug)]
pub(super) struct Present(Gauge);

impl Present {
    fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl HttpFigures {
    /// One more request that is being answered.
    pub(super) fn enter(&self) -> Present {
        Present::of(&self.in_flight)
    }

    /// One more follower of the stream.
    pub(super) fn enter_stream(&self) -> Present {
        Present::of(&self.streams)
    }

    /// One more request that was answered.
    pub(super) fn note(&self, route: &str, status: StatusCode, elapsed: Duration) {
        let route = route.to_owned();
        let labels = RouteStatus { route: route.clone(), status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&Route { route }).observe(elapsed.as_secs_f64());
    }
}
