//! What is counted of the machines that compute votes, in Prometheus' form.

use crate::council::EngineKind;
use crate::council::engine::Figures;
use crate::resilience::BreakerState;
use crate::telemetry::names;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;
use std::sync::Arc;

/// States of a breaker that nobody forces, as metrics spell them.
const BREAKER_STATES: [(BreakerState, &str); 3] = [
    (BreakerState::Closed, "closed"),
    (BreakerState::Open, "open"),
    (BreakerState::HalfOpen, "half-open"),
];

/// The figures of a process' engines, as of now.
#[derive(Debug)]
pub(super) struct OnEngines(pub(super) Arc<Figures>);

impl Collector for OnEngines {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let (to, Self(figures)) = (&mut to, self);
        let mut votes = descriptor(to, names::ENGINE_VOTES, MetricType::Counter)?;
        for engine in EngineKind::ALL {
            let count = ConstCounter::new(figures.votes(engine));
            count.encode(votes.encode_family(&[(names::ENGINE, engine.as_str())])?)?;
        }
        let mut ballots = descriptor(to, names::ENGINE_BALLOT, MetricType::Histogram)?;
        for engine in EngineKind::ALL {
            let labels = [(names::ENGINE, engine.as_str())];
            figures.ballots(engine).encode(ballots.encode_family(&labels)?)?;
        }
        let mut faults = descriptor(to, names::GPU_FAULTS, MetricType::Counter)?;
        for (class, count) in figures.faults() {
            let count = ConstCounter::new(count);
            count.encode(faults.encode_family(&[(names::CLASS, class)])?)?;
        }
        let counters = [
            (names::GPU_RECHECKS, figures.rechecks()),
            (names::GPU_MISMATCHES, figures.mismatches()),
        ];
        for (name, count) in counters {
            ConstCounter::new(count).encode(descriptor(to, name, MetricType::Counter)?)?;
        }
        let mut breaker = descriptor(to, names::GPU_BREAKER, MetricType::Gauge)?;
        // Where no GPU was ever wanted there is no breaker.
        let Some(now) = figures.breaker() else { return Ok(()) };
        for (state, name) in BREAKER_STATES {
            let is_it = ConstGauge::new(i64::from(state == now));
            is_it.encode(breaker.encode_family(&[(names::STATE, name)])?)?;
        }
        Ok(())
    }
}

fn descriptor<'a>(
    to: &'a mut DescriptorEncoder<'_>,
    name: &'static str,
    kind: MetricType,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    // The encoder adds the end of a counter's name itself.
    to.encode_descriptor(name.trim_end_matches("_total"), names::doc(name), None, kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::names::{Kind, Name, TABLE};
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    #[test]
    fn every_name_of_the_table_is_there_from_the_start() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(OnEngines(Arc::default())));
        let mut text = String::new();
        encode(&mut text, &registry).expect("text grows");
        let is_metric = |kind: Kind| matches!(kind, Kind::Counter | Kind::Gauge | Kind::Histogram);
        let is_ours = |name: &&Name| {
            ["conclave_engine_", "conclave_gpu_"].iter().any(|ours| name.text.starts_with(ours))
        };
        let ours = TABLE.iter().filter(is_ours);
        for name in ours.filter(|name| is_metric(name.kind)) {
            let family = name.text.trim_end_matches("_total");
            assert!(text.contains(&format!("# TYPE {family} ")), "{family}: {text}");
        }
        for series in [
            "conclave_engine_votes_total{engine=\"gpu\"} 0",
            "conclave_gpu_faults_total{class=\"corrupt\"} 0",
            "conclave_gpu_mismatches_total 0",
        ] {
            assert!(text.contains(series), "{series}: {text}");
        }
    }
}
