//! Folding decisions, whole or event by event.

use conclave_core::decision::{Decision, Event, Outcome};
use conclave_core::evolve::evolve;
use conclave_core::state::{Pool, Preemption, Stage, State};
use conclave_core::units::{Offset, PoolId, RequestId};
use std::collections::BTreeMap;

pub(crate) fn fold(decisions: &[Decision]) -> State {
    let mut state = State::new(0);
    decisions.iter().for_each(|decision| evolve(&mut state, decision));
    state
}

/// Room that was made is for whom it was made until its decision is over, which a part of a
/// decision does not know.
fn keep_served(state: &mut State, before: &BTreeMap<PoolId, Preemption>) {
    for (id, pool) in &mut state.pools {
        let Some(before) = before.get(id) else { continue };
        let waits = |by: &RequestId, arrival: Option<Offset>| {
            let request = pool.requests.get(by);
            let request = request.filter(|one| arrival.is_none_or(|at| one.arrival == at));
            matches!(request.map(|request| &request.stage), Some(Stage::Waiting { .. }))
        };
        let mut served = before.served.clone();
        served.retain(|by| waits(by, None));
        let settled = before.claims.iter().filter(|(by, claim)| {
            !pool.preemption.claims.contains_key(*by) && waits(by, Some(claim.arrival))
        });
        served.extend(settled.map(|(by, _)| by.clone()));
        pool.preemption.served = served;
    }
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
    // What the decisions make, folded whole.
    let (mut state, mut whole) = (State::new(0), State::new(0));
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
            let of_pool = |(id, pool): (&PoolId, &Pool)| (id.clone(), pool.preemption.clone());
            let before: BTreeMap<_, _> = state.pools.iter().map(of_pool).collect();
            evolve(&mut state, &part);
            keep_served(&mut state, &before);
        }
        part.events.clear();
        part.remembered = decision.remembered;
        part.outcome = decision.outcome.clone();
        (part.offset, part.covered_before) = (Offset(first + STRETCH - 1), state.covered);
        evolve(&mut state, &part);
        evolve(&mut whole, decision);
        for (id, pool) in &mut state.pools {
            pool.preemption.served.clone_from(&whole.pools[id].preemption.served);
        }
    }
}
