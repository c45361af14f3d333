//! A circuit breaker: a dependency that fails is left alone for a while, then asked carefully.
//!
//! ```text
//!            too many failures or slow calls
//!   closed ─────────────────────────────────▶ open ──── after a while ───▶ half-open
//!     ▲                                         ▲   a probe fails, is slow or hangs │
//!     │                                         └───────────────────────────────────┤
//!     └───────────────────────── enough probes succeed ◀────────────────────────────┘
//! ```
//!
//! A permit belongs to the state in which it was given: an answer that comes after the state has
//! changed decides nothing. Every permit has to be given back, whatever became of its call.

use super::Moment;
use super::window::{Window, WindowSize};
use serde::Serialize;
use std::time::Duration;

/// Basis points of everything.
const ALL_BP: u64 = 10_000;

/// When a breaker opens, and how it closes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// How far it looks back.
    pub window: WindowSize,
    /// Calls in the window before a rate means anything.
    pub calls_min: u64,
    /// Failures among them at which it opens, in basis points.
    pub failure_rate_bp: u64,
    /// From when on a call is slow.
    pub slow_after: Duration,
    /// Slow calls among them at which it opens, in basis points.
    pub slow_rate_bp: u64,
    /// Failures in a row at which it opens, however few calls there are.
    pub failures_in_a_row: u64,
    /// How long it stays open at first; twice as long each time that probing fails.
    pub open_for: Duration,
    /// How long it stays open at most.
    pub open_for_max: Duration,
    /// Probes that have to succeed before it closes; no more than these are under way at a time.
    pub probes: u64,
    /// How long a probe may take before it counts as failed.
    pub probe_timeout: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            window: WindowSize::Calls(50),
            calls_min: 20,
            failure_rate_bp: 5_000,
            slow_after: Duration::from_secs(1),
            slow_rate_bp: 8_000,
            failures_in_a_row: 5,
            open_for: Duration::from_secs(1),
            open_for_max: Duration::from_secs(10),
            probes: 2,
            probe_timeout: Duration::from_secs(5),
        }
    }
}

/// Which calls a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// All of them.
    Closed,
    /// None until it is time to probe.
    Open,
    /// A few, to find out.
    HalfOpen,
    /// None: a person said so.
    ForcedOpen,
    /// All of them: a person said so.
    ForcedClosed,
}

/// How a call ended, as far as its dependency goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, if only with a refusal.
    Success,
    /// It did not answer, or said that it cannot.
    Failure,
    /// The call says nothing about it: it was given up, or failed on our side.
    Neutral,
}

/// Leave to make one call. Give it back with [`Breaker::finish`].
#[derive(Debug)]
#[must_use = "a permit that is not given back blocks a probe until it times out"]
pub struct Permit {
    generation: u64,
    began: Moment,
}

/// No leave to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// When to ask again; none when only a person can change it.
    pub until: Option<Moment>,
}

/// The state machine.
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: BreakerState,
    /// Rises with every change of the state.
    generation: u64,
    since: Moment,
    window: Window,
    failures_in_a_row: u64,
    open_for: Duration,
    probes_running: u64,
    /// When the last of them began.
    probed_at: Moment,
    probes_done: u64,
    opened: u64,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: BreakerState::Closed,
            generation: 0,
            since: Moment::default(),
            window: Window::new(settings.window),
            failures_in_a_row: 0,
            open_for: settings.open_for,
            probes_running: 0,
            probed_at: Moment::default(),
            probes_done: 0,
            opened: 0,
        }
    }

    /// The state as it was after the last call.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// How often it opened by itself.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Whether a call may be made now.
    ///
    /// # Errors
    /// When none may, and when to ask again.
    pub fn ask(&mut self, now: Moment) -> Result<Permit, Rejected> {
        self.tick(now);
        match self.state {
            BreakerState::Closed | BreakerState::ForcedClosed => {}
            BreakerState::ForcedOpen => return Err(Rejected { until: None }),
            BreakerState::Open => {
                return Err(Rejected { until: Some(self.since.after(self.open_for)) });
            }
            BreakerState::HalfOpen => {
                if self.probes_running + self.probes_done >= self.settings.probes.max(1) {
                    let until = self.probed_at.after(self.settings.probe_timeout);
                    return Err(Rejected { until: Some(until) });
                }
                self.probes_running += 1;
                self.probed_at = now;
            }
        }
        Ok(Permit { generation: self.generation, began: now })
    }

    /// Takes a permit back, and what became of its call. Says whether the call was slow.
    pub fn finish(&mut self, permit: Permit, now: Moment, outcome: Outcome) -> bool {
        let is_slow = now.since(permit.began) > self.settings.slow_after;
        if permit.generation != self.generation {
            return is_slow;
        }
        match self.state {
            BreakerState::Closed => self.note(now, outcome, is_slow),
            BreakerState::HalfOpen => self.probed(now, outcome, is_slow),
            BreakerState::Open | BreakerState::ForcedOpen | BreakerState::ForcedClosed => {}
        }
        is_slow
    }

    /// Holds it open or closed until it is released.
    pub fn force(&mut self, open: bool, now: Moment) {
        let state = if open { BreakerState::ForcedOpen } else { BreakerState::ForcedClosed };
        self.change(state, now);
    }

    /// Lets it go on by itself, closed.
    pub fn release(&mut self, now: Moment) {
        self.open_for = self.settings.open_for;
        self.change(BreakerState::Closed, now);
    }

    /// What time alone changes.
    fn tick(&mut self, now: Moment) {
        let is_over = match self.state {
            BreakerState::Open => now.since(self.since) >= self.open_for,
            BreakerState::HalfOpen => {
                self.probes_running > 0 && now.since(self.probed_at) >= self.settings.probe_timeout
            }
            BreakerState::Closed | BreakerState::ForcedOpen | BreakerState::ForcedClosed => false,
        };
        match self.state {
            BreakerState::Open if is_over => self.change(BreakerState::HalfOpen, now),
            BreakerState::HalfOpen if is_over => self.open_again(now),
            _ => {}
        }
    }

    fn note(&mut self, now: Moment, outcome: Outcome, is_slow: bool) {
        let is_failure = match outcome {
            Outcome::Success => false,
            Outcome::Failure => true,
            Outcome::Neutral => return,
        };
        self.failures_in_a_row = if is_failure { self.failures_in_a_row + 1 } else { 0 };
        self.window.note(now, is_failure, is_slow);
        let tally = self.window.tally(now);
        let settings = &self.settings;
        let has = |part: u64, rate_bp: u64| part * ALL_BP >= rate_bp * tally.calls && part > 0;
        let is_bad = tally.calls >= settings.calls_min.max(1)
            && (has(tally.failures, settings.failure_rate_bp)
                || has(tally.slow, settings.slow_rate_bp));
        if is_bad || self.failures_in_a_row >= settings.failures_in_a_row.max(1) {
            self.open_for = settings.open_for;
            self.change(BreakerState::Open, now);
        }
    }

    fn probed(&mut self, now: Moment, outcome: Outcome, is_slow: bool) {
        self.probes_running -= 1;
        match outcome {
            Outcome::Neutral => {}
            Outcome::Success if !is_slow => {
                self.probes_done += 1;
                if self.probes_done >= self.settings.probes.max(1) {
                    self.release(now);
                }
            }
            Outcome::Success | Outcome::Failure => self.open_again(now),
        }
    }

    fn open_again(&mut self, now: Moment) {
        self.open_for = self.open_for.saturating_mul(2).min(self.settings.open_for_max);
        self.change(BreakerState::Open, now);
    }

    fn change(&mut self, state: BreakerState, now: Moment) {
        self.opened += u64::from(state == BreakerState::Open);
        self.state = state;
        self.generation += 1;
        self.since = now;
        self.window.clear();
        self.failures_in_a_row = 0;
        self.probes_running = 0;
        self.probes_done = 0;
    }
}
