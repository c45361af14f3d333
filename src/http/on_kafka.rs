//! The metrics of a service on Kafka. Each series of a partition names it, even when there is one:
//! dashboards and alerts ask by that label.

use crate::log::kafka::COMMIT_BUCKETS_S;
use crate::log::kafka::TransactionFigures;
use crate::service::kafka::{KafkaFigures, Lag, Membership, PartitionFigures};
use crate::telemetry::names;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use std::fmt;

/// The figures of one moment.
#[derive(Debug)]
pub(super) struct OnKafka(pub(super) KafkaFigures);

/// What a gauge shows of a partition; none leaves it out: what nobody knows is not 0.
type Shown = fn(&PartitionFigures) -> Option<f64>;

const GAUGES: [(&str, Shown); 7] = [
    (names::KAFKA_LAG_RECORDS, |one| one.lag.map(|lag| float(lag.records))),
    (names::KAFKA_LAG, |one| one.lag.map(|Lag { age, .. }| age.as_secs_f64())),
    (names::KAFKA_COVERAGE_GAP, |one| one.coverage_gap.map(float)),
    (names::KAFKA_UNCOMMITTED, |one| one.is_uncommitted.map(one_or_zero)),
    (names::KAFKA_OPEN_RECORDS, |one| one.open_records.map(float)),
    (names::KAFKA_OWNED, |one| Some(one_or_zero(one.is_owned))),
    (names::KAFKA_PENDING, |one| Some(one_or_zero(one.is_pending))),
];

/// What a counter counts of a partition.
type Counted = fn(&TransactionFigures) -> u64;

const COUNTERS: [(&str, Counted); 4] = [
    (names::KAFKA_COMMITS, |counts| counts.commits),
    (names::KAFKA_ABORTS, |counts| counts.aborts),
    (names::KAFKA_UNKNOWN_ENDS, |counts| counts.unknown),
    (names::KAFKA_RECYCLED, |counts| counts.recycled),
];

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floats")]
fn float(count: i64) -> f64 {
    count as f64
}

fn one_or_zero(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

impl OnKafka {
    fn encode_partitions(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for (name, shown) in GAUGES {
            let known = self.0.partitions.iter().filter_map(|one| Some((one, shown(one)?)));
            family(
                to,
                name,
                MetricType::Gauge,
                known.map(|(one, now)| (one, ConstGauge::new(now))),
            )?;
        }
        for (name, count) in COUNTERS {
            let counted = self.0.partitions.iter().map(|one| (one, count(&one.transactions)));
            let counted = counted.map(|(one, count)| (one, ConstCounter::new(count)));
            family(to, name, MetricType::Counter, counted)?;
        }
        let commits = self.0.partitions.iter().map(|one| (one, Commits(&one.transactions)));
        family(to, names::KAFKA_COMMIT, MetricType::Histogram, commits)
    }

    fn encode_instance(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Self(figures) = self;
        let rebalances = ConstCounter::new(figures.rebalances);
        rebalances.encode(descriptor(to, names::KAFKA_REBALANCES, MetricType::Counter)?)?;
        let age = figures.rebalance_age.map(|age| age.as_secs_f64());
        encode_gauge(to, names::KAFKA_REBALANCE_AGE, age)?;
        let age = figures.contact_age.as_secs_f64();
        encode_gauge(to, names::KAFKA_CONTACT_AGE, Some(age))?;
        let mut states = descriptor(to, names::KAFKA_MEMBERSHIP, MetricType::Gauge)?;
        for state in Membership::ALL {
            let now = ConstGauge::new(one_or_zero(figures.membership == state));
            now.encode(states.encode_family(&[(names::STATE, state.as_str())])?)?;
        }
        Ok(())
    }
}

impl Collector for OnKafka {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_partitions(&mut to)?;
        self.encode_instance(&mut to)
    }
}

fn descriptor<'a>(
    to: &'a mut DescriptorEncoder<'_>,
    name: &'static str,
    kind: MetricType,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    // The encoder adds the end of a counter's name itself.
    let bare = name.trim_end_matches("_total");
    to.encode_descriptor(bare, names::doc(name), None, kind)
}

fn encode_gauge(
    to: &mut DescriptorEncoder<'_>,
    name: &'static str,
    now: Option<f64>,
) -> fmt::Result {
    let gauge = descriptor(to, name, MetricType::Gauge)?;
    now.map_or(Ok(()), |now| ConstGauge::new(now).encode(gauge))
}

fn family<'f, M: EncodeMetric>(
    to: &mut DescriptorEncoder<'_>,
    name: &'static str,
    kind: MetricType,
    series: impl Iterator<Item = (&'f PartitionFigures, M)>,
) -> fmt::Result {
    let mut family = descriptor(to, name, kind)?;
    for (one, metric) in series {
        let number = one.partition.to_string();
        metric.encode(family.encode_family(&[(names::BY_PARTITION, number.as_str())])?)?;
    }
    Ok(())
}

/// How long commits took, in Prometheus' form.
struct Commits<'a>(&'a TransactionFigures);

impl TypedMetric for Commits<'_> {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Commits<'_> {
    fn encode(&self, mut to: MetricEncoder<'_>) -> fmt::Result {
        let Self(figures) = self;
        let bounds = COMMIT_BUCKETS_S.into_iter();
        let buckets: Vec<_> = bounds.zip(figures.commit_buckets).collect();
        // As many as the buckets hold: a commit may be counted meanwhile.
        let count = figures.commit_buckets.iter().sum();
        let sum = figures.commit_time.as_secs_f64();
        to.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::names::{Kind, TABLE};
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;
    use std::collections::BTreeSet;
    use std::time::Duration;

    fn shown(figures: KafkaFigures) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register_collector(Box::new(OnKafka(figures)));
        encode(&mut text, &registry).expect("text grows");
        text
    }

    fn figures() -> KafkaFigures {
        let transactions = TransactionFigures {
            commits: 2,
            commit_time: Duration::from_millis(5),
            commit_buckets: std::array::from_fn(|bucket| u64::from(bucket < 2)),
            ..TransactionFigures::default()
        };
        let one = PartitionFigures {
            partition: 3,
            lag: Some(Lag { records: 7, age: Duration::from_millis(1_250) }),
            coverage_gap: Some(0),
            is_uncommitted: Some(true),
            open_records: Some(2),
            is_owned: true,
            is_pending: false,
            transactions,
        };
        KafkaFigures {
            partitions: vec![one],
            membership: Membership::Steady,
            rebalances: 4,
            rebalance_age: Some(Duration::from_secs(9)),
            contact_age: Duration::from_millis(300),
        }
    }

    #[test]
    fn every_metric_of_the_service_on_kafka_is_shown_by_partition() {
        let text = shown(figures());
        for line in [
            "conclave_kafka_lag_records_count{partition=\"3\"} 7.0",
            "conclave_kafka_lag_seconds{partition=\"3\"} 1.25",
            "conclave_kafka_commits_total{partition=\"3\"} 2",
            "conclave_kafka_commit_duration_seconds_bucket{le=\"0.002\",partition=\"3\"} 2",
            "conclave_kafka_commit_duration_seconds_count{partition=\"3\"} 2",
            "conclave_kafka_membership_count{state=\"steady\"} 1.0",
            "conclave_kafka_membership_count{state=\"away\"} 0.0",
            "conclave_kafka_rebalances_total 4",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
        let told = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let told: BTreeSet<_> = told.filter_map(|line| line.split(' ').next()).collect();
        let is_ours = |text: &str| text.starts_with("conclave_kafka_");
        let of_table = TABLE.iter().filter(|name| name.kind != Kind::Label && is_ours(name.text));
        let named: BTreeSet<_> =
            of_table.map(|name| name.text.trim_end_matches("_total")).collect();
        assert_eq!(told, named);
    }

    #[test]
    fn what_nobody_knows_is_not_shown_as_nothing() {
        let mut unknown = figures();
        (unknown.partitions[0].lag, unknown.rebalance_age) = (None, None);
        let text = shown(unknown);
        for name in [names::KAFKA_LAG, names::KAFKA_REBALANCE_AGE] {
            let series = text.lines().filter(|line| line.starts_with(name));
            assert_eq!(series.count(), 0, "{name} in\n{text}");
        }
    }
}
