//! Folding decisions, whole or event by event.

use conclave_core::decision::{Decision, Event, Outcome};
use conclave_core::evolve::evolve;
use conclave_core::state::State;
use conclave_core::units::Offset;

pub(crate) fn fold(decisions: &[Decision]) -> State {
    let mut state = State::new(0);
    decisions.iter().for_each(|decision| evolve(&mut state, decision));
    state
}

/// Room for the events of any decision between its offset and the next.
const STRETCH: i64 = 10_000;

/// Folds `decisions` and shows what stood right before each event of those from `begun` on.
///
/// Every event is folded as a decision of its own, at an offset of its own: offsets are stretched,
/// so that their order stays.
pub(crate) fn walk(
    decisions: &[Decision],
    begun: usize,
    mut see: impl FnMut(&State, &Decision, &Event),
) {
    let mut state = State::new(0);
    for (decision, index) in decisions.iter().zip(0..) {
        // What a refusal means is made true once, behind the last event.
        let (events, outcome) = (vec![], Outcome::Accepted);
        let mut part = Decision { events, remembered: None, outcome, ..decision.clone() };
        let first = decision.offset.0 * STRETCH;
        for (event, at) in decision.events.iter().zip(first..) {
            if index >= begun {
                see(&state, decision, event);
            }
            part.events = vec![event.clone()];
            (part.offset, part.covered_before) = (Offset(at), state.covered);
            evolve(&mut state, &part);
        }
        part.events.clear();
        part.remembered = decision.remembered;
        part.outcome = decision.outcome.clone();
        (part.offset, part.covered_before) = (Offset(first + STRETCH - 1), state.covered);
        evolve(&mut state, &part);
    }
}
