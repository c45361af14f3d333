//! Why a request was refused: the rule's numbers, what the council counted, and the smallest change
//! that would have let it in, at the state that the refusing decision went out from.

use super::life::Life;
use super::plan::council_of;
use super::report::Council;
use crate::error::Result;
use crate::fold::fold;
use crate::log::LogReader;
use crate::wire::{RecordedReader, decode_decision};
use conclave_core::command::{Payload, RequestAllocation, Topology};
use conclave_core::decision::{Decision, Event};
use conclave_core::explain::{Change, changes_that_admit, replicas_ever};
use conclave_core::input::Content;
use conclave_core::rejection::RejectionCode as Code;
use conclave_core::state::State;
use conclave_core::units::{Offset, TimeMs};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Refusal {
    pub(super) numbers: BTreeMap<String, i64>,
    pub(super) changes: Vec<Change>,
}

/// Why the life was refused, with what it asked for filled in from its command; nothing when it was
/// not refused.
pub(super) fn of(log: &impl LogReader, life: &mut Life) -> Result<Refusal> {
    let Some(refused) = &life.refused else { return Ok(Refusal::default()) };
    let at = Offset(life.asked.offset);
    let Some(ask) = ask_of(log, at)? else { return Ok(Refusal::default()) };
    life.ask = Some(ask.clone());
    let (before, _) = fold(log, log.partition(), Some(at))?;
    let state = &before.state;
    if !state.pools.contains_key(&life.pool) {
        return Ok(Refusal::default());
    }
    Ok(Refusal {
        numbers: numbers(state, life, &ask, refused.code),
        changes: changes_that_admit(state, &life.pool, &ask, (at, TimeMs(life.asked.time_ms))),
    })
}

/// Whether another request might have been let in: who asks, and where, is another matter.
pub(super) fn is_about_the_ask(code: Code) -> bool {
    [
        Code::ExceedsLimit,
        Code::ExceedsPool,
        Code::ExceedsBudget,
        Code::ExceedsCap,
        Code::QueueFull,
        Code::DeadlinePassed,
        Code::CouncilDenied,
    ]
    .contains(&code)
}

/// What the command at `at` asked for.
fn ask_of(log: &impl LogReader, at: Offset) -> Result<Option<RequestAllocation>> {
    let commands = log.commands(at, 0)?;
    let Some(stored) = commands.first().filter(|stored| stored.offset == at) else {
        return Ok(None);
    };
    let decided = log.decisions(at, 0)?;
    let Some(decided) = decided.first().filter(|record| record.offset == at) else {
        return Ok(None);
    };
    // The number of its schema is a registry's affair; the decision knows which of ours it was.
    let Decision { input_hash, decide_version, .. } = decode_decision(&decided.body)?;
    let mut reader = RecordedReader::new([]);
    let Ok(input) = reader.read(log.partition(), stored, input_hash, decide_version) else {
        return Ok(None);
    };
    let Content::Readable { command, .. } = input.content else { return Ok(None) };
    Ok(match command.payload {
        Payload::RequestAllocation(ask) => Some(ask),
        Payload::Appeal(appeal) => appeal.ask.map(|ask| *ask),
        Payload::OverrideDecision(order) => order.ask.map(|ask| *ask),
        _ => None,
    })
}

fn numbers(
    state: &State,
    life: &Life,
    ask: &RequestAllocation,
    code: Code,
) -> BTreeMap<String, i64> {
    let pool = state.pool(&life.pool);
    let numbers: Vec<(&str, i64)> = match (code, pool.tenants.get(&ask.tenant)) {
        (Code::ExceedsLimit, Some(tenant)) => vec![
            ("wanted_gpu_milli", ask.total_gpu_milli().0),
            ("limit_gpu_milli", tenant.quota.limit_gpu_milli.0),
        ],
        (Code::ExceedsPool, _) => too_large(state, life, ask),
        (Code::ExceedsBudget, Some(tenant)) => vec![
            ("wanted_gpu_milli", ask.total_gpu_milli().0),
            ("lease_ms", pool.lease_length(ask).0),
            ("gpu_hour_budget", tenant.quota.gpu_hour_budget.unwrap_or(0)),
            ("budget_window_ms", tenant.quota.budget_window_ms.0),
        ],
        (Code::ExceedsCap, _) => vec![
            ("least_micro_usd", pool.least_cost_of_day(ask, TimeMs(life.asked.time_ms)).0),
            ("cap_micro_usd", ask.budget_cap_micro_usd.map_or(0, |cap| cap.0)),
        ],
        (Code::QueueFull, _) => vec![
            ("waiting_or_deferred", pool.queue.len() + pool.deferred_count),
            ("queue_max", pool.policy.queue_max),
        ],
        (Code::DeadlinePassed, _) => vec![
            ("deadline_ms", ask.deadline_ms.map_or(0, |deadline| deadline.0)),
            ("time_ms", life.asked.time_ms),
        ],
        _ => vec![],
    };
    numbers.into_iter().map(|(name, number)| (name.to_owned(), number)).collect()
}

/// What the empty pool could hold: with the wish for one node or topology group, and without it.
fn too_large(state: &State, life: &Life, ask: &RequestAllocation) -> Vec<(&'static str, i64)> {
    let ever = |ask: &RequestAllocation| replicas_ever(state, &life.pool, ask);
    let mut numbers = vec![("replicas", ask.replicas), ("replicas_in_the_empty_pool", ever(ask))];
    if ask.topology.of_gang(ask.replicas) != Topology::None {
        let anywhere = RequestAllocation { topology: Topology::None, ..ask.clone() };
        numbers.push(("replicas_without_the_wish", ever(&anywhere)));
    }
    numbers
}

/// The last vote on a request that was put off or denied, and what it is measured by.
pub(super) fn council(life: &Life) -> Option<Council> {
    if !life.is_held_back_by_the_council() || life.last_vote_of_networks().is_some() {
        return None;
    }
    let vote = life.events.iter().rev().find_map(|at| match &at.event {
        Event::RequestVoted(vote) => Some(vote),
        _ => None,
    })?;
    Some(council_of(vote))
}
