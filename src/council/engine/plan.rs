//! From how many steps side by side on a device is the faster one, and how they are handed to it.

use super::cpu::Cpu;
use conclave_core::council::{Ran, Run, Runner};
use conclave_gpu::{BATCH_RUNS_MAX, BatchFigure, GpuCouncil, GpuFault, measure, one_step_each};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Steps that are sent to a device at once: hardware takes milliseconds for them.
const BATCH_STEPS: usize = 1 << 16;
/// Batches per figure of the processor; the shortest counts, as on a device.
const REPEATS: usize = 7;

const _: () = assert!(BATCH_STEPS <= conclave_gpu::BATCH_STEPS_MAX);

/// The batch size from which on a device is faster than the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossover(Option<usize>);

impl Crossover {
    /// The least size from which on each measured batch took `gpu` less time than `cpu`. Sizes are
    /// the same in both, and rise.
    ///
    /// # Panics
    /// When the sizes differ.
    #[must_use]
    pub fn of(gpu: &[BatchFigure], cpu: &[BatchFigure]) -> Self {
        let is_same = |(gpu, cpu): (&BatchFigure, &BatchFigure)| gpu.decisions == cpu.decisions;
        assert!(gpu.len() == cpu.len() && gpu.iter().zip(cpu).all(is_same), "other batches");
        let wins = |(gpu, cpu): &(&BatchFigure, &BatchFigure)| gpu.batch < cpu.batch;
        let last = gpu.iter().zip(cpu).rev().take_while(wins).last();
        Self(last.map(|(gpu, _)| gpu.decisions))
    }

    /// The size; none when the processor was faster at the largest batch, too.
    #[must_use]
    pub fn decisions(self) -> Option<usize> {
        self.0
    }

    /// Whether so many steps side by side are better computed on the device.
    pub(super) fn favours_gpu(self, side_by_side: usize) -> bool {
        self.0.is_some_and(|least| least <= side_by_side)
    }
}

/// Measures both machines in turn.
///
/// # Errors
/// What the device says.
pub(super) fn crossover(gpu: &GpuCouncil, cpu: &Cpu) -> Result<Crossover, GpuFault> {
    let on_gpu = measure(gpu)?;
    let on_cpu: Vec<_> = on_gpu
        .iter()
        .map(|BatchFigure { decisions, .. }| BatchFigure {
            decisions: *decisions,
            batch: shortest(cpu, &one_step_each(gpu.file().council(), *decisions)),
        })
        .collect();
    Ok(Crossover::of(&on_gpu, &on_cpu))
}

/// The shortest time that `runner` takes for `batch`, after once for warming up: whatever disturbs
/// only makes it longer.
pub fn shortest(runner: &impl Runner, batch: &[Run]) -> Duration {
    let timed = || {
        let began = Instant::now();
        black_box(runner.run(black_box(batch)));
        began.elapsed()
    };
    timed();
    (0..REPEATS).map(|_| timed()).min().unwrap_or_default()
}

/// Steps of all runs together.
pub(super) fn steps(runs: &[Run]) -> usize {
    runs.iter().map(|run| run.steps.len()).sum()
}

/// Steps that a device computes at a time, on average: those of one run follow each other, so it
/// takes as many turns as the longest run has steps. What was measured is batches of one turn.
pub(super) fn side_by_side(runs: &[Run]) -> usize {
    let turns = runs.iter().map(|run| run.steps.len()).max().unwrap_or(0);
    steps(runs).checked_div(turns).unwrap_or(0)
}

/// Computes `runs` with `compute`, in as many batches as it takes. None when a run is too long for
/// any batch.
///
/// # Errors
/// Those of `compute`.
pub(super) fn in_batches(
    runs: &[Run],
    mut compute: impl FnMut(&[Run]) -> Result<Vec<Ran>, GpuFault>,
) -> Result<Option<Vec<Ran>>, GpuFault> {
    let (mut all, mut rest) = (Vec::with_capacity(runs.len()), runs);
    while !rest.is_empty() {
        let mut counted = 0;
        let fits = |run: &&Run| {
            counted += run.steps.len();
            counted <= BATCH_STEPS
        };
        let count = rest.iter().take(BATCH_RUNS_MAX).take_while(fits).count();
        if count == 0 {
            return Ok(None);
        }
        let (batch, others) = rest.split_at(count);
        all.extend(compute(batch)?);
        rest = others;
    }
    Ok(Some(all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::council::read;
    use conclave_core::council::{CouncilFile, HiddenState, Step, TimeCode};

    #[track_caller]
    fn check(gpu: [u64; 4], cpu: [u64; 4], expected: Option<usize>) {
        let figures = |took: [u64; 4]| {
            [1, 16, 64, 256].iter().zip(took).map(|(decisions, took)| BatchFigure {
                decisions: *decisions,
                batch: Duration::from_micros(took),
            })
        };
        let (gpu, cpu): (Vec<_>, Vec<_>) = (figures(gpu).collect(), figures(cpu).collect());
        let crossover = Crossover::of(&gpu, &cpu);
        assert_eq!(crossover.decisions(), expected, "{gpu:?} {cpu:?}");
        let least = expected.unwrap_or(usize::MAX);
        assert_eq!(crossover.favours_gpu(least), expected.is_some());
        assert!(!crossover.favours_gpu(least - 1));
    }

    #[test]
    fn a_device_is_favoured_from_where_it_stays_the_faster_one() {
        check([100, 100, 110, 120], [2, 32, 128, 512], Some(64));
        check([100, 100, 130, 120], [2, 32, 128, 512], Some(256));
        check([100, 200, 900, 3_000], [2, 32, 128, 512], None);
        check([1, 1, 1, 1], [2, 32, 128, 512], Some(1));
        // One lucky figure in the middle is luck.
        check([100, 1, 900, 100], [2, 32, 128, 512], Some(256));
        check([2, 32, 128, 512], [2, 32, 128, 512], None);
    }

    fn run(file: &CouncilFile, steps: usize) -> Run {
        let step = Step {
            features: file.golden()[0].steps[0].features,
            time: TimeCode::new(0).expect("a code"),
        };
        Run { state: HiddenState::new(file.council()), steps: vec![step; steps] }
    }

    #[test]
    fn steps_of_one_run_are_not_side_by_side() {
        let file = read(include_bytes!("../../../tests/golden/council/narrow.council")).unwrap();
        let check = |lengths: &[usize], expected| {
            let runs: Vec<_> = lengths.iter().map(|steps| run(&file, *steps)).collect();
            assert_eq!(side_by_side(&runs), expected, "{lengths:?}");
        };
        check(&[], 0);
        check(&[0, 0], 0);
        check(&[1; 300], 300);
        check(&[300], 1);
        check(&[3, 3, 3, 0], 3);
        check(&[100, 1, 1], 1);
        check(&[4, 2, 2], 2);
    }

    #[test]
    fn batches_are_as_large_as_a_device_takes_and_hold_every_run_in_order() {
        let file = read(include_bytes!("../../../tests/golden/council/narrow.council")).unwrap();
        let lengths = [3, BATCH_STEPS - 3, 1, BATCH_STEPS, 0, 2];
        let runs: Vec<_> = lengths.iter().map(|steps| run(&file, *steps)).collect();
        let mut sizes = vec![];
        let all = in_batches(&runs, |batch| {
            sizes.push(batch.len());
            Ok(vec![Ran::default(); batch.len()])
        });
        assert_eq!(all.unwrap().unwrap().len(), runs.len());
        assert_eq!(sizes, [2, 1, 2, 1]);
        let long = [run(&file, BATCH_STEPS + 1)];
        let none = in_batches(&long, |_| panic!("nothing is sent"));
        assert_eq!(none, Ok(None));
    }
}
