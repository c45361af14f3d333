//! What the council would be told when a round opens, and when a lease ended.

use conclave_core::command::Payload;
use conclave_core::council::features::{Asked, Ended, Features};
use conclave_core::decide::is_within_bounds;
use conclave_core::decision::{Decision, Event};
use conclave_core::evolve::evolve;
use conclave_core::input::{Content, Input};
use conclave_core::limits::{DEFERRALS_MAX, DUE_VOTES_MAX};
use conclave_core::state::State;
use conclave_core::units::Offset;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The command that asks; none for a vote that is due.
    pub(crate) at: Option<Offset>,
    pub(crate) features: Features,
}

/// Votes that are due first, then newcomers, as a round that opens on `state` would have them.
pub(crate) fn told_at_open(state: &State, inputs: &[Input]) -> Vec<Told> {
    let Some(first) = inputs.first() else { return vec![] };
    let now = first.log_time(state.time_ms);
    let due = state.due.iter().take(DUE_VOTES_MAX).map(|due| {
        let pool = state.pool(&due.pool);
        let features = Features::of_request(pool, &Asked::again(&pool.requests[&due.request]), now);
        Told { at: None, features }
    });
    let mut told: Vec<_> = due.collect();
    let mut now = state.time_ms;
    for input in inputs {
        now = input.log_time(now);
        let Content::Readable { command, .. } = &input.content else { continue };
        let (ask, attempt) = match &command.payload {
            Payload::RequestAllocation(ask) => (Some(ask), 1),
            Payload::Appeal(appeal) => (appeal.ask.as_deref(), DEFERRALS_MAX + 1),
            _ => (None, 0),
        };
        let pool = state
            .pools
            .get(&command.pool)
            .filter(|_| is_within_bounds(command, state.decide_version).is_ok());
        if let (Some(ask), Some(pool)) = (ask, pool) {
            let asked = Asked { ask, attempt, arrived_at_ms: now };
            let features = Features::of_request(pool, &asked, now);
            told.push(Told { at: Some(input.offset), features });
        }
    }
    told
}

/// Every lease that ended, against the state that its decision left.
pub(crate) fn told_of_outcomes(decisions: &[Decision]) -> Vec<Told> {
    let (mut told, mut state) = (vec![], State::new(0));
    for decision in decisions {
        let ends = decision.events.iter().filter_map(|event| match event {
            Event::LeaseEnded(ended) => {
                Some((ended, state.pool(&ended.pool).request(&ended.request)?))
            }
            _ => None,
        });
        let ends: Vec<_> = ends.map(|(ended, request)| (ended, request.clone())).collect();
        evolve(&mut state, decision);
        for (ended, request) in &ends {
            if let Some(of_lease) = Ended::of(request, ended, decision.time_ms) {
                let pool = state.pool(&ended.pool);
                let features = Features::of_outcome(pool, &of_lease, decision.time_ms);
                told.push(Told { at: Some(decision.offset), features });
            }
        }
    }
    told
}
