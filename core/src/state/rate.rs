//! The rate limit of a tenant, in log time: each command costs a minute divided by the rate, and a
//! tenant may be at most one minute ahead of what it has paid for (the generic cell rate
//! algorithm).

use super::Tenant;
use crate::units::{DurationMs, TimeMs};

const MINUTE_US: i64 = 60_000_000;

impl Tenant {
    /// How long this tenant has to wait before its next command; zero when it may send now.
    #[must_use]
    pub fn rate_wait_ms(&self, now: TimeMs) -> DurationMs {
        let ahead_us =
            self.rate_paid_us.max(now.0 * 1_000) + self.command_cost_us() - now.0 * 1_000;
        // Rounded up: a wait of less than a millisecond is still a wait.
        DurationMs(((ahead_us - MINUTE_US).max(0) + 999) / 1_000)
    }

    /// Charges one command.
    pub(crate) fn pay_for_command(&mut self, now: TimeMs) {
        self.rate_paid_us = self.rate_paid_us.max(now.0 * 1_000) + self.command_cost_us();
    }

    fn command_cost_us(&self) -> i64 {
        match self.quota.rate_per_minute {
            0 => 0,
            rate => MINUTE_US / rate,
        }
    }
}
