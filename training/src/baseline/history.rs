//! The tenant's own rate so far: hard to beat, and known to anybody.

use super::Happening;
use crate::dataset::{Source, Target};

/// What is known of a tenant when it asks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Past {
    /// Requests whose end is known.
    pub known: f64,
    /// Those to which it happened.
    pub happened: f64,
    /// Whether it happened to the last of them.
    pub last: Option<f64>,
}

/// How many requests of the mean tenant stand for what is not known of one.
const PRIOR: f64 = 2.0;

impl Past {
    /// The rate, drawn to `base` as long as little is known.
    #[must_use]
    pub fn rate(&self, base: f64) -> f64 {
        (self.happened + PRIOR * base) / (self.known + PRIOR)
    }
}

/// What is known of the tenant with `steps` when it asks at step `at`.
#[must_use]
pub fn past(
    source: &Source,
    targets: &[Option<Target>],
    steps: &[usize],
    at: usize,
    what: Happening,
) -> Past {
    let now = source.story.steps[at].at_ms;
    let (mut past, mut latest) = (Past::default(), i64::MIN);
    for target in steps.iter().take_while(|step| **step < at).filter_map(|step| targets[*step]) {
        if now < target.known_ms {
            continue;
        }
        let happened = f64::from(u8::from(what.is(target.verdict)));
        past.known += 1.0;
        past.happened += happened;
        if latest <= target.known_ms {
            latest = target.known_ms;
            past.last = Some(happened);
        }
    }
    past
}
