//! How long each step of a round takes: one histogram per step, of fixed size, for one writer.

use super::names;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

macro_rules! steps {
    ($($(#[$doc:meta])* $variant:ident, $text:literal, $span:ident;)*) => {
        /// One step of a round, or of a start.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Step {
            $($(#[$doc])* $variant,)*
        }

        impl Step {
            /// Every step, in the order of a round and then of a start.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The step as logs and metrics spell it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// The step as traces spell it.
            #[must_use]
            pub fn span(self) -> &'static str {
                match self { $(Self::$variant => names::$span),* }
            }
        }
    };
}

steps! {
    /// Accepting commands into the log, at the chosen durability.
    Accept, "accept", SPAN_ACCEPT;
    /// Reading commands, their schemas and their digests.
    Ingest, "ingest", SPAN_INGEST;
    /// The council's votes on a ballot.
    Vote, "vote", SPAN_VOTE;
    /// Answering the commands of a round, placement included.
    Decide, "decide", SPAN_DECIDE;
    /// Turning decisions into bytes and hashes.
    Encode, "encode", SPAN_ENCODE;
    /// Storing a round.
    Commit, "commit", SPAN_COMMIT;
    /// Writing a snapshot.
    Snapshot, "snapshot", SPAN_SNAPSHOT;
    /// Reading a snapshot back and folding the decisions after it.
    Fold, "fold", SPAN_FOLD;
}

/// Longest duration that is told apart from longer ones.
pub const LATENCY_MAX: Duration = Duration::from_secs(600);
/// Upper bounds of the buckets that Prometheus is given, in seconds.
pub const BUCKETS_S: &[f64] = &[
    0.000_01,
    0.000_1,
    0.000_5,
    0.001,
    0.005,
    0.01,
    0.05,
    0.1,
    0.5,
    1.0,
    5.0,
    30.0,
    f64::INFINITY,
];
/// Two digits: a figure is within 1 % of what was measured.
const SIGNIFICANT_DIGITS: u8 = 2;

/// Histograms of every step. About 35 KB each, whatever is recorded; no locks: each thread has its
/// own, and [`Latencies::add`] joins them.
#[derive(Clone, Debug)]
pub struct Latencies {
    steps: Vec<Histogram<u64>>,
    totals: Vec<Duration>,
}

/// What one step's histogram says, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LatencyRow {
    /// The step.
    pub step: &'static str,
    /// How often it was taken.
    pub count: u64,
    /// Half of them took at most this.
    pub p50_us: f64,
    /// 90 of 100 took at most this.
    pub p90_us: f64,
    /// 99 of 100 took at most this.
    pub p99_us: f64,
    /// The longest one.
    pub max_us: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        let most = nanoseconds(LATENCY_MAX);
        let histogram = Histogram::new_with_bounds(1, most, SIGNIFICANT_DIGITS)
            .expect("the bounds of a latency are in order and its digits are few");
        let count = Step::ALL.len();
        Self { steps: vec![histogram; count], totals: vec![Duration::ZERO; count] }
    }
}

impl Latencies {
    /// Takes note of one more `step` that took `elapsed`; of more than [`LATENCY_MAX`] as of that.
    pub fn record(&mut self, step: Step, elapsed: Duration) {
        self.steps[step as usize].saturating_record(nanoseconds(elapsed));
        let total = &mut self.totals[step as usize];
        *total = total.saturating_add(elapsed);
    }

    /// How long all of `step` took together: its share of the whole.
    #[must_use]
    pub fn total(&self, step: Step) -> Duration {
        self.totals[step as usize]
    }

    /// How many of `step` took at most each of [`BUCKETS_S`] and longer than the one before, as
    /// Prometheus counts them, and how many there were.
    ///
    /// # Panics
    /// Never: the last bound is endless.
    #[must_use]
    pub fn buckets(&self, step: Step) -> (Vec<(f64, u64)>, u64) {
        let histogram = &self.steps[step as usize];
        let mut buckets: Vec<_> = BUCKETS_S.iter().map(|&bound| (bound, 0)).collect();
        for recorded in histogram.iter_recorded() {
            let seconds = Duration::from_nanos(recorded.value_iterated_to()).as_secs_f64();
            let into = buckets.iter_mut().find(|(bound, _)| seconds <= *bound);
            into.expect("the last bound is endless").1 += recorded.count_since_last_iteration();
        }
        (buckets, histogram.len())
    }

    /// Takes over what another thread recorded.
    ///
    /// # Panics
    /// Never: all histograms of latencies have the same bounds.
    pub fn add(&mut self, other: &Self) {
        for (ours, theirs) in self.steps.iter_mut().zip(&other.steps) {
            ours.add(theirs).expect("all histograms of latencies have the same bounds");
        }
        for (ours, theirs) in self.totals.iter_mut().zip(&other.totals) {
            *ours = ours.saturating_add(*theirs);
        }
    }

    /// One row per step that was taken at all.
    #[must_use]
    pub fn summary(&self) -> Vec<LatencyRow> {
        let taken = |(_, histogram): &(&Step, &Histogram<u64>)| !histogram.is_empty();
        Step::ALL.iter().zip(&self.steps).filter(taken).map(row).collect()
    }
}

fn row((step, histogram): (&Step, &Histogram<u64>)) -> LatencyRow {
    let at = |share| microseconds(histogram.value_at_quantile(share));
    LatencyRow {
        step: step.as_str(),
        count: histogram.len(),
        p50_us: at(0.50),
        p90_us: at(0.90),
        p99_us: at(0.99),
        max_us: microseconds(histogram.max()),
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Tenths are all that people read, and a step may take less than a microsecond.
fn microseconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds / 100 * 100).as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::names::{Kind, TABLE};

    #[test]
    fn a_summary_is_within_one_percent_of_what_was_recorded() {
        let mut latencies = Latencies::default();
        for micros in 1..=1_000 {
            latencies.record(Step::Commit, Duration::from_micros(micros));
        }
        let [row] = &latencies.summary()[..] else { panic!("only commits were recorded") };
        assert_eq!((row.step, row.count), ("commit", 1_000));
        let figures = [(row.p50_us, 500.0), (row.p90_us, 900.0), (row.p99_us, 990.0)];
        for (said, recorded) in figures.into_iter().chain([(row.max_us, 1_000.0)]) {
            assert!((said - recorded).abs() <= recorded / 100.0, "{said} instead of {recorded}");
        }
    }

    #[test]
    fn less_than_a_microsecond_and_more_than_the_longest_are_kept() {
        let mut latencies = Latencies::default();
        latencies.record(Step::Vote, Duration::from_nanos(300));
        latencies.record(Step::Fold, LATENCY_MAX * 1_000);
        latencies.record(Step::Fold, Duration::MAX);
        let rows = latencies.summary();
        assert_eq!((rows[0].step, rows[0].count), ("vote", 1));
        assert!((0.29..=0.31).contains(&rows[0].p50_us), "{}", rows[0].p50_us);
        assert_eq!((rows[1].step, rows[1].count), ("fold", 2));
        assert!(rows[1].max_us >= 600e6, "{}", rows[1].max_us);
    }

    #[test]
    fn what_two_threads_recorded_is_one_summary() {
        let (mut ours, mut theirs) = (Latencies::default(), Latencies::default());
        ours.record(Step::Decide, Duration::from_micros(1));
        theirs.record(Step::Decide, Duration::from_micros(3));
        theirs.record(Step::Encode, Duration::from_micros(3));
        ours.add(&theirs);
        let counts: Vec<_> = ours.summary().iter().map(|row| (row.step, row.count)).collect();
        assert_eq!(counts, [("decide", 2), ("encode", 1)]);
        assert_eq!(ours.total(Step::Decide), Duration::from_micros(4));
    }

    #[test]
    fn every_span_of_the_table_is_a_step() {
        let spans = TABLE.iter().filter(|name| name.kind == Kind::Span).map(|name| name.text);
        assert_eq!(
            spans.collect::<Vec<_>>(),
            Step::ALL.iter().map(|s| s.span()).collect::<Vec<_>>()
        );
    }
}
