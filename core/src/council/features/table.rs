//! The features as a table: what each is called, what it says and on which scale.
//! `docs/council-features.md` shows it to people; a test compares the two.

use super::scale::Scale;
use std::fmt::Write as _;

/// Version of the table: a model is trained for one. It rises whenever a row, a scale or how a
/// value is computed changes; tests pin the table's text and values under it.
pub const FEATURES_VERSION: u32 = 1;

/// How many features there are.
pub const FEATURE_COUNT: usize = 32;

/// What a feature is about. An explanation shares a verdict out among these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeatureGroup {
    /// What is asked for.
    Request,
    /// How pressing it is.
    Urgency,
    /// What the tenant holds, and how its work went lately.
    Tenant,
    /// How full the pool is.
    Pool,
    /// What it takes of the pool and of the tenant's limit.
    Cost,
    /// Log time, and what happened.
    Time,
}

/// One feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureRow {
    /// Its place.
    pub index: usize,
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub group: FeatureGroup,
    /// What it says of a request; for an outcome, what stands in brackets.
    pub meaning: &'static str,
    /// How it becomes a number.
    pub scale: Scale,
}

impl FeatureGroup {
    /// All of them, in the order of their features.
    pub const ALL: [Self; 6] =
        [Self::Request, Self::Urgency, Self::Tenant, Self::Pool, Self::Cost, Self::Time];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Urgency => "urgency",
            Self::Tenant => "tenant",
            Self::Pool => "pool",
            Self::Cost => "cost",
            Self::Time => "time",
        }
    }
}

const fn row(
    index: usize,
    group: FeatureGroup,
    name: &'static str,
    scale: Scale,
    meaning: &'static str,
) -> FeatureRow {
    FeatureRow { index, name, group, meaning, scale }
}

use FeatureGroup::{Cost, Pool, Request, Tenant, Time, Urgency};
use Scale::{Balance, Flag, Level, Magnitude, Ratio, Share};

/// Every feature, by index.
pub const FEATURES: [FeatureRow; FEATURE_COUNT] = [
    row(0, Request, "gpus", Magnitude("gpu_milli"), "GPUs of the whole gang"),
    row(1, Request, "replicas", Magnitude("replicas - 1"), "replicas of the gang"),
    row(2, Request, "slice", Share, "part of each GPU that is wanted; 0 for CPU only"),
    row(
        3,
        Request,
        "cpu_per_gpu",
        Magnitude("cpu_milli"),
        "CPU per whole GPU; per replica for CPU only",
    ),
    row(
        4,
        Request,
        "memory_per_gpu",
        Magnitude("memory_mib"),
        "memory per whole GPU; per replica for CPU only",
    ),
    row(5, Request, "duration", Magnitude("s"), "how long the work should take"),
    row(6, Urgency, "priority", Share, "priority, of 10"),
    row(7, Urgency, "preemptible", Flag, "may be interrupted"),
    row(8, Urgency, "attempt", Share, "votes before this one, of 3 [before the last one]"),
    row(9, Urgency, "age", Magnitude("s"), "since it asked"),
    row(10, Urgency, "has_deadline", Flag, "is not worth starting after some time [no]"),
    row(11, Urgency, "slack", Magnitude("s"), "left until then; 0 when there is no such time [0]"),
    row(12, Tenant, "limit_used", Share, "of its limit, what its leases hold; 64 when it is 0"),
    row(
        13,
        Tenant,
        "guarantee_used",
        Share,
        "of its guarantee, what its leases hold; 64 when it is 0",
    ),
    row(14, Tenant, "waiting", Magnitude("requests"), "its requests in the queue"),
    row(15, Tenant, "running", Magnitude("requests"), "its leases"),
    row(16, Tenant, "asks", Magnitude("64ths of a request"), "its requests lately, faded"),
    row(
        17,
        Tenant,
        "known",
        Level,
        "0: no lease of it ended lately, the next five are 0; 32: some did, their use is unknown; \
         64: it is known, too [of this lease]",
    ),
    row(18, Tenant, "failed", Share, "of its ended leases, those that failed [this one did]"),
    row(19, Tenant, "stopped", Share, "those that were stopped [this one was]"),
    row(20, Tenant, "expired", Share, "those that ended by their timer [this one did]"),
    row(
        21,
        Tenant,
        "held_by_expected",
        Ratio,
        "GPU time that its ended leases held by what was expected; 0 when no GPU was [time that \
         this one was held by what was expected]",
    ),
    row(22, Tenant, "utilisation", Share, "mean use of their GPUs where reported [of this one]"),
    row(23, Pool, "free", Share, "of the GPUs that accept work, those that are free; 0 of none"),
    row(24, Pool, "free_acceptable", Share, "the same among the models that would do"),
    row(25, Pool, "queue", Magnitude("requests"), "requests in the queue"),
    row(
        26,
        Pool,
        "held_for_others",
        Share,
        "of the GPUs that accept work, those promised to other tenants and not used by them",
    ),
    row(
        27,
        Cost,
        "pool_time",
        Magnitude("ms"),
        "how long all GPUs that accept work would take for it; 127 of none",
    ),
    row(
        28,
        Cost,
        "headroom",
        Balance,
        "of the tenant's limit, what a grant would leave [what there is left]",
    ),
    row(29, Time, "day", Share, "hour of log time, UTC: 0 at midnight, 64 at noon"),
    row(
        30,
        Time,
        "week",
        Share,
        "day of log time, UTC: 64 between Saturday and Sunday, 0 on Wednesday at noon",
    ),
    row(31, Time, "is_outcome", Flag, "a lease ended; otherwise, a request is voted on"),
];

/// The table as canonical text: a line for the version, then one per feature. Its digest is the
/// schema id.
///
/// # Panics
/// Never: text grows.
#[must_use]
pub fn schema_text() -> String {
    let mut text = format!("conclave council features {FEATURES_VERSION}\n");
    for FeatureRow { index, name, group, meaning, scale } in FEATURES {
        let (least, most) = scale.range();
        let (group, scale) = (group.as_str(), scale_text(scale));
        let line = format!("{index} {name} | {group} | {scale} | {least}..{most} | {meaning}\n");
        text.write_str(&line).expect("text grows");
    }
    text
}

/// A scale in words.
#[must_use]
pub fn scale_text(scale: Scale) -> String {
    match scale {
        Magnitude(unit) => format!("magnitude of {unit}"),
        Share => "share".to_owned(),
        Ratio => "ratio".to_owned(),
        Balance => "balance".to_owned(),
        Flag => "flag".to_owned(),
        Level => "level".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rows_stand_at_their_index_and_groups_stand_together() {
        assert!(FEATURES.iter().zip(0..).all(|(row, at)| row.index == at));
        let names: BTreeSet<_> = FEATURES.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), FEATURE_COUNT);
        let mut groups: Vec<_> = FEATURES.iter().map(|row| row.group).collect();
        groups.dedup();
        assert_eq!(groups, FeatureGroup::ALL);
    }

    #[test]
    fn the_text_has_a_line_per_feature() {
        let text = schema_text();
        assert_eq!(text.lines().count(), 1 + FEATURE_COUNT);
        let last = text.lines().last().expect("it has lines");
        let said = "31 is_outcome | time | flag | 0..64 | a lease ended; otherwise, a request is \
                    voted on";
        assert_eq!(last, said);
    }
}
