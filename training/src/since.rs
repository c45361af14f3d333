//! Log time between two steps of a tenant, as the live council is told it.

use conclave_core::units::{DurationMs, TimeMs};

/// Log time since the step before; zero for the first.
pub(crate) fn elapsed(last_step: Option<TimeMs>, now: TimeMs) -> DurationMs {
    last_step.map_or(DurationMs(0), |last| now.since(last))
}
