//! Every name that telemetry uses, once: metrics, spans, labels, log fields and record headers.
//! Whatever logs, counts, draws or alerts refers to the constants here.

/// One name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// As it is spelled.
    pub text: &'static str,
    /// What bears it.
    pub kind: Kind,
    /// What its value counts.
    pub unit: Unit,
    /// The one label of a metric that has one.
    pub label: Option<&'static str>,
    /// What it means, in a sentence.
    pub doc: &'static str,
}

/// What bears a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A metric that only grows.
    Counter,
    /// A metric that grows and shrinks.
    Gauge,
    /// A metric that is distributed over buckets.
    Histogram,
    /// A piece of a trace.
    Span,
    /// A label of a metric.
    Label,
    /// A field of a log line.
    Field,
    /// A header of a record.
    Header,
}

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// It is a text or an id and has no unit.
    Text,
    /// A position in a partition.
    Offset,
    /// How many.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds, as Prometheus wants them.
    Seconds,
    /// Microseconds.
    Microseconds,
    /// A part or a multiple of one.
    Ratio,
}

impl Unit {
    /// How the name of a value of this unit ends.
    #[must_use]
    pub fn suffix(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (_, Kind::Counter) => "_total",
            (Self::Text, _) => "",
            (Self::Offset, _) => "offset",
            (Self::Count, _) => "_count",
            (Self::Bytes, _) => "_bytes",
            (Self::Seconds, _) => "_seconds",
            (Self::Microseconds, _) => "_us",
            (Self::Ratio, _) => "_ratio",
        }
    }
}

macro_rules! names {
    ($(
        #[doc = $doc:literal]
        $constant:ident = $text:literal, $kind:ident $(by $label:ident)?, $unit:ident;
    )*) => {
        $(#[doc = $doc] pub const $constant: &str = $text;)*

        /// The table: every name, in reading order.
        pub const TABLE: &[Name] = &[$(Name {
            text: $text,
            kind: Kind::$kind,
            unit: Unit::$unit,
            label: names!(@label $($label)?),
            doc: $doc.trim_ascii(),
        }),*];
    };
    (@label) => { None };
    (@label $label:ident) => { Some($label) };
}

names! {
    /// Commands answered, by outcome: accepted, rejected, duplicate or failed.
    COMMANDS = "conclave_commands_total", Counter by OUTCOME, Count;
    /// Commands refused, by rejection code.
    REJECTIONS = "conclave_rejections_total", Counter by CODE, Count;
    /// Commands whose bytes went to the dead letters, by rejection code.
    DEAD_LETTERS = "conclave_dead_letters_total", Counter by CODE, Count;
    /// Rounds committed.
    ROUNDS = "conclave_rounds_total", Counter, Count;
    /// Rounds that were not stored and are cut anew.
    ROUNDS_ABORTED = "conclave_rounds_aborted_total", Counter, Count;
    /// Snapshots kept.
    SNAPSHOTS = "conclave_snapshots_total", Counter, Count;
    /// Snapshots found damaged at a start, which then used an older one.
    SNAPSHOTS_DAMAGED = "conclave_snapshots_damaged_total", Counter, Count;
    /// Decisions folded at a start, after the snapshot that it began with.
    DECISIONS_FOLDED = "conclave_decisions_folded_total", Counter, Count;
    /// Headers of records that could not be read and were ignored.
    HEADERS_MALFORMED = "conclave_headers_malformed_total", Counter, Count;
    /// Times that a member of the council in the seat was put into quarantine.
    QUARANTINES = "conclave_council_quarantines_total", Counter, Count;
    /// 1 for a member of the council in the seat that nobody listens to, otherwise 0.
    MEMBER_QUARANTINED = "conclave_council_member_quarantined_count", Gauge by MEMBER, Count;
    /// What outcomes multiply a member's weight with: 1 is what its file says.
    MEMBER_WEIGHT = "conclave_council_member_weight_ratio", Gauge by MEMBER, Ratio;
    /// Time that one step of a round took, by step.
    STEP_DURATION = "conclave_step_duration_seconds", Histogram by STEP, Seconds;

    /// Commands that the outbox keeps until the brokers have stored them.
    OUTBOX = "conclave_outbox_commands_count", Gauge, Count;

    /// Requests that the API answered, by route and status.
    HTTP_REQUESTS = "conclave_http_requests_total", Counter by ROUTE, Count;
    /// Time that a request took to be answered, by route.
    HTTP_DURATION = "conclave_http_request_duration_seconds", Histogram by ROUTE, Seconds;
    /// Requests that are being answered.
    HTTP_IN_FLIGHT = "conclave_http_in_flight_count", Gauge, Count;
    /// Followers of the decision stream.
    STREAMS = "conclave_http_streams_count", Gauge, Count;
    /// Commands accepted and not decided.
    LAG_RECORDS = "conclave_lag_records_count", Gauge, Count;
    /// Decisions that answers to questions do not know yet.
    VIEW_LAG_RECORDS = "conclave_view_lag_records_count", Gauge, Count;
    /// 1 while decisions flow, otherwise 0.
    READY = "conclave_ready_count", Gauge, Count;
    /// Requests that wait for capacity.
    WAITING = "conclave_waiting_count", Gauge, Count;

    /// Commands that can be read and have no decision, up to the last stable offset.
    KAFKA_LAG_RECORDS = "conclave_kafka_lag_records_count", Gauge by BY_PARTITION, Count;
    /// How long ago the brokers took in the first command that has no decision; 0 without one.
    KAFKA_LAG = "conclave_kafka_lag_seconds", Gauge by BY_PARTITION, Seconds;
    /// Offsets by which the group's offset and the decisions disagree; anything but 0 is an alarm.
    KAFKA_COVERAGE_GAP = "conclave_kafka_coverage_gap_count", Gauge by BY_PARTITION, Count;
    /// 1 while the group has committed nothing for a partition, otherwise 0.
    KAFKA_UNCOMMITTED = "conclave_kafka_uncommitted_count", Gauge by BY_PARTITION, Count;
    /// High watermark of the decisions less their last stable offset: what open transactions wrote.
    KAFKA_OPEN_RECORDS = "conclave_kafka_open_records_count", Gauge by BY_PARTITION, Count;
    /// Transactions that were committed.
    KAFKA_COMMITS = "conclave_kafka_commits_total", Counter by BY_PARTITION, Count;
    /// Transactions that were aborted: nobody can read anything of them.
    KAFKA_ABORTS = "conclave_kafka_aborts_total", Counter by BY_PARTITION, Count;
    /// Transactions whose end nobody told, so that the log was asked.
    KAFKA_UNKNOWN_ENDS = "conclave_kafka_unknown_ends_total", Counter by BY_PARTITION, Count;
    /// Producers that were made anew after an abort, or an end that nobody told.
    KAFKA_RECYCLED = "conclave_kafka_producers_recycled_total", Counter by BY_PARTITION, Count;
    /// Time from a round's first record to the brokers' answer that it is committed.
    KAFKA_COMMIT = "conclave_kafka_commit_duration_seconds", Histogram by BY_PARTITION, Seconds;
    /// 1 for a partition that this instance decides, otherwise 0.
    KAFKA_OWNED = "conclave_kafka_owned_count", Gauge by BY_PARTITION, Count;
    /// 1 for a partition that the group gave this instance and that it has not taken over yet.
    KAFKA_PENDING = "conclave_kafka_pending_count", Gauge by BY_PARTITION, Count;
    /// Times that the group gave this instance partitions or took some.
    KAFKA_REBALANCES = "conclave_kafka_rebalances_total", Counter, Count;
    /// How long ago it did so last; nothing before the first time.
    KAFKA_REBALANCE_AGE = "conclave_kafka_rebalance_age_seconds", Gauge, Seconds;
    /// 1 for how this instance stands in its group: joining, steady, away or ended; otherwise 0.
    KAFKA_MEMBERSHIP = "conclave_kafka_membership_count", Gauge by STATE, Count;
    /// How long ago brokers answered this instance last; asked every second.
    KAFKA_CONTACT_AGE = "conclave_kafka_contact_age_seconds", Gauge, Seconds;

    /// Votes of networks, by the engine that computed them: cpu or gpu.
    ENGINE_VOTES = "conclave_engine_votes_total", Counter by ENGINE, Count;
    /// Time that a ballot's steps took, by engine; what a faulty GPU cost is the processor's.
    ENGINE_BALLOT = "conclave_engine_ballot_duration_seconds", Histogram by ENGINE, Seconds;
    /// Times that a GPU did not answer, by class: busy, invalid, unavailable or corrupt.
    GPU_FAULTS = "conclave_gpu_faults_total", Counter by CLASS, Count;
    /// Tenants' runs of steps by a GPU that the processor computed again.
    GPU_RECHECKS = "conclave_gpu_rechecks_total", Counter, Count;
    /// Times that it found another word; anything but 0 is an alarm.
    GPU_MISMATCHES = "conclave_gpu_mismatches_total", Counter, Count;
    /// 1 for how the breaker before the GPU stands: closed, open or half-open; otherwise 0.
    GPU_BREAKER = "conclave_gpu_breaker_count", Gauge by STATE, Count;

    /// Places where a log does not keep a rule, by rule; see docs/validate.md.
    VALIDATOR_FINDINGS = "conclave_validator_findings_total", Counter by RULE, Count;
    /// Decisions that the validator looked at.
    VALIDATOR_DECISIONS = "conclave_validator_decisions_total", Counter, Count;
    /// Decisions that the log has and the validator has not looked at.
    VALIDATOR_LAG_RECORDS = "conclave_validator_lag_records_count", Gauge, Count;
    /// 1 while the validator can read the log, otherwise 0.
    VALIDATOR_READING = "conclave_validator_reading_count", Gauge, Count;

    /// Votes that a council beside the seat has an opinion on, by the seat's verdict and its own.
    SHADOW_VOTES = "conclave_shadow_votes_total", Counter by VERDICTS, Count;
    /// Decisions that the log has and the council beside the seat has not read.
    SHADOW_LAG_RECORDS = "conclave_shadow_lag_records_count", Gauge, Count;
    /// 1 while the council beside the seat can read the log, otherwise 0.
    SHADOW_READING = "conclave_shadow_reading_count", Gauge, Count;

    /// Accepting commands into the log, at the chosen durability.
    SPAN_ACCEPT = "send conclave.commands", Span, Text;
    /// Reading commands, their schemas and their digests.
    SPAN_INGEST = "conclave.ingest", Span, Text;
    /// The council's votes on a ballot.
    SPAN_VOTE = "conclave.council.vote", Span, Text;
    /// Answering the commands of a round.
    SPAN_DECIDE = "conclave.decide", Span, Text;
    /// Turning decisions into bytes and hashes.
    SPAN_ENCODE = "conclave.encode", Span, Text;
    /// Storing a round.
    SPAN_COMMIT = "conclave.commit", Span, Text;
    /// Writing a snapshot.
    SPAN_SNAPSHOT = "conclave.snapshot.write", Span, Text;
    /// Reading a snapshot back and folding the decisions after it.
    SPAN_FOLD = "conclave.fold", Span, Text;

    /// A command's answer: accepted, rejected, duplicate or failed. Also a log field.
    OUTCOME = "outcome", Label, Text;
    /// A rejection's code, as the table of commands spells it. Also a log field.
    CODE = "code", Label, Text;
    /// A step of a round. Also a log field.
    STEP = "step", Label, Text;

    /// A path of the API, as its table of routes spells it.
    ROUTE = "route", Label, Text;

    /// A member of a council, 1 for the first of its file. Also a log field.
    MEMBER = "member", Label, Text;

    /// Number of a partition. Also a log field.
    BY_PARTITION = "partition", Label, Text;
    /// How an instance stands in its group, or a breaker.
    STATE = "state", Label, Text;

    /// What votes are computed on: cpu or gpu.
    ENGINE = "engine", Label, Text;
    /// What kind of fault it was. Also a log field.
    CLASS = "class", Label, Text;

    /// A rule that every log keeps, by its name in docs/validate.md. Also a log field.
    RULE = "rule", Label, Text;

    /// The verdict of the seat and that of a council beside it, as in `approve_defer`.
    VERDICTS = "verdicts", Label, Text;

    /// When the line was written, by this machine's clock, in UTC.
    TS = "ts", Field, Text;
    /// error, warn, info, debug or trace.
    LEVEL = "level", Field, Text;
    /// The module that wrote the line.
    TARGET = "target", Field, Text;
    /// What happened, in words.
    MSG = "msg", Field, Text;
    /// Shared by everything that one outer request led to.
    CORRELATION_ID = "correlation_id", Field, Text;
    /// What directly led to this record.
    CAUSATION_ID = "causation_id", Field, Text;
    /// The sender's idempotency key.
    COMMAND_ID = "command_id", Field, Text;
    /// The trace that the record belongs to, in hex.
    TRACE_ID = "trace_id", Field, Text;
    /// The decision's own span in that trace, in hex.
    SPAN_ID = "span_id", Field, Text;
    /// Partition of the log.
    PARTITION = "partition", Field, Text;
    /// The record's own position in its partition.
    OFFSET = "offset", Field, Offset;
    /// First command of a round.
    ROUND_OFFSET = "round_offset", Field, Offset;
    /// What was asked, e.g. `RequestAllocation`.
    KIND = "kind", Field, Text;
    /// The pool that it was about.
    POOL = "pool", Field, Text;
    /// The tenant on whose behalf it was sent.
    TENANT = "tenant", Field, Text;
    /// The request that it was about.
    REQUEST = "request", Field, Text;
    /// Why, in words.
    REASON = "reason", Field, Text;
    /// A GPU, as its driver describes it.
    ADAPTER = "adapter", Field, Text;
    /// Which of the ways to compute a machine uses.
    WAY = "way", Field, Text;
    /// Steps from which on a GPU is the faster machine.
    CROSSOVER_COUNT = "crossover_count", Field, Count;
    /// What broke, in words.
    ERROR = "error", Field, Text;
    /// Decisions that the line is about.
    DECISION_COUNT = "decision_count", Field, Count;
    /// Events of a decision.
    EVENT_COUNT = "event_count", Field, Count;
    /// Headers that the line is about.
    HEADER_COUNT = "header_count", Field, Count;
    /// Size of a snapshot.
    SNAPSHOT_BYTES = "snapshot_bytes", Field, Bytes;
    /// How long it took.
    ELAPSED_US = "elapsed_us", Field, Microseconds;
    /// How often a step was taken.
    TAKEN_COUNT = "taken_count", Field, Count;
    /// Half of what was timed took at most this.
    P50_US = "p50_us", Field, Microseconds;
    /// 99 of 100 of what was timed took at most this.
    P99_US = "p99_us", Field, Microseconds;
    /// The longest that was timed.
    MAX_US = "max_us", Field, Microseconds;

    /// W3C trace context: trace, span and flags.
    HEADER_TRACEPARENT = "traceparent", Header, Text;
    /// See the log field of this name.
    HEADER_CORRELATION_ID = "correlation_id", Header, Text;
    /// See the log field of this name.
    HEADER_CAUSATION_ID = "causation_id", Header, Text;
}

/// What a metric means, as the table says.
///
/// # Panics
/// When the table has no such name: names are constants of this module.
#[must_use]
pub fn doc(text: &str) -> &'static str {
    let named = TABLE.iter().find(|name| name.text == text);
    let doc = named.unwrap_or_else(|| panic!("{text} is not in the table of names")).doc;
    // The exposition format adds the full stop itself.
    doc.trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Names that the OpenTelemetry conventions gave up; libraries still offer them as constants.
    const DEAD: &[&str] = &[
        "messaging.operation",
        "messaging.kafka.consumer.group",
        "messaging.kafka.destination.partition",
        "messaging.kafka.message.offset",
        "messaging.publish.duration",
        "messaging.client.published.messages",
        "db.system",
        "db.statement",
        "db.name",
    ];

    #[test]
    fn no_dead_name_is_in_use() {
        let spelled = |dead: &str, text: &str| {
            let as_metric = dead.replace('.', "_");
            text == dead || text == as_metric || text.starts_with(&format!("{as_metric}_"))
        };
        for name in TABLE {
            let dead = DEAD.iter().find(|dead| spelled(dead, name.text));
            assert_eq!(dead, None, "{} is a dead name", name.text);
        }
    }

    #[test]
    fn each_name_is_given_once() {
        let mut seen = BTreeSet::new();
        for name in TABLE {
            assert!(seen.insert((name.kind, name.text)), "{} is in the table twice", name.text);
        }
    }

    #[test]
    fn every_name_says_its_unit_and_its_meaning() {
        for Name { text, kind, unit, doc, .. } in TABLE {
            let suffix = unit.suffix(*kind);
            assert!(text.ends_with(suffix), "{text} has to end in {suffix}");
            assert!(doc.len() > 10 && doc.ends_with('.'), "{text} needs a sentence, not '{doc}'");
            let is_metric = matches!(kind, Kind::Counter | Kind::Gauge | Kind::Histogram);
            assert_eq!(text.starts_with("conclave_"), is_metric, "{text}: metrics bear our name");
            assert!(!is_metric || *unit != Unit::Text, "{text} is a metric without a unit");
        }
    }

    #[test]
    fn every_label_of_a_metric_is_a_label() {
        let of_kind = |kind| TABLE.iter().filter(move |name| name.kind == kind);
        let used: BTreeSet<_> = TABLE.iter().filter_map(|name| name.label).collect();
        let listed: BTreeSet<_> = of_kind(Kind::Label).map(|name| name.text).collect();
        assert_eq!(used, listed, "labels of metrics, and labels in the table");
    }
}
