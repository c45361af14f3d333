//! Answering commands: stage 1 (may this be looked at?) and one file per command (what follows?).
//!
//! Each command's file holds its bounds, its preconditions and its events. `docs/commands.md` is
//! the same as a table, and a test compares the two.

mod activate_council;
mod activate_decider;
mod appeal;
mod cancel_request;
mod cancel_reservation;
mod drain_node;
mod fail;
mod members;
mod open_log;
mod override_decision;
mod promises;
mod register_node;
mod release_lease;
mod remove_node;
mod renew_lease;
mod report_node_health;
mod request_allocation;
mod reserve;
mod set_fair_share;
mod set_pool_policy;
mod set_preemption;
mod set_quota;
mod set_tariff;
mod set_tenant_parent;
mod shrink_lease;
mod stage_one;
mod table;
mod top_up_budget;

pub use fail::fail;
pub(crate) use promises::room_for_guarantee;
pub(crate) use request_allocation::{check as check_ask, check_hard_rules, settle_due_votes};
pub(crate) use set_quota::{BUDGETS_SINCE, TREES_SINCE};
pub use stage_one::{Bounds, is_within_bounds, subject_request};
pub(crate) use stage_one::{is_too_fast, passes as passes_stage_one};
pub use table::{COMMANDS, CommandRow, STAGE_ONE};

use crate::command::{Command, Payload};
use crate::decision::{Decision, Duplicate, Event, Outcome, Rejected, Remembered};
use crate::draft::Draft;
use crate::input::{Content, Input};
use crate::queue::work_off_queues;
use crate::round::{Round, Vote, Votes, is_control};
use crate::state::State;
use crate::timers::fire_due_timers;
use crate::units::{CommandId, Hash32, Offset, PoolId, RequestId, TenantId};

/// Answers every command of a round, in order. Leaves `state` evolved by the decisions, so that the
/// next round goes on from there; whoever cannot commit them folds the log again.
///
/// # Panics
/// When the round does not continue the state or holds a control command beside others, or `votes`
/// lack an answer to its ballot.
pub fn decide(state: &mut State, round: &Round, votes: &Votes) -> Vec<Decision> {
    let count = round.inputs.len();
    let has_control = round.inputs.iter().any(is_control);
    assert!(!has_control || count == 1, "a control command is alone in its round");
    let decide_at = |(index, input)| decide_one(state, round, index, count, input, votes);
    round.inputs.iter().enumerate().map(decide_at).collect()
}

fn decide_one(
    state: &mut State,
    round: &Round,
    index: usize,
    count: usize,
    input: &Input,
    votes: &Votes,
) -> Decision {
    let now = input.log_time(state.time_ms);
    let (covered_before, decide_version) = (state.covered, state.decide_version);
    let mut draft = Draft::new(state, input.offset, now);
    fire_due_timers(&mut draft);
    if index == 0 {
        settle_due_votes(&mut draft, votes);
    }
    // Before the command itself: it may put another council into the seat.
    for memory in votes.memories.get(&input.offset).into_iter().flatten() {
        draft.emit(Event::CouncilRemembered(memory.clone()));
    }
    let (outcome, remembered) = answer(&mut draft, input, votes.newcomers.get(&input.offset));
    // Before grants, which take whatever room is left.
    members::review(&mut draft);
    work_off_queues(&mut draft);

    let subject = Subject::of(&input.content);
    let index_in_round = i64::try_from(index).expect("a round is bounded");
    let is_last = index + 1 == count;
    let decision = Decision {
        decide_version,
        prev_hash: Hash32::default(),
        partition: draft.state.partition,
        offset: input.offset,
        covered_before,
        round: round.first(),
        round_index: index_in_round,
        round_count: is_last.then_some(index_in_round + 1),
        time_ms: now,
        input_hash: input.input_hash,
        command_id: subject.command_id,
        kind: subject.kind.into(),
        pool: subject.pool,
        tenant: subject.tenant,
        request: subject.request,
        remembered,
        outcome,
        events: draft.into_events(),
    };
    state.finish(&decision);
    decision
}

/// Stage 1, then the command's own rules. A command that passes stage 1 is remembered, whatever the
/// rules say.
fn answer(draft: &mut Draft, input: &Input, vote: Option<&Vote>) -> (Outcome, Option<Remembered>) {
    let (command, digests) = match &input.content {
        Content::Unreadable(rejected) => return (Outcome::Rejected(rejected.clone()), None),
        Content::Readable { command, digests } => (&**command, *digests),
    };
    if let Err(rejected) = stage_one::check(draft.state, &input.key, command) {
        return (Outcome::Rejected(rejected), None);
    }
    if let Some(first) = stage_one::seen_before(draft.state, command, digests, draft.now) {
        return match first {
            Ok(first_offset) => (Outcome::Duplicate(Duplicate { first_offset }), None),
            Err(rejected) => (Outcome::Rejected(rejected), None),
        };
    }
    if let Err(rejected) = stage_one::check_rate(draft.state, command, draft.now) {
        return (Outcome::Rejected(rejected), None);
    }
    let obeyed = obey(draft, command, vote);
    // A pool remembers: a log command has none, and a first policy may have been refused.
    let remembered = draft.state.pools.contains_key(&command.pool).then_some(digests);
    match obeyed {
        Ok(()) => (Outcome::Accepted, remembered),
        Err(rejected) => (Outcome::Rejected(rejected), remembered),
    }
}

fn obey(draft: &mut Draft, command: &Command, vote: Option<&Vote>) -> Result<(), Rejected> {
    match &command.payload {
        Payload::OpenLog(open) => open_log::decide(draft, open),
        Payload::ActivateDecider(activate) => activate_decider::decide(draft, activate),
        Payload::ActivateCouncil(activate) => activate_council::decide(draft, activate),
        Payload::Tick => Ok(()),
        Payload::RegisterNode(register) => register_node::decide(draft, &command.pool, register),
        Payload::DrainNode(drain) => drain_node::decide(draft, &command.pool, drain),
        Payload::RemoveNode(remove) => remove_node::decide(draft, &command.pool, remove),
        Payload::SetQuota(quota) => set_quota::decide(draft, &command.pool, quota),
        Payload::SetPoolPolicy(policy) => set_pool_policy::decide(draft, &command.pool, policy),
        Payload::SetFairShare(share) => set_fair_share::decide(draft, &command.pool, share),
        Payload::SetPreemption(set) => set_preemption::decide(draft, &command.pool, set),
        Payload::SetTariff(tariff) => set_tariff::decide(draft, &command.pool, tariff),
        Payload::TopUpBudget(top_up) => top_up_budget::decide(draft, command, top_up),
        Payload::SetTenantParent(set) => set_tenant_parent::decide(draft, &command.pool, set),
        Payload::Reserve(reserve) => reserve::decide(draft, command, reserve),
        Payload::CancelReservation(cancel) => cancel_reservation::decide(draft, command, cancel),
        Payload::RequestAllocation(ask) => {
            request_allocation::decide(draft, &command.pool, ask, vote)
        }
        Payload::CancelRequest(cancel) => cancel_request::decide(draft, command, cancel),
        Payload::RenewLease(renew) => renew_lease::decide(draft, command, renew),
        Payload::ShrinkLease(shrink) => shrink_lease::decide(draft, command, shrink),
        Payload::ReleaseLease(release) => release_lease::decide(draft, command, release),
        Payload::ReportNodeHealth(report) => {
            report_node_health::decide(draft, &command.pool, report)
        }
        Payload::OverrideDecision(order) => override_decision::decide(draft, command, order),
        Payload::Appeal(appeal) => appeal::decide(draft, command, appeal, vote),
    }
}

/// What a decision says about its command, so that a reader needs only the decision.
struct Subject {
    command_id: CommandId,
    kind: &'static str,
    pool: PoolId,
    tenant: TenantId,
    request: RequestId,
}

impl Subject {
    fn of(content: &Content) -> Self {
        match content {
            Content::Readable { command, .. } if stage_one::has_sound_ids(command) => Self {
                command_id: command.command_id.clone(),
                kind: command.payload.name(),
                pool: command.pool.clone(),
                tenant: stage_one::subject_tenant(command).clone(),
                request: subject_request(&command.payload).cloned().unwrap_or_default(),
            },
            // Ids of any length would break the bound of a decision: the dead letter has them.
            Content::Readable { .. } | Content::Unreadable(_) => Self {
                command_id: CommandId::default(),
                kind: "",
                pool: PoolId::default(),
                tenant: TenantId::default(),
                request: RequestId::default(),
            },
        }
    }
}

/// Whether the partition decides by a version that knows `what`, which says so of itself.
fn check_version(draft: &Draft, since: i64, what: &str) -> Result<(), Rejected> {
    use crate::rejection::{RejectionCode as Code, refuse};
    let version = draft.state.decide_version;
    if version >= since {
        return Ok(());
    }
    let detail =
        format!("version {version} decides, and {what} with {since}: send ActivateDecider first");
    Err(refuse(Code::UnknownVersion, detail))
}

/// The lease that `command` is about, when its actor may touch it and quotes the current fencing
/// number.
fn lease_of<'a>(
    draft: &'a Draft,
    command: &Command,
    request: &RequestId,
    fencing: Offset,
) -> Result<&'a crate::state::Lease, Rejected> {
    use crate::rejection::{RejectionCode as Code, refuse};
    let request = stage_one::own_request(draft.state, command, request)?;
    let Some(lease) = request.lease() else {
        return Err(refuse(Code::NoLease, "the request has no lease yet: wait for its grant"));
    };
    if lease.fencing != fencing {
        let detail = format!("fencing {fencing} is not the current {}", lease.fencing);
        return Err(refuse(Code::StaleFencing, detail));
    }
    Ok(lease)
}
