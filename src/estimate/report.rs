//! What is said of a wait, and how often that was right.

use super::class::Level;
use super::window::{Quantiles, WAITS_MIN};
use crate::explain::Moment;
use crate::report::show::rough;
use conclave_core::units::{DurationMs, Offset, TimeMs};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How long a request waits from joining the queue to its start, judged by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Estimate {
    /// In half of the cases no longer than that.
    pub p50_ms: i64,
    /// In nine of ten cases no longer than that.
    pub p90_ms: i64,
    /// From how many waits.
    pub waits: usize,
    /// What those had in common with it: `gpu_models` (with priority and size), `size` (with
    /// priority), `priority` or `pool`.
    pub alike_in: Level,
}

/// How often the newest estimates of a pool were right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// Estimates of which it is known whether the half held, the newest 500: the request has
    /// started within it, or has waited longer.
    pub known_p50: usize,
    /// In how many of these it did.
    pub within_p50: usize,
    /// The same of what was said of nine of ten cases.
    pub known_p90: usize,
    /// In how many of these it held.
    pub within_p90: usize,
    /// Estimates of which nothing is known: the request was withdrawn before they were over. They
    /// are not among the others.
    pub withdrawn: usize,
    /// Requests that wait and have waited longer than was said of nine of ten cases. They count as
    /// wrong already.
    pub overdue: usize,
    /// The decision from which on it was learnt.
    pub learnt_from: i64,
}

/// What is said of one request's wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outlook {
    /// When it joined the queue, which is when this was said; none of a plan.
    pub joined: Option<Moment>,
    /// None where too few waits are known.
    pub estimate: Option<Estimate>,
    /// Waits of the pool that are known now, up to 200.
    pub waits_known: usize,
    /// How often such estimates were right.
    pub held: Held,
}

impl Estimate {
    pub(super) fn of(said: &Quantiles) -> Self {
        let Quantiles { p50_ms, p90_ms, waits, level } = *said;
        Self { p50_ms, p90_ms, waits, alike_in: level }
    }

    /// `12m / 1h10m`.
    #[must_use]
    pub fn short(&self) -> String {
        let [half, most] = [self.p50_ms, self.p90_ms].map(|ms| rough(DurationMs(ms)));
        format!("{half} / {most}")
    }

    fn words(&self) -> String {
        let [half, most] = [self.p50_ms, self.p90_ms].map(|ms| rough(DurationMs(ms)));
        let Self { waits, alike_in, .. } = self;
        format!(
            "within {half} in half, {most} in 9 of 10 cases, judged by {waits} waits of {}",
            alike_in.words()
        )
    }
}

impl Held {
    /// `of the last 500 such estimates 91 % held, 55 % of them within the half`; that none is known
    /// yet.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { known_p50, within_p50, known_p90, within_p90, overdue, .. } = *self;
        let percent = |count: usize, of: usize| count * 100 / of.max(1);
        let late = match overdue {
            0 => String::new(),
            1 => "; 1 that waits is over its estimate already".to_owned(),
            overdue => format!("; {overdue} that wait are over theirs already"),
        };
        match known_p90 {
            0 => format!("no such estimate has been put to the test yet{late}"),
            _ => format!(
                "of the last {known_p90} such estimates {} % held, {} % within the half{late}",
                percent(within_p90, known_p90),
                percent(within_p50, known_p50)
            ),
        }
    }
}

impl Outlook {
    pub(super) fn of(
        said: Option<Quantiles>,
        waits_known: usize,
        joined: Option<(Offset, TimeMs)>,
        held: Held,
    ) -> Self {
        let joined = joined.map(|(at, time)| Moment { offset: at.0, time_ms: time.0 });
        Self { joined, estimate: said.map(|said| Estimate::of(&said)), waits_known, held }
    }

    /// For people, a line each. `now` is none of a plan.
    #[must_use]
    pub fn lines(&self, now: TimeMs) -> Vec<String> {
        let Some(estimate) = &self.estimate else {
            let known = self.waits_known;
            let when = if self.joined.is_some() { " when it joined the queue" } else { "" };
            return vec![format!(
                "  no estimate of its wait: too few waits of this pool were known{when} ({known} \
                 are now; {WAITS_MIN} are needed)"
            )];
        };
        let (words, held) = (estimate.words(), self.held.words());
        let first = match self.joined {
            None => format!("  it would start {words}"),
            Some(joined) => {
                let waited_ms = now.0 - joined.time_ms;
                let over = if waited_ms > estimate.p90_ms { ", which is over" } else { "" };
                let waited = rough(DurationMs(waited_ms));
                format!("  when it joined the queue {waited} ago: to start {words}{over}")
            }
        };
        vec![first, format!("  {held}; no promise")]
    }
}
