//! A batch cut into what is submitted at once.
//!
//! A segment is cut into runs, because a buffer is finite; runs of different segments go together
//! in waves. A segment's next run begins with the state that its last one left, so it is in a later
//! round; the waves of one round do not depend on each other.

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

/// The rounds of a batch whose segments have so many steps, each of independent waves.
pub(crate) fn rounds(lengths: &[usize]) -> impl Iterator<Item = Vec<Wave>> {
    let longest = lengths.iter().copied().max().unwrap_or(0);
    (0..longest.div_ceil(RUN_STEPS)).map(|round| waves(lengths, round * RUN_STEPS))
}

/// The runs that begin at step `from`, in waves.
fn waves(lengths: &[usize], from: usize) -> Vec<Wave> {
    let run = |(segment, length): (usize, &usize)| {
        let until = (*length).min(from + RUN_STEPS);
        (from < until).then_some(Run { segment, steps: from..until })
    };
    let mut runs: Vec<_> = lengths.iter().enumerate().filter_map(run).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every step of every segment is in one run, a later one in a later round, and no wave is
    /// larger than its buffers.
    #[track_caller]
    fn check(lengths: &[usize], waves_per_round: &[usize]) {
        let mut done = vec![0; lengths.len()];
        let mut counts = Vec::new();
        for waves in rounds(lengths) {
            counts.push(waves.len());
            let before = done.clone();
            for run in waves.iter().flat_map(|wave| &wave.runs) {
                assert_eq!(run.steps.start, before[run.segment], "{run:?}");
                assert!(!run.steps.is_empty() && run.steps.len() <= RUN_STEPS, "{run:?}");
                done[run.segment] = run.steps.end;
            }
            for wave in waves {
                let steps: usize = wave.runs.iter().map(|run| run.steps.len()).sum();
                assert!(wave.runs.len() <= WAVE_RUNS && steps <= WAVE_STEPS);
            }
        }
        assert_eq!((done.as_slice(), counts.as_slice()), (lengths, waves_per_round));
    }

    #[test]
    fn every_step_is_in_one_run_and_no_wave_is_too_large() {
        check(&[], &[]);
        check(&[0, 0], &[]);
        check(&[1], &[1]);
        check(&[0, RUN_STEPS, 3, RUN_STEPS + 1], &[1, 1]);
        check(&[1; WAVE_RUNS + 1], &[2]);
        check(&[RUN_STEPS; 17], &[2]);
        check(&[2 * RUN_STEPS + 5, 1, 0, 700], &[1, 1, 1]);
    }

    #[test]
    fn the_dispatches_of_a_wave_go_on_with_the_longest_runs() {
        let waves: Vec<_> = rounds(&[1, 40, 16, 17]).flatten().collect();
        let turns: Vec<_> = waves.iter().flat_map(Wave::turns).collect();
        assert_eq!(turns, [(0, 4), (TURN_STEPS, 2), (2 * TURN_STEPS, 1)]);
        let longest: Vec<_> = rounds(&[RUN_STEPS]).flatten().collect();
        assert_eq!(longest[0].turns().count(), WAVE_TURNS);
    }
}
