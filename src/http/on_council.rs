//! Gauges of the councils in the seats: how each member stands, by its number. A partition where
//! the rules sit has none.

use super::app::App;
use crate::fold::Folded;
use crate::telemetry::names;
use conclave_core::council::factor::Factor;
use conclave_core::state::Standing;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;

/// How members stand, as of now.
#[derive(Debug)]
pub(super) struct OnCouncil(pub(super) App);

/// One member of one partition's council.
struct Seen {
    labels: Vec<(&'static str, String)>,
    quarantined: f64,
    weight: f64,
}

/// What a gauge shows of a member.
type Value = fn(&Seen) -> f64;

impl Collector for OnCouncil {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let parts = self.0.parts();
        let is_one = parts.len() == 1;
        let seen: Vec<Seen> = parts
            .iter()
            .flat_map(|part| {
                let partition = (!is_one).then(|| part.service().partition());
                part.service().view_now().read(|folded| Seen::all(folded, partition))
            })
            .collect();
        let gauges: [(&str, Value); 2] = [
            (names::MEMBER_QUARANTINED, |seen| seen.quarantined),
            (names::MEMBER_WEIGHT, |seen| seen.weight),
        ];
        for (name, value) in gauges {
            let mut family =
                to.encode_descriptor(name, names::doc(name), None, MetricType::Gauge)?;
            for one in &seen {
                let gauge = ConstGauge::new(value(one));
                gauge.encode(family.encode_family(&one.labels.as_slice())?)?;
            }
        }
        Ok(())
    }
}

impl Seen {
    fn all(folded: &Folded, partition: Option<i64>) -> Vec<Self> {
        if folded.state.council.is_none() {
            return vec![];
        }
        let seen = |(member, standing): (i64, &Standing)| {
            let partition = partition.map(|number| (names::BY_PARTITION, number.to_string()));
            let member = (names::MEMBER, member.to_string());
            Self {
                labels: [member].into_iter().chain(partition).collect(),
                quarantined: f64::from(u8::from(standing.quarantined.is_some())),
                weight: ratio(standing.factor),
            }
        };
        (1..).zip(&folded.state.bench.members).map(seen).collect()
    }
}

/// A factor has 17 bits, so nothing is lost.
fn ratio(Factor(factor): Factor) -> f64 {
    factor as f64 / Factor::ONE.0 as f64
}
