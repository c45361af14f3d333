//! One round, decided once more.

use crate::fold::caught;
use conclave_core::decide::{decide, fail};
use conclave_core::decision::{Decision, Failed};
use conclave_core::round::{Round, fixed_round_length, open_round};
use conclave_core::seat::{Absent, Seat};
use conclave_core::state::State;

/// Why a round was not decided again.
pub(super) enum Undecided {
    /// It breaks a rule, or an invariant.
    Broken(String),
    /// The council that voted is not here.
    Absent(Absent),
}

/// A round's decisions as they come out this time.
pub(super) type Again = Result<Vec<Decision>, Undecided>;

/// What `round` leads to; `skipped` is what a person said who had its only command skipped.
pub(super) fn decide_again(
    state: &mut State,
    seat: &mut dyn Seat,
    round: &Round,
    skipped: Option<Failed>,
) -> Again {
    let inputs = &round.inputs;
    // A round is input, but not every round is one that anybody may have cut.
    if fixed_round_length(inputs, inputs.len()) < inputs.len() {
        return Err(Undecided::Broken("a control command is not alone in it".to_owned()));
    }
    if let Some(failed) = skipped {
        return caught(|| vec![fail(state, &inputs[0], failed)]).map_err(Undecided::Broken);
    }
    let decided = caught(|| {
        let votes = seat.vote(&open_round(state, inputs))?;
        Ok(decide(state, round, &votes))
    });
    decided.map_err(Undecided::Broken)?.map_err(Undecided::Absent)
}
