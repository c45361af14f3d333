//! A batch cut into what is submitted at once.
//!
//! A run is cut into pieces, because a buffer is finite; pieces of different runs go together in
//! waves. A run's next piece begins with the state that its last one left, so it is in a later
//! round; the waves of one round do not depend on each other.

use crate::shader::TURN_STEPS;
use std::cmp::Reverse;
use std::ops::Range;

/// Pieces of one wave.
pub(crate) const WAVE_PIECES: usize = 4_096;
/// Steps of one wave.
pub(crate) const WAVE_STEPS: usize = 16_384;
/// Steps of one piece.
pub(crate) const PIECE_STEPS: usize = 1_024;
/// Dispatches of one wave.
pub(crate) const WAVE_TURNS: usize = PIECE_STEPS / TURN_STEPS;

const _: () = assert!(PIECE_STEPS <= WAVE_STEPS && PIECE_STEPS.is_multiple_of(TURN_STEPS));

/// Some steps of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Which run of the batch.
    pub(crate) run: usize,
    /// Which of its steps; at least one.
    pub(crate) steps: Range<usize>,
}

/// What is submitted at once: the longest pieces first, so that those that go on after some steps
/// are the first few.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wave {
    pub(crate) pieces: Vec<Piece>,
}

impl Wave {
    /// How many pieces each dispatch goes on with.
    pub(crate) fn turns(&self) -> impl Iterator<Item = (usize, usize)> {
        let goes_on = |from: usize| self.pieces.partition_point(|piece| from < piece.steps.len());
        let turns =
            (0..WAVE_TURNS).map(move |turn| (turn * TURN_STEPS, goes_on(turn * TURN_STEPS)));
        turns.take_while(|(_, pieces)| 0 < *pieces)
    }
}

/// The rounds of a batch whose runs have so many steps, each of independent waves.
pub(crate) fn rounds(lengths: &[usize]) -> impl Iterator<Item = Vec<Wave>> {
    let longest = lengths.iter().copied().max().unwrap_or(0);
    (0..longest.div_ceil(PIECE_STEPS)).map(|round| waves(lengths, round * PIECE_STEPS))
}

/// The pieces that begin at step `from`, in waves.
fn waves(lengths: &[usize], from: usize) -> Vec<Wave> {
    let piece = |(run, length): (usize, &usize)| {
        let until = (*length).min(from + PIECE_STEPS);
        (from < until).then_some(Piece { run, steps: from..until })
    };
    let mut pieces: Vec<_> = lengths.iter().enumerate().filter_map(piece).collect();
    pieces.sort_by_key(|piece| Reverse(piece.steps.len()));
    let (mut waves, mut wave, mut steps) = (Vec::new(), Wave::default(), 0);
    for piece in pieces {
        if wave.pieces.len() == WAVE_PIECES || WAVE_STEPS < steps + piece.steps.len() {
            waves.push(std::mem::take(&mut wave));
            steps = 0;
        }
        steps += piece.steps.len();
        wave.pieces.push(piece);
    }
    waves.push(wave);
    waves
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every step of every run is in one piece, a later one in a later round, and no wave is
    /// larger than its buffers.
    #[track_caller]
    fn check(lengths: &[usize], waves_per_round: &[usize]) {
        let mut done = vec![0; lengths.len()];
        let mut counts = Vec::new();
        for waves in rounds(lengths) {
            counts.push(waves.len());
            let before = done.clone();
            for piece in waves.iter().flat_map(|wave| &wave.pieces) {
                assert_eq!(piece.steps.start, before[piece.run], "{piece:?}");
                assert!(!piece.steps.is_empty() && piece.steps.len() <= PIECE_STEPS, "{piece:?}");
                done[piece.run] = piece.steps.end;
            }
            for wave in waves {
                let steps: usize = wave.pieces.iter().map(|piece| piece.steps.len()).sum();
                assert!(wave.pieces.len() <= WAVE_PIECES && steps <= WAVE_STEPS);
            }
        }
        assert_eq!((done.as_slice(), counts.as_slice()), (lengths, waves_per_round));
    }

    #[test]
    fn every_step_is_in_one_run_and_no_wave_is_too_large() {
        check(&[], &[]);
        check(&[0, 0], &[]);
        check(&[1], &[1]);
        check(&[0, PIECE_STEPS, 3, PIECE_STEPS + 1], &[1, 1]);
        check(&[1; WAVE_PIECES + 1], &[2]);
        check(&[PIECE_STEPS; 17], &[2]);
        check(&[2 * PIECE_STEPS + 5, 1, 0, 700], &[1, 1, 1]);
    }

    #[test]
    fn the_dispatches_of_a_wave_go_on_with_the_longest_runs() {
        let waves: Vec<_> = rounds(&[1, 40, 16, 17]).flatten().collect();
        let turns: Vec<_> = waves.iter().flat_map(Wave::turns).collect();
        assert_eq!(turns, [(0, 4), (TURN_STEPS, 2), (2 * TURN_STEPS, 1)]);
        let longest: Vec<_> = rounds(&[PIECE_STEPS]).flatten().collect();
        assert_eq!(longest[0].turns().count(), WAVE_TURNS);
    }
}
