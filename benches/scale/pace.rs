//! An open loop: commands come when they come, whether or not those before are answered. Each is
//! late by what passes from the moment at which it was to come until it is answered.

use conclave_core::command::Command;
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// Commands per second.
pub(crate) const RATE: usize = 2_000;
/// Commands of one round at the most.
const ROUND: usize = 1_000;
/// The longest time that is told apart: ten minutes.
const MICROS_MAX: u64 = 600_000_000;

/// Whoever answers.
pub(crate) trait Answered {
    /// What comes next.
    fn next(&mut self) -> Command;
    /// Answers what has come, in rounds of its own.
    fn answer(&mut self, commands: Vec<Command>);
}

/// How late answers were.
#[derive(Debug)]
pub(crate) struct Paced {
    /// In microseconds.
    pub(crate) late: Histogram<u64>,
    /// The part of the time in which something was answered.
    pub(crate) busy: f64,
}

/// Sends `count` commands at [`RATE`].
pub(crate) fn paced(answered: &mut impl Answered, count: usize) -> Paced {
    let bounded = Histogram::new_with_bounds(1, MICROS_MAX, 3);
    let mut late = bounded.expect("three digits are few");
    let gap = Duration::from_secs(1) / u32::try_from(RATE).expect("a small number");
    let due = |n: usize| gap * u32::try_from(n).expect("a count of a short run");
    let (began, mut sent, mut busy) = (Instant::now(), 0, Duration::ZERO);
    while sent < count {
        let passed = began.elapsed();
        let come = (sent..count.min(sent + ROUND)).take_while(|n| due(*n) <= passed).count();
        if come == 0 {
            std::thread::sleep(due(sent) - passed);
            continue;
        }
        let commands = (0..come).map(|_| answered.next()).collect();
        let started = Instant::now();
        answered.answer(commands);
        busy += started.elapsed();
        let done = began.elapsed();
        for n in sent..sent + come {
            let micros = u64::try_from((done - due(n)).as_micros()).unwrap_or(u64::MAX);
            late.saturating_record(micros);
        }
        sent += come;
    }
    Paced { late, busy: busy.as_secs_f64() / began.elapsed().as_secs_f64() }
}
