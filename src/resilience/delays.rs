//! Pauses between attempts: twice as long each time, and "full jitter", that is, anything between
//! nothing and that, so that clients which failed together do not come back together.

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;

/// How long to pause, and how often to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelaySettings {
    /// Most of the first pause.
    pub first: Duration,
    /// Most of any pause.
    pub longest: Duration,
    /// Attempts after the first one.
    pub retries_max: usize,
}

impl Default for DelaySettings {
    fn default() -> Self {
        Self { first: Duration::from_millis(50), longest: Duration::from_secs(2), retries_max: 2 }
    }
}

/// The pauses of one call.
#[derive(Debug)]
pub struct Delays {
    /// The most that each pause may be.
    ceilings: ExponentialBackoff,
    /// The same, each with something between nothing and itself added.
    raised: ExponentialBackoff,
}

impl Delays {
    /// The pauses that `seed` gives.
    #[must_use]
    pub fn new(settings: &DelaySettings, seed: u64) -> Self {
        let ceilings = ExponentialBuilder::new()
            .with_min_delay(settings.first.min(settings.longest))
            .with_max_delay(settings.longest)
            .with_max_times(settings.retries_max);
        let raised = ceilings.with_jitter().with_jitter_seed(seed);
        Self { ceilings: ceilings.build(), raised: raised.build() }
    }
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let (ceiling, raised) = (self.ceilings.next()?, self.raised.next()?);
        Some(raised.saturating_sub(ceiling))
    }
}
