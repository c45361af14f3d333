//! The same words, faster. It reads worse than the reference, and a property test holds the two
//! equal. What a machine does in its own way is a [`Lanes`] of whoever knows the machine: the core
//! asks no processor what it can.

mod curve;
mod lanes;
mod member;

pub use lanes::{Lanes, Pairs, Portable, Sums};

use super::features::Features;
use super::logits::CouncilLogits;
use super::member::{HiddenSize, Member};
use super::state::HiddenState;
use super::time::TimeCode;
use super::{Council, CouncilParts, Evaluator};
use curve::FastCurve;
use member::FastMember;

/// A council laid out for machines that multiply many pairs at once.
#[derive(Clone, Debug)]
pub struct FastCouncil {
    tanh: FastCurve,
    sigmoid: FastCurve,
    members: FastMembers,
}

#[derive(Clone, Debug)]
enum FastMembers {
    H16(Vec<FastMember<16, 24, 64, 2>>),
    H32(Vec<FastMember<32, 32, 128, 4>>),
    H64(Vec<FastMember<64, 48, 256, 8>>),
}

impl FastCouncil {
    /// The same council in another layout.
    #[must_use]
    pub fn new(council: &Council) -> Self {
        let CouncilParts { hidden, tanh, sigmoid, members, .. } = council.parts();
        let members = match hidden {
            HiddenSize::H16 => FastMembers::H16(laid_out(members)),
            HiddenSize::H32 => FastMembers::H32(laid_out(members)),
            HiddenSize::H64 => FastMembers::H64(laid_out(members)),
        };
        Self { tanh: FastCurve::new(tanh), sigmoid: FastCurve::new(sigmoid), members }
    }

    /// What [`Evaluator::step`] does, with `lanes`. Inlined all the way down, so that it becomes
    /// what the caller's target features make of it.
    ///
    /// # Panics
    /// When `state` is one of another council.
    #[inline(always)]
    pub fn step_with(
        &self,
        lanes: impl Lanes,
        state: &mut HiddenState,
        features: &Features,
        time: TimeCode,
    ) -> CouncilLogits {
        let (words, asked) = (state.words_mut(), (features, time));
        match &self.members {
            FastMembers::H16(members) => self.step_all(members, lanes, words, asked),
            FastMembers::H32(members) => self.step_all(members, lanes, words, asked),
            FastMembers::H64(members) => self.step_all(members, lanes, words, asked),
        }
    }

    #[inline(always)]
    fn step_all<const H: usize, const P: usize, const R: usize, const G: usize>(
        &self,
        members: &[FastMember<H, P, R, G>],
        lanes: impl Lanes,
        words: &mut [i16],
        asked: (&Features, TimeCode),
    ) -> CouncilLogits {
        assert_eq!(words.len(), members.len() * H, "a state of another council");
        let (states, _) = words.as_chunks_mut::<H>();
        CouncilLogits::of(members.len(), |index| {
            members[index].step(lanes, (&self.tanh, &self.sigmoid), asked, &mut states[index]);
            members[index].logits(lanes, &states[index])
        })
    }
}

fn laid_out<const H: usize, const P: usize, const R: usize, const G: usize>(
    members: &[Member],
) -> Vec<FastMember<H, P, R, G>> {
    members.iter().map(FastMember::new).collect()
}

impl Evaluator for FastCouncil {
    fn step(&self, state: &mut HiddenState, features: &Features, time: TimeCode) -> CouncilLogits {
        self.step_with(Portable, state, features, time)
    }
}
