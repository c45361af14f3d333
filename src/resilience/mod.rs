//! What stands between us and a service that may be away: timeouts, retries, a breaker, a bulkhead.
//!
//! ```text
//!  call ─▶ bulkhead ─▶ breaker ─▶ attempt ─▶ class ─▶ answer
//!            │ full      │ open      ▲          │ transient, budget left, deadline not reached
//!            ▼           ▼           └── pause ─┘
//!          unavailable, and said by whom
//! ```
//!
//! [`breaker`], [`budget`], [`delays`] and [`bulkhead`] are state machines that are told the time:
//! they own no clock, no thread and no randomness, so every transition has a row in a test. Only
//! [`call`] has a clock and sleeps; nobody else may, which `tests/tidy.rs` sees to.
//!
//! One layer retries: whoever uses this switches off what the driver below it would repeat.

pub mod breaker;
pub mod budget;
pub mod bulkhead;
pub mod call;
pub mod class;
pub mod delays;
mod window;

pub use breaker::{Breaker, BreakerSettings, BreakerState, Outcome};
pub use budget::{Budget, BudgetSettings};
pub use bulkhead::{Bulkhead, BulkheadSettings, Entry};
pub use call::{Clock, Guard, Policy, SystemClock};
pub use class::Class;
pub use delays::{DelaySettings, Delays};
pub use window::WindowSize;

use serde::Serialize;
use std::time::Duration;

/// A moment, as the time since some beginning that all moments of one clock share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Duration);

impl Moment {
    /// That many milliseconds after the beginning.
    #[must_use]
    pub fn ms(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    /// The time since `earlier`; none when it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `span` later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

/// How a dependency stands, for metrics and `/readyz`. Counts are since the process began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Which dependency.
    pub name: &'static str,
    /// The breaker's state.
    pub breaker: BreakerState,
    /// Calls, however they ended.
    pub calls: u64,
    /// Attempts that were made for them.
    pub attempts: u64,
    /// Attempts that failed, the slow ones that succeeded left out.
    pub failures: u64,
    /// Attempts that took longer than the breaker calls slow.
    pub slow: u64,
    /// Attempts after the first one of their call.
    pub retries: u64,
    /// Calls refused by the breaker.
    pub rejected: u64,
    /// Calls refused because too many were waiting.
    pub full: u64,
    /// Retries that were not made because the budget was spent.
    pub budget_spent: u64,
    /// How often the breaker opened.
    pub opened: u64,
    /// Calls under way.
    pub running: usize,
    /// Calls that wait for one of them to end.
    pub queued: usize,
    /// What the last failure was, if there was one.
    pub last_error: Option<String>,
}
