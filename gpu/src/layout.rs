//! What a wave looks like in bytes: what goes up to the device, and what comes down.
//!
//! Up: the dispatches, the pieces, their steps, the states before them. Down: the state and the
//! logits after each step. All integers are little endian.

use crate::fault::GpuFault;
use crate::wave::{Piece, WAVE_PIECES, WAVE_STEPS, WAVE_TURNS, Wave};
use conclave_core::council::logits::LOGITS;
use conclave_core::council::{
    Council, CouncilLogits, HiddenState, Logits, MEMBERS_MAX, Ran, Run, Step,
};
use std::ops::Range;

/// From one dispatch's numbers to the next: what every device accepts as an offset.
const TURN_BYTES: usize = 256;
/// First step and number of steps.
const PIECE_BYTES: usize = 8;
/// 32 features and the time code.
const STEP_BYTES: usize = 36;
/// Of one member: an int32 each.
const LOGITS_BYTES: usize = 4 * LOGITS;
/// So many workgroups keep the largest device busy; with more, each takes several pieces and reads
/// its weights once for all of them.
const WORKGROUPS_ENOUGH: usize = 1_024;
/// Pieces of one workgroup.
const TILE_PIECES_MAX: usize = 8;

/// Bytes of the largest wave, part by part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) turns: usize,
    pub(crate) pieces: usize,
    pub(crate) steps: usize,
    /// Before the pieces, which go up.
    pub(crate) before: usize,
    /// After the steps, which come down.
    pub(crate) after: usize,
    pub(crate) logits: usize,
}

impl Sizes {
    /// For waves of this council.
    pub(crate) fn of(council: &Council) -> Self {
        Self {
            turns: WAVE_TURNS * TURN_BYTES,
            pieces: WAVE_PIECES * PIECE_BYTES,
            steps: WAVE_STEPS * STEP_BYTES,
            before: WAVE_PIECES * 2 * council.words(),
            after: WAVE_STEPS * 2 * council.words(),
            logits: WAVE_STEPS * council.parts().members.len() * LOGITS_BYTES,
        }
    }

    pub(crate) fn upload(&self) -> usize {
        self.turns + self.pieces + self.steps + self.before
    }

    pub(crate) fn download(&self) -> usize {
        self.after + self.logits
    }
}

/// One dispatch of a wave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dispatch {
    /// Where its numbers stand.
    pub(crate) offset: u32,
    /// Workgroups in x; in y, there are as many as members.
    pub(crate) tiles: u32,
}

/// A wave to be sent up.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) bytes: Vec<u8>,
    pub(crate) turns: Range<usize>,
    pub(crate) pieces: Range<usize>,
    pub(crate) steps: Range<usize>,
    pub(crate) before: Range<usize>,
    pub(crate) dispatches: Vec<Dispatch>,
    /// Bytes of states that will come down.
    pub(crate) after: usize,
    /// Bytes of logits that will come down.
    pub(crate) logits: usize,
}

impl Upload {
    /// `wave` of `batch`, of which `all` is known so far.
    pub(crate) fn new(council: &Council, wave: &Wave, batch: &[Run], all: &[Ran]) -> Self {
        let members = council.parts().members.len();
        let mut bytes = Vec::new();
        let dispatches = put_turns(&mut bytes, wave, members);
        let turns = 0..bytes.len();
        let mut first = 0;
        for piece in &wave.pieces {
            put(&mut bytes, [first, piece.steps.len()]);
            first += piece.steps.len();
        }
        let pieces = turns.end..bytes.len();
        for Piece { run, steps } in &wave.pieces {
            batch[*run].steps[steps.clone()].iter().for_each(|step| put_step(&mut bytes, step));
        }
        let steps = pieces.end..bytes.len();
        for piece in &wave.pieces {
            let state = batch[piece.run].state_before(&all[piece.run], piece.steps.start);
            bytes.extend(state.words().iter().flat_map(|word| word.to_le_bytes()));
        }
        let before = steps.end..bytes.len();
        let (after, logits) = (first * 2 * council.words(), first * members * LOGITS_BYTES);
        Self { bytes, turns, pieces, steps, before, dispatches, after, logits }
    }

    /// Bytes that will come down.
    pub(crate) fn download(&self) -> usize {
        self.after + self.logits
    }
}

fn put_turns(bytes: &mut Vec<u8>, wave: &Wave, members: usize) -> Vec<Dispatch> {
    let mut dispatches = Vec::new();
    for (from, pieces) in wave.turns() {
        let tile = (pieces * members).div_ceil(WORKGROUPS_ENOUGH).clamp(1, TILE_PIECES_MAX);
        let offset = bytes.len();
        put(bytes, [from, tile, pieces, members]);
        bytes.resize(offset + TURN_BYTES, 0);
        dispatches.push(Dispatch { offset: word(offset), tiles: word(pieces.div_ceil(tile)) });
    }
    dispatches
}

fn put_step(bytes: &mut Vec<u8>, step: &Step) {
    bytes.extend(step.features.values().iter().map(|value| value.cast_unsigned()));
    bytes.extend(step.time.get().to_le_bytes());
}

fn put<const N: usize>(bytes: &mut Vec<u8>, numbers: [usize; N]) {
    bytes.extend(numbers.into_iter().flat_map(|number| word(number).to_le_bytes()));
}

fn word(number: usize) -> u32 {
    u32::try_from(number).expect("a wave is smaller than 4 GiB")
}

/// Puts what came down of `wave` where it belongs.
///
/// # Errors
/// [`GpuFault::Corrupt`] when a word is none that a council can make.
pub(crate) fn take_down(
    council: &Council,
    wave: &Wave,
    bytes: &[u8],
    all: &mut [Ran],
) -> Result<(), GpuFault> {
    let (state_bytes, members) = (2 * council.words(), council.parts().members.len());
    let steps: usize = wave.pieces.iter().map(|piece| piece.steps.len()).sum();
    let (states, logits) = bytes.split_at(steps * state_bytes);
    let logits = logits.chunks_exact(members * LOGITS_BYTES);
    let mut after = states.chunks_exact(state_bytes).zip(logits);
    for Piece { run, steps } in &wave.pieces {
        let ran = &mut all[*run];
        for (state, logits) in after.by_ref().take(steps.len()) {
            ran.states.push(state_of(council, state)?);
            ran.logits.push(logits_of(logits)?);
        }
    }
    Ok(())
}

fn state_of(council: &Council, bytes: &[u8]) -> Result<HiddenState, GpuFault> {
    let (words, _) = bytes.as_chunks::<2>();
    let words = words.iter().map(|word| i16::from_le_bytes(*word)).collect();
    let beyond = || GpuFault::corrupt("a word of a state is beyond plus or minus one");
    HiddenState::from_words(council, words).ok_or_else(beyond)
}

fn logits_of(bytes: &[u8]) -> Result<CouncilLogits, GpuFault> {
    let mut members = [Logits::default(); MEMBERS_MAX];
    let (found, _) = bytes.as_chunks::<LOGITS_BYTES>();
    let beyond = || GpuFault::corrupt("a logit does not fit in 16 bits");
    for (member, logits) in members.iter_mut().zip(found) {
        for (logit, bytes) in member.0.iter_mut().zip(logits.as_chunks::<4>().0) {
            *logit = i16::try_from(i32::from_le_bytes(*bytes)).map_err(|_| beyond())?;
        }
    }
    CouncilLogits::from_members(&members[..found.len()]).ok_or_else(beyond)
}
