//! What a member's word counts, as outcomes teach it: section 16 of `docs/council-spec.md`.

use super::quorum::SEATED_MEMBERS;
use serde::{Deserialize, Serialize};

/// What a member's weight in its file is multiplied with, in 1/65536.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Factor(pub i64);

/// How wrong a member was about an outcome, in 1/65536: the square of what its stated chance was
/// off by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Loss(pub i64);

/// The factors of all members. They sum to [`FACTORS_SUM`].
pub type Factors = [Factor; SEATED_MEMBERS];

/// Each member's part of the sum is one when a council is activated.
pub const FACTORS_SUM: i64 = Factor::ONE.0 * (SEATED_MEMBERS as i64);

/// Of a member's factor, a loss of one takes 1/2^4; factor and loss are both in 1/2^16.
const LOSS_SHIFT: u32 = 4 + 16;

impl Factor {
    /// As the file says.
    pub const ONE: Self = Self(65_536);
    /// A tenth of the sum of five.
    pub const MIN: Self = Self(32_768);
    /// Three tenths of the sum of five.
    pub const MAX: Self = Self(98_304);
}

impl Loss {
    /// Sure of the opposite.
    pub const MAX: Self = Self(65_536);

    /// Of whoever gave work a chance of `chance_per_mille`, 0 to 1000, to end well.
    #[must_use]
    pub fn of(chance_per_mille: u16, ended_well: bool) -> Self {
        let came = if ended_well { 1_000 } else { 0 };
        let off = (came - i64::from(chance_per_mille)).abs().min(1_000);
        Self(off * off * Self::MAX.0 / 1_000_000)
    }
}

/// The factors after an outcome. Members without a loss said nothing about it and keep theirs;
/// the others pay for their losses, and what they pay is shared out among them in equal parts.
///
/// So the sum stays what it was, a member earns what the others lose more than it, and one that
/// was wrong for long comes back as soon as it is right: in the long run a factor is inverse to
/// the mean loss.
#[must_use]
pub fn weigh(factors: Factors, losses: &[Option<Loss>; SEATED_MEMBERS]) -> Factors {
    let (mut next, mut pot) = (factors, 0);
    for (factor, loss) in next.iter_mut().zip(losses) {
        let Some(Loss(loss)) = loss else { continue };
        // At most 98304 * 65536, below 2^33.
        let due = (factor.0 * loss) >> LOSS_SHIFT;
        let paid = due.min(factor.0 - Factor::MIN.0);
        factor.0 -= paid;
        pot += paid;
    }
    let spoke: Vec<usize> = (0..SEATED_MEMBERS).filter(|at| losses[*at].is_some()).collect();
    share_out(&mut next, &spoke, pot);
    next
}

/// Gives equal parts of `pot` to the members `spoke`, none of whom takes more than the largest
/// factor; what is left over is shared out again, and a rest goes to the first ones.
///
/// It ends: before they paid, nobody had more than the largest factor, so there is room for all.
fn share_out(factors: &mut Factors, spoke: &[usize], mut pot: i64) {
    while pot > 0 {
        let has_room = |at: &&usize| factors[**at] < Factor::MAX;
        let open: Vec<usize> = spoke.iter().filter(has_room).copied().collect();
        let count = i64::try_from(open.len()).expect("five at the most");
        assert!(count > 0, "{pot} was paid by members that have no room for it");
        let part = (pot / count).max(1);
        for at in open {
            let taken = part.min(Factor::MAX.0 - factors[at].0).min(pot);
            factors[at].0 += taken;
            pot -= taken;
        }
    }
}
