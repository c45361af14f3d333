//! The ballot of a round: what has to be voted on before its commands can be decided.

use super::{Ballot, Question};
use crate::command::{Command, CouncilMode, Payload, RequestAllocation};
use crate::council::features::Asked;
use crate::council::hearing::{Case, Heard, Hearing, Place};
use crate::council::{Features, ModelId};
use crate::decide::{is_too_fast, passes_stage_one};
use crate::input::{Content, Input};
use crate::limits::{DEFERRALS_MAX, DUE_VOTES_MAX, DUE_VOTES_OF_NETWORKS_MAX};
use crate::state::{DueVote, Pool, Request, Stage, State};
use crate::units::{Hash32, Offset, PoolId, TenantId, TimeMs};
use std::collections::BTreeMap;

/// What has to be voted on before `commands` can be decided: every readable request that asks for
/// something possible, and the deferred ones that became due before.
#[must_use]
pub fn open_round(state: &State, commands: &[Input]) -> Ballot {
    let activates = commands.first().and_then(|first| activated(state, first));
    // Whoever sits next takes them: so a council that is lost can be replaced.
    let due_max = match (state.council, &activates) {
        (_, Some(_)) => 0,
        (Some(_), None) => DUE_VOTES_OF_NETWORKS_MAX,
        (None, None) => DUE_VOTES_MAX,
    };
    let due: Vec<&DueVote> = state.due.iter().take(due_max).collect();
    let newcomers: Vec<Newcomer> = timed(state, commands)
        .filter_map(|(input, now_ms)| newcomer(state, input, now_ms))
        .collect();
    let about = |due: &&DueVote| ((*due).clone(), question(due_request(state, due)));
    Ballot {
        round: commands.first().map_or(Offset(0), |first| first.offset),
        newcomers: newcomers.iter().map(|one| (one.offset, one.question())).collect(),
        due: due.iter().map(about).collect(),
        hearing: state.council.map(|model| {
            let now_ms = timed(state, commands).next().map_or(state.time_ms, |(_, now)| now);
            hearing(state, model, now_ms, &due, &newcomers)
        }),
        activates: activates.flatten(),
    }
}

/// The commands with their log time.
fn timed<'c>(
    state: &State,
    commands: &'c [Input],
) -> impl Iterator<Item = (&'c Input, TimeMs)> + use<'c> {
    commands.iter().scan(state.time_ms, |now, input| {
        *now = input.log_time(*now);
        Some((input, *now))
    })
}

/// A request that comes in with this round.
struct Newcomer<'a> {
    offset: Offset,
    now_ms: TimeMs,
    pool: &'a PoolId,
    ask: &'a RequestAllocation,
    attempt: i64,
}

impl Newcomer<'_> {
    fn question(&self) -> Question {
        Question::about(self.ask, self.attempt)
    }
}

fn newcomer<'a>(state: &State, input: &'a Input, now_ms: TimeMs) -> Option<Newcomer<'a>> {
    let Content::Readable { command, .. } = &input.content else { return None };
    let (ask, attempt) = asked(command)?;
    let mode = state.pools.get(&command.pool)?.policy.council;
    // Whoever is too fast when the round opens is too fast when its turn comes.
    let asks_the_seat = mode != CouncilMode::Off
        && passes_stage_one(state, input, command)
        && !is_too_fast(state, command, now_ms);
    let (offset, pool) = (input.offset, &command.pool);
    asks_the_seat.then_some(Newcomer { offset, now_ms, pool, ask, attempt })
}

fn asked(command: &Command) -> Option<(&RequestAllocation, i64)> {
    match &command.payload {
        Payload::RequestAllocation(ask) => Some((ask, 1)),
        // Whoever was denied gets the vote that is the last one of a request that was put off.
        Payload::Appeal(appeal) => Some((appeal.ask.as_deref()?, DEFERRALS_MAX + 1)),
        Payload::OpenLog(_)
        | Payload::ActivateDecider(_)
        | Payload::ActivateCouncil(_)
        | Payload::Tick
        | Payload::RegisterNode(_)
        | Payload::DrainNode(_)
        | Payload::RemoveNode(_)
        | Payload::SetQuota(_)
        | Payload::SetPoolPolicy(_)
        | Payload::SetFairShare(_)
        | Payload::SetTariff(_)
        | Payload::SetPreemption(_)
        | Payload::TopUpBudget(_)
        | Payload::SetTenantParent(_)
        | Payload::Reserve(_)
        | Payload::CancelReservation(_)
        | Payload::CancelRequest(_)
        | Payload::RenewLease(_)
        | Payload::ShrinkLease(_)
        | Payload::ReleaseLease(_)
        | Payload::ReportNodeHealth(_)
        | Payload::OverrideDecision(_) => None,
    }
}

/// Who sits in the seat after `input`, if it may change that: a council, or none for the rules.
fn activated(state: &State, input: &Input) -> Option<Option<ModelId>> {
    let Content::Readable { command, .. } = &input.content else { return None };
    let Payload::ActivateCouncil(activate) = &command.payload else { return None };
    let is_sound = passes_stage_one(state, input, command);
    is_sound.then(|| Hash32::from_hex(&activate.model).map(ModelId))
}

fn due_request<'s>(state: &'s State, due: &DueVote) -> &'s Request {
    let request = &state.pool(&due.pool).requests[&due.request];
    assert!(matches!(request.stage, Stage::Due { .. }), "{due:?} stands as {:?}", request.stage);
    request
}

fn question(request: &Request) -> Question {
    Question::about(&request.ask, request.attempts + 1)
}

/// What the networks are asked: everything but last attempts, which the rules answer, tenant by
/// tenant in the order in which they first come up.
fn hearing(
    state: &State,
    model: ModelId,
    now_ms: TimeMs,
    due: &[&DueVote],
    newcomers: &[Newcomer],
) -> Hearing {
    let mut tenants = Tenants { state, places: BTreeMap::new(), heard: vec![] };
    for (index, due) in due.iter().enumerate() {
        if state.pool(&due.pool).policy.council == CouncilMode::Off {
            continue;
        }
        let asked = Asked::again(due_request(state, due));
        tenants.add(&due.pool, Place::Due(index), &asked, now_ms);
    }
    for Newcomer { offset, now_ms, pool, ask, attempt } in newcomers {
        let asked = Asked { ask, attempt: *attempt, arrived_at_ms: *now_ms };
        tenants.add(pool, Place::Newcomer(*offset), &asked, *now_ms);
    }
    Hearing { model, weights: state.bench.weights(), tenants: tenants.heard }
}

struct Tenants<'s> {
    state: &'s State,
    /// Where each tenant stands among those that are heard.
    places: BTreeMap<(&'s PoolId, &'s TenantId), usize>,
    heard: Vec<Heard>,
}

impl Tenants<'_> {
    fn add(&mut self, pool_id: &PoolId, place: Place, asked: &Asked, at_ms: TimeMs) {
        if asked.attempt > DEFERRALS_MAX {
            return;
        }
        let pool: &Pool = self.state.pool(pool_id);
        let features = Features::of_request(pool, asked, at_ms);
        let (pool_id, pool) = self.state.pools.get_key_value(pool_id).expect("it was found");
        let found = pool.tenants.get_key_value(&asked.ask.tenant);
        let (tenant, found) = found.expect("only a tenant of the pool asks");
        let next = self.heard.len();
        let index = *self.places.entry((pool_id, tenant)).or_insert(next);
        if index == next {
            let (pool, tenant, memory) = (pool_id.clone(), tenant.clone(), found.memory.clone());
            self.heard.push(Heard { pool, tenant, memory, cases: vec![] });
        }
        self.heard[index].cases.push(Case { place, at_ms, features });
    }
}
