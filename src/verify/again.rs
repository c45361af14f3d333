//! One round, decided once more.

use crate::fold::caught;
use conclave_core::decide::{decide, fail};
use conclave_core::decision::{Decision, Failed};
use conclave_core::input::Input;
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

/// What `inputs` lead to; `skipped` is what a person said who had the only one skipped.
pub(super) fn decide_again(
    state: &mut State,
    seat: &mut dyn Seat,
    inputs: Vec<Input>,
    skipped: Option<Failed>,
) -> Result<Vec<Decision>, Undecided> {
    // A round is input, but not every round is one that anybody may have cut.
    if fixed_round_length(&inputs, inputs.len()) < inputs.len() {
        return Err(Undecided::Broken("a control command is not alone in it".to_owned()));
    }
    if let Some(failed) = skipped {
        return caught(|| vec![fail(state, &inputs[0], failed)]).map_err(Undecided::Broken);
    }
    let round = Round { inputs };
    let decided = caught(|| {
        let votes = seat.vote(&open_round(state, &round.inputs))?;
        Ok(decide(state, &round, &votes))
    });
    decided.map_err(Undecided::Broken)?.map_err(Undecided::Absent)
}
