//! The decisions of a round as they are recorded, and the fold of what is recorded.

use super::after;
use crate::error::{Error, Result};
use crate::fold::{FOLD_BYTES_MAX, evolve_recorded};
use crate::log::LogReader;
use crate::wire::decode_decision;
use conclave_core::decision::{Decision, Event, Failed, Outcome};
use conclave_core::state::State;
use conclave_core::units::Offset;

/// A decision of the round at hand.
pub(super) struct Recorded {
    pub(super) offset: Offset,
    pub(super) body: Vec<u8>,
    /// Whether it continues the chain. One that does not was counted when that was seen.
    pub(super) is_linked: bool,
}

/// How a decision that is the computed one is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) offset: Offset,
    is_linked: bool,
    is_dead_letter: bool,
}

impl Standing {
    pub(super) fn of(recorded: &Recorded, again: &Decision) -> Self {
        let Recorded { offset, is_linked, .. } = *recorded;
        let is_dead_letter =
            matches!(&again.outcome, Outcome::Rejected(why) if why.code.is_dead_letter());
        Self { offset, is_linked, is_dead_letter }
    }

    /// 1, unless it was counted when it was seen that it does not continue the chain.
    pub(super) fn verified(self) -> u64 {
        u64::from(self.is_linked)
    }

    /// 1 when it is verified and sends its command to the dead letters.
    pub(super) fn dead_letters(self) -> u64 {
        u64::from(self.is_linked && self.is_dead_letter)
    }
}

/// How many votes of networks a decision records.
pub(super) fn votes_of_networks(decision: &Decision) -> u64 {
    let is_vote = |event: &&Event| matches!(event, Event::CouncilVoted(_));
    decision.events.iter().filter(is_vote).count() as u64
}

/// What a person said of a command that was skipped: an input, like the command itself. It is alone
/// in its round.
pub(super) fn skipped(round: &[Recorded]) -> Option<Failed> {
    let [recorded] = round else { return None };
    match decode_decision(&recorded.body).ok()?.outcome {
        Outcome::Failed(failed) => Some(failed),
        Outcome::Accepted | Outcome::Rejected(_) | Outcome::Duplicate(_) => None,
    }
}

/// Decisions that were not counted as divergent when they came.
pub(super) fn linked(round: &[Recorded]) -> u64 {
    round.iter().filter(|recorded| recorded.is_linked).count() as u64
}

pub(super) fn evolve_round(state: &mut State, round: &[Recorded]) -> Result<()> {
    round.iter().try_for_each(|recorded| evolve_recorded(state, &decode_decision(&recorded.body)?))
}

/// The fold of the decisions as they stand, without a snapshot and whatever their chain is worth.
pub(super) fn fold_recorded_before(
    log: &dyn LogReader,
    partition: i64,
    end: Offset,
) -> Result<State> {
    let mut state = State::new(partition);
    while after(state.covered) < end {
        let next = after(state.covered);
        let records = log.decisions(next, FOLD_BYTES_MAX)?;
        if records.is_empty() {
            return Err(Error::corrupt(format!("there is no decision {next}")));
        }
        for record in records {
            if record.offset >= end {
                return Ok(state);
            }
            evolve_recorded(&mut state, &decode_decision(&record.body)?)?;
        }
    }
    Ok(state)
}
