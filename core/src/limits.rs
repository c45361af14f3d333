//! The bounds that users meet, each with its unit; how one decision's room is shared out stands in
//! `draft.rs`. Raising any of them changes decisions: that needs a new `decide_version`.

use crate::units::{DurationMs, TimeMs};

/// The `decide_version` of a log that has just been opened: later ones have to be activated.
pub const DECIDE_VERSION_FIRST: i64 = 1;
/// The newest `decide_version` that this release knows; it knows all before. 2: a council of
/// networks may be activated. 3: tenants have weights and GPU-hour budgets, stand in a tree and
/// borrow, a pool may order its queue by fair share, preempt, have prices and place by the policy
/// called default, and gangs may wish for one node or one topology group.
pub const DECIDE_VERSION_NEWEST: i64 = 3;

/// Whether this release decides by `version`, and can fold and verify what it decided.
#[must_use]
pub fn knows_version(version: i64) -> bool {
    (DECIDE_VERSION_FIRST..=DECIDE_VERSION_NEWEST).contains(&version)
}

/// Latest log time: the year 9999. Keeps every sum of times within an `i64`.
pub const TIME_MS_MAX: TimeMs = TimeMs(253_402_300_799_999);
/// Longest duration anybody may name: ten years.
pub const DURATION_MS_MAX: DurationMs = DurationMs(10 * 365 * 24 * 3_600_000);
/// Bytes of an id, a model or a label name.
pub const ID_BYTES_MAX: usize = 128;
/// Bytes of a reason or a label value.
pub const TEXT_BYTES_MAX: usize = 1024;
/// Bytes of a rejection's detail.
pub const DETAIL_BYTES_MAX: usize = 512;

/// Events in one decision; the rest is carried over.
pub const DECISION_EVENTS_MAX: usize = 1_000;
/// Bytes of one decision's body; the rest is carried over.
pub const DECISION_BYTES_MAX: usize = 512 * 1024;

/// Commands in one round.
pub const ROUND_COMMANDS_MAX: i64 = 1_000;
/// Log time that one round of a live service may span.
pub const ROUND_SPAN_MS_MAX: DurationMs = DurationMs(1_000);
/// Commands in a `fixed` round when nobody says otherwise.
pub const ROUND_COMMANDS_DEFAULT: i64 = 64;
/// Deferred requests voted on again at one round open.
pub const DUE_VOTES_MAX: usize = 64;
/// The same while networks are asked: their votes and memories are longer.
pub const DUE_VOTES_OF_NETWORKS_MAX: usize = 24;
/// Leases of a tenant that ended and that the council was not told of yet.
pub const OUTCOMES_MAX: usize = 8;
/// Log time between two outcomes of one tenant in a pool that change what members' words count: who
/// holds a lease says itself how its work ended.
pub const OUTCOME_EVERY_MS: DurationMs = DurationMs(3_600_000);
/// Partitions of one log.
pub const PARTITION_COUNT_MAX: i64 = 1_024;

/// Ids that a duplicate window may hold.
pub const DUPLICATE_IDS_MAX: i64 = 1_000_000;
/// How long a duplicate window may reach back.
pub const DUPLICATE_WINDOW_MS_MAX: DurationMs = DurationMs(24 * 3_600_000);

/// Denied requests that a pool remembers, so that they can be appealed against.
pub const DENIALS_MAX: usize = 1_000;
/// How long it remembers them.
pub const DENIAL_WINDOW_MS: DurationMs = DurationMs(24 * 3_600_000);

/// Pools in one partition.
pub const POOLS_MAX: usize = 1_000;
/// Tenants in one pool.
pub const TENANTS_MAX: usize = 10_000;
/// Tenants on the longest way from the top of a pool's tree down.
pub const TREE_DEPTH_MAX: usize = 8;
/// Nodes in one pool.
pub const NODES_MAX: usize = 20_000;
/// GPUs of one node.
pub const NODE_GPUS_MAX: i64 = 16;
/// CPU of one node or one replica, in milli.
pub const CPU_MILLI_MAX: i64 = 16_384_000;
/// Memory of one node or one replica, in MiB: 64 TiB.
pub const MEMORY_MIB_MAX: i64 = 64 * 1024 * 1024;
/// Milli of one whole GPU.
pub const GPU_MILLI_WHOLE: i64 = 1_000;
/// A quota that nobody reaches: 10 million GPUs.
pub const QUOTA_GPU_MILLI_MAX: i64 = 10_000_000_000;
/// Highest weight of a tenant in the fair share; the lowest is 1.
pub const WEIGHT_MAX: i64 = 1_000;
/// Shortest time after which what was used counts half in the fair share: a minute.
pub const HALF_LIFE_MS_MIN: DurationMs = DurationMs(60_000);
/// That time in a pool whose queue is not ordered by fair share, for whoever asks: a week.
pub const HALF_LIFE_MS_DEFAULT: DurationMs = DurationMs(7 * 24 * 3_600_000);
/// How often one request may be preempted, at the most.
pub const PREEMPTIONS_PER_REQUEST_MAX: i64 = 100;
/// Leases of one tenant that may be preempted in a day, at the most.
pub const PREEMPTIONS_PER_DAY_MAX: i64 = 1_000_000;
/// Leases that end for one request.
pub const VICTIMS_MAX: usize = 64;
/// Waiting requests of a pool for which one decision looks for leases to end.
pub const PREEMPTORS_MAX: usize = 4;
/// GPU-hours of one window of a budget, with what is approved on top: a thousand million.
pub const GPU_HOURS_MAX: i64 = 1_000_000_000;
/// Shortest window of a budget: a minute.
pub const BUDGET_WINDOW_MS_MIN: DurationMs = DurationMs(60_000);
/// Longest window of a budget: a year.
pub const BUDGET_WINDOW_MS_MAX: DurationMs = DurationMs(365 * 24 * 3_600_000);
/// Windows of one tenant's budget that are kept, from the current one on: no lease may touch more,
/// and none further ahead can be topped up.
pub const BUDGET_WINDOWS_MAX: i64 = 400;
/// Models with a price in one pool.
pub const PRICES_MAX: usize = 64;
/// Minutes of a day of log time.
pub const MINUTES_OF_DAY: i64 = 24 * 60;
/// Spans of a tariff of one pool.
pub const TARIFF_SPANS_MAX: usize = 256;
/// Highest price of a GPU-hour: a million US dollars.
pub const PRICE_MICRO_USD_MAX: i64 = 1_000_000_000_000;
/// Highest cap of what a request may cost: a thousand million US dollars.
pub const BUDGET_CAP_MICRO_USD_MAX: i64 = 1_000_000_000_000_000;
/// Reservations of one pool that are not over.
pub const RESERVATIONS_MAX: usize = 64;
/// Replicas of all reservations of one pool together.
pub const RESERVED_REPLICAS_MAX: i64 = 4_096;
/// Longest reservation: ninety days.
pub const RESERVATION_MS_MAX: DurationMs = DurationMs(90 * 24 * 3_600_000);
/// How far ahead a reservation may start: a year.
pub const RESERVATION_AHEAD_MS_MAX: DurationMs = DurationMs(365 * 24 * 3_600_000);
/// Later starts that are tried for a reservation without room, so that its refusal can name one.
pub const RESERVE_LOOKS_MAX: usize = 16;
/// Protected requests of a pool, the first in the order, that others may be let past.
pub const BACKFILL_PROTECTED_MAX: usize = 4;
/// Ends of leases that are looked at to find when one of them could start.
pub const BACKFILL_ENDS_MAX: usize = 512;
/// How often it is looked, once there is room, whether that is reserved.
pub const BACKFILL_LOOKS_MAX: usize = 8;
/// Commands per minute that a rate limit may allow.
pub const RATE_PER_MINUTE_MAX: i64 = 60_000_000;

/// Requests of one pool that may wait or be deferred at once.
pub const QUEUE_MAX: i64 = 200_000;
/// Replicas of one gang. The decision that grants the largest one must fit by itself.
pub const REPLICAS_MAX: i64 = 1_024;
/// Models that one request may accept.
pub const GPU_MODELS_MAX: usize = 16;
/// Labels of one request.
pub const LABELS_MAX: usize = 32;
/// Shapes of a target workload.
pub const TARGET_SHAPES_MAX: usize = 512;
/// Highest count of one shape in a target workload.
pub const TARGET_COUNT_MAX: i64 = 1_000_000;
/// Highest priority; the lowest is 1.
pub const PRIORITY_MAX: i64 = 10;
/// Deferrals of one request; the vote after the last one has no defer band.
pub const DEFERRALS_MAX: i64 = 3;
