//! A batch cut into what is submitted at once.
//!
//! A segment is cut into runs, because a buffer is finite; runs of different segments go together
//! in waves. A segment's next run begins with the state that its last one left, so it is in a later
//! round; the waves of one round do not depend on each other.

use crate::batch::Segment;
use crate::shader::TURN_STEPS;
use std::cmp::Reverse;
use std::ops::Range;

/// Runs of one wave.
pub(crate) const WAVE_RUNS: usize = 4_096;
/// Steps of one wave.
pub(crate) const WAVE_STEPS: usize = 16_384;
/// Steps of one run.
pub(crate) const RUN_STEPS: usize = 1_024;
/// Dispatches of one wave.
pub(crate) const WAVE_TURNS: usize = RUN_STEPS / TURN_STEPS;

const _: () = assert!(RUN_STEPS <= WAVE_STEPS && RUN_STEPS.is_multiple_of(TURN_STEPS));

/// Some steps of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Which segment of the batch.
    pub(crate) segment: usize,
    /// Which of its steps; at least one.
    pub(crate) steps: Range<usize>,
}

/// What is submitted at once: the longest runs first, so that those that go on after some steps are
/// the first few.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wave {
    pub(crate) runs: Vec<Run>,
}

impl Wave {
    /// How many runs each dispatch goes on with.
    pub(crate) fn turns(&self) -> impl Iterator<Item = (usize, usize)> {
        let goes_on = |from: usize| self.runs.partition_point(|run| from < run.steps.len());
        let turns =
            (0..WAVE_TURNS).map(move |turn| (turn * TURN_STEPS, goes_on(turn * TURN_STEPS)));
        turns.take_while(|(_, runs)| 0 < *runs)
    }
}

/// The rounds of a batch, each of independent waves.
pub(crate) fn rounds(batch: &[Segment]) -> impl Iterator<Item = Vec<Wave>> {
    let longest = batch.iter().map(|segment| segment.steps.len()).max().unwrap_or(0);
    (0..longest.div_ceil(RUN_STEPS)).map(|round| waves(batch, round * RUN_STEPS))
}

/// The runs that begin at step `from`, in waves.
fn waves(batch: &[Segment], from: usize) -> Vec<Wave> {
    let run = |(segment, Segment { steps, .. }): (usize, &Segment)| {
        let until = steps.len().min(from + RUN_STEPS);
        (from < until).then_some(Run { segment, steps: from..until })
    };
    let mut runs: Vec<_> = batch.iter().enumerate().filter_map(run).collect();
    runs.sort_by_key(|run| Reverse(run.steps.len()));
    let (mut waves, mut wave, mut steps) = (Vec::new(), Wave::default(), 0);
    for run in runs {
        if wave.runs.len() == WAVE_RUNS || WAVE_STEPS < steps + run.steps.len() {
            waves.push(std::mem::take(&mut wave));
            steps = 0;
        }
        steps += run.steps.len();
        wave.runs.push(run);
    }
    waves.push(wave);
    waves
}
