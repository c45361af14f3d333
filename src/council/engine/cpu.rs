//! The processor: one thread for a ballot, several for a log.

use super::plan::steps;
use crate::council::CpuCouncil;
use conclave_core::council::{Ran, Run, Runner};
use std::num::NonZeroUsize;

/// Steps that are worth a thread of their own: a millisecond of work.
const STEPS_PER_THREAD: usize = 512;

/// A council on so many threads at most.
#[derive(Clone, Debug)]
pub(super) struct Cpu {
    council: CpuCouncil,
    threads: NonZeroUsize,
}

impl Cpu {
    pub(super) fn new(council: CpuCouncil, threads: NonZeroUsize) -> Self {
        Self { council, threads }
    }

    /// One thread's.
    pub(super) fn council(&self) -> &CpuCouncil {
        &self.council
    }
}

impl Runner for Cpu {
    fn run(&self, runs: &[Run]) -> Vec<Ran> {
        let all = steps(runs);
        let threads = self.threads.get().min(all / STEPS_PER_THREAD);
        if threads <= 1 {
            return self.council.run(runs);
        }
        let shares = shares(runs, all.div_ceil(threads));
        std::thread::scope(|scope| {
            let started: Vec<_> =
                shares.iter().map(|share| scope.spawn(|| self.council.run(share))).collect();
            let ended = started.into_iter().map(std::thread::ScopedJoinHandle::join);
            ended.flat_map(|share| share.unwrap_or_else(rethrow)).collect()
        })
    }
}

fn rethrow(panic: Box<dyn std::any::Any + Send>) -> Vec<Ran> {
    std::panic::resume_unwind(panic)
}

/// Runs side by side, about so many steps in each share; a run is never cut.
fn shares(runs: &[Run], steps_each: usize) -> Vec<&[Run]> {
    let (mut shares, mut rest) = (vec![], runs);
    while !rest.is_empty() {
        let mut counted = 0;
        let ends = rest.iter().position(|run| {
            counted += run.steps.len();
            steps_each <= counted
        });
        let (share, others) = rest.split_at(ends.map_or(rest.len(), |last| last + 1));
        shares.push(share);
        rest = others;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::council::{Way, read};
    use conclave_core::council::{CouncilFile, HiddenState, Step};

    const FIVE: &[u8] = include_bytes!("../../../tests/golden/council/five.council");

    fn runs(file: &CouncilFile, lengths: &[usize]) -> Vec<Run> {
        let code = |elapsed| file.council().parts().time.code(elapsed);
        let golden = file.golden().iter().flat_map(|sequence| &sequence.steps);
        let golden = golden.map(|step| Step { features: step.features, time: code(step.elapsed) });
        let mut golden = golden.cycle();
        let mut run = |length: &usize| Run {
            state: HiddenState::new(file.council()),
            steps: golden.by_ref().take(*length).collect(),
        };
        lengths.iter().map(&mut run).collect()
    }

    #[test]
    fn any_number_of_threads_finds_the_words_of_the_reference_in_order() {
        let file = read(FIVE).expect("a golden file");
        let lengths: Vec<usize> = (0..90).map(|tenant| tenant * 37 % 61).collect();
        let runs = runs(&file, &lengths);
        let expected = file.council().run(&runs);
        for threads in [1, 2, 3, 64] {
            let council = CpuCouncil::new(&file, Way::fastest()).expect("sound");
            let threads = NonZeroUsize::new(threads).expect("some");
            assert!(Cpu::new(council, threads).run(&runs) == expected, "{threads} threads");
        }
    }

    #[test]
    fn shares_hold_every_run_once_and_none_is_empty() {
        let file = read(FIVE).expect("a golden file");
        for lengths in [vec![], vec![0], vec![0, 0, 9], vec![9, 0, 0], vec![1; 10], vec![50, 1, 1]]
        {
            let runs = runs(&file, &lengths);
            let shares = shares(&runs, 4);
            assert_eq!(shares.concat(), runs);
            assert!(shares.iter().all(|share| !share.is_empty()), "{lengths:?}");
        }
    }
}
