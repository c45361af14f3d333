//! How far a demo is, in lines, for whoever sees no bar.

use std::time::{Duration, Instant};

/// Between two lines, and before the first: short runs say nothing.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// When a line is due, and what it says.
#[derive(Debug)]
pub(super) struct Progress {
    due: Instant,
    /// When how many requests had been sent that the next rate counts from.
    from: Option<(Instant, usize)>,
}

impl Progress {
    pub(super) fn began(at: Instant) -> Self {
        Self { due: at + SAID_EVERY, from: None }
    }

    /// Takes note that `sent` of `all` requests are sent by `now`; a line, when one is due.
    pub(super) fn note(&mut self, now: Instant, sent: usize, all: usize) -> Option<String> {
        // Of a log that goes on, this run has not sent what is there already.
        let (since, before) = *self.from.get_or_insert((now, sent));
        let elapsed_ms = now.duration_since(since).as_millis();
        if now < self.due || elapsed_ms == 0 {
            return None;
        }
        (self.due, self.from) = (now + SAID_EVERY, Some((now, sent)));
        let rate = (sent.saturating_sub(before) as u128) * 1_000 / elapsed_ms;
        Some(format!("{sent} of {all} requests sent, {rate} a second"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_every_ten_seconds_and_none_before() {
        let began = Instant::now();
        let mut progress = Progress::began(began);
        let mut note = |second, sent| progress.note(began + Duration::from_secs(second), sent, 900);
        assert_eq!(note(2, 300), None);
        assert_eq!(note(9, 320), None);
        let said = |sent, rate| Some(format!("{sent} of 900 requests sent, {rate} a second"));
        assert_eq!(note(12, 400), said(400, 10), "300 were there before");
        assert_eq!(note(21, 500), None);
        assert_eq!(note(22, 700), said(700, 30), "as fast as lately");
    }

    #[test]
    fn a_log_that_takes_long_to_read_is_no_division_by_zero() {
        let began = Instant::now();
        let mut progress = Progress::began(began);
        assert_eq!(progress.note(began + SAID_EVERY, 5, 9), None);
    }
}
