//! The two kinds of step that a tenant's hidden state makes: a request is voted on, a lease ended.

use crate::command::{RequestAllocation, WorkOutcome};
use crate::decision::{LeaseEnd, LeaseEnded};
use crate::state::Request;
use crate::units::{DurationMs, TimeMs};

/// A request that is voted on.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What it asks, within the bounds that [`crate::decide::is_within_bounds`] checks.
    pub ask: &'a RequestAllocation,
    /// 1 for the first vote.
    pub attempt: i64,
    /// When it asked.
    pub arrived_at_ms: TimeMs,
}

/// A lease that ended, the last that there was of its request.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// What was asked.
    pub ask: &'a RequestAllocation,
    /// How many votes it had; 0 when nobody voted.
    pub attempts: i64,
    /// When it asked.
    pub arrived_at_ms: TimeMs,
    /// How long it was held.
    pub held_ms: DurationMs,
    /// Why it ended.
    pub reason: LeaseEnd,
    /// How the work ended, as far as its holder said.
    pub outcome: WorkOutcome,
    /// Mean GPU utilisation in basis points, as far as its holder said.
    pub utilisation_bp: Option<i64>,
}

impl<'a> Asked<'a> {
    /// A live request whose next vote is due.
    #[must_use]
    pub fn again(request: &'a Request) -> Self {
        let Request { ask, attempts, arrived_at_ms, .. } = request;
        Self { ask, attempt: attempts + 1, arrived_at_ms: *arrived_at_ms }
    }
}

impl<'a> Ended<'a> {
    /// How the lease of `request` ended at `now`; none when it has no lease, as after its end.
    #[must_use]
    pub fn of(request: &'a Request, ended: &LeaseEnded, now: TimeMs) -> Option<Self> {
        let lease = request.lease()?;
        Some(Self {
            ask: &request.ask,
            attempts: request.attempts,
            arrived_at_ms: request.arrived_at_ms,
            held_ms: lease.held_until(now),
            reason: ended.reason,
            outcome: ended.outcome,
            utilisation_bp: ended.utilisation_bp,
        })
    }
}
