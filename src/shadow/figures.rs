//! What a shadow counts, for Prometheus.

use super::sums::{Pairs, Sums, Verdicts};
use crate::error::{Error, Result};
use crate::telemetry::names;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What a shadow counts over all its partitions. Copies share their numbers.
#[derive(Clone, Debug)]
pub struct Figures {
    votes: Family<Both, Counter>,
    lag: Gauge,
    reading: Gauge,
}

/// Two verdicts on the same request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Both {
    verdicts: &'static str,
}

impl Default for Figures {
    fn default() -> Self {
        let (lag, reading) = (Gauge::default(), Gauge::default());
        let figures = Self { votes: Family::default(), lag, reading };
        // A first vote that appears from nowhere is invisible to a rate.
        figures.raise_to(Pairs::default());
        figures
    }
}

impl Figures {
    /// Counts what `sums` holds, how far behind the shadow is, and whether its log could be read.
    pub fn note(&self, sums: &Sums, lag: u64, is_reading: bool) {
        self.raise_to(sums.pairs());
        self.lag.set(i64::try_from(lag).unwrap_or(i64::MAX));
        self.reading.set(i64::from(is_reading));
    }

    fn raise_to(&self, Pairs { approve, deny, defer }: Pairs) {
        self.raise_row(["approve_approve", "approve_deny", "approve_defer"], approve);
        self.raise_row(["deny_approve", "deny_deny", "deny_defer"], deny);
        self.raise_row(["defer_approve", "defer_deny", "defer_defer"], defer);
    }

    /// Counters only grow.
    fn raise_row(&self, labels: [&'static str; 3], Verdicts { approve, deny, defer }: Verdicts) {
        for (verdicts, value) in labels.into_iter().zip([approve, deny, defer]) {
            let counter = self.votes.get_or_create(&Both { verdicts });
            counter.inc_by(value.saturating_sub(counter.get()));
        }
    }

    /// Everything in the text format of `OpenMetrics`.
    ///
    /// # Errors
    /// `Bug`: numbers can be written.
    pub fn text(&self) -> Result<String> {
        let mut registry = Registry::default();
        let votes = names::SHADOW_VOTES;
        let bare = votes.trim_end_matches("_total");
        registry.register(bare, names::doc(votes), self.votes.clone());
        let (lag, reading) = (names::SHADOW_LAG_RECORDS, names::SHADOW_READING);
        registry.register(lag, names::doc(lag), self.lag.clone());
        registry.register(reading, names::doc(reading), self.reading.clone());
        let mut text = String::new();
        encode(&mut text, &registry)
            .map_err(|error| Error::bug("metrics cannot be written").caused_by(error))?;
        Ok(text)
    }
}
