//! What a validator counts, for Prometheus.

use super::feed::Feed;
use super::rule::Rule;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::telemetry::names;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What a validator counts over all its partitions. Copies share their numbers.
#[derive(Clone, Debug)]
pub struct Figures {
    findings: Family<Broken, Counter>,
    decisions: Counter,
    lag: Gauge,
    reading: Gauge,
}

/// The rule that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Broken {
    rule: &'static str,
}

impl Default for Figures {
    fn default() -> Self {
        let figures = Self {
            findings: Family::default(),
            decisions: Counter::default(),
            lag: Gauge::default(),
            reading: Gauge::default(),
        };
        // A first finding that appears from nowhere is invisible to a rate.
        for rule in Rule::ALL {
            drop(figures.findings.get_or_create(&Broken { rule: rule.as_str() }));
        }
        figures
    }
}

impl Figures {
    /// Counts what all of `watches` have seen so far, and whether their log could be read.
    pub fn note<'w, F: Feed + 'w>(
        &self,
        watches: impl Iterator<Item = &'w Watch<F>> + Clone,
        is_reading: bool,
    ) {
        for rule in Rule::ALL {
            let found = watches.clone().map(|watch| watch.validator().count(*rule)).sum();
            raise(&self.findings.get_or_create(&Broken { rule: rule.as_str() }), found);
        }
        raise(
            &self.decisions,
            watches.clone().map(|watch| watch.validator().decision_count()).sum(),
        );
        let lag = watches.map(Watch::lag).sum::<u64>();
        self.lag.set(i64::try_from(lag).unwrap_or(i64::MAX));
        self.reading.set(i64::from(is_reading));
    }

    /// Everything in the text format of `OpenMetrics`.
    ///
    /// # Errors
    /// `Bug`: numbers can be written.
    pub fn text(&self) -> Result<String> {
        let mut registry = Registry::default();
        let bare = |text: &'static str| text.trim_end_matches("_total");
        let (findings, decisions) = (names::VALIDATOR_FINDINGS, names::VALIDATOR_DECISIONS);
        registry.register(bare(findings), names::doc(findings), self.findings.clone());
        registry.register(bare(decisions), names::doc(decisions), self.decisions.clone());
        let (lag, reading) = (names::VALIDATOR_LAG_RECORDS, names::VALIDATOR_READING);
        registry.register(lag, names::doc(lag), self.lag.clone());
        registry.register(reading, names::doc(reading), self.reading.clone());
        let mut text = String::new();
        encode(&mut text, &registry)
            .map_err(|error| Error::bug("metrics cannot be written").caused_by(error))?;
        Ok(text)
    }
}

/// Raises a counter to `value`, which only grows.
fn raise(counter: &Counter, value: u64) {
    counter.inc_by(value.saturating_sub(counter.get()));
}
