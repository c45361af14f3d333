//! `RequestAllocation`: asks for GPUs. Hard rules first, then the council's verdict, then the
//! queue; whoever can start is granted from there, the newcomer included.

use super::BUDGETS_SINCE;
use super::register_node::TOPOLOGY_SINCE;
use super::set_pool_policy::check_gpus;
use super::stage_one::Bounds;
use crate::blocker::{could_ever_hold, replicas_ever};
use crate::command::{CouncilMode, RequestAllocation, Topology};
use crate::council::quorum::Ground;
use crate::decision::{
    AppealFiled, CouncilVoted, Event, MemberVote, Rejected, RequestAdmitted, RequestDeferred,
    RequestEnd, RequestEnded, RequestQueued, RequestVoted, Verdict,
};
use crate::draft::Draft;
use crate::limits::{
    BUDGET_CAP_MICRO_USD_MAX, BUDGET_WINDOWS_MAX, CPU_MILLI_MAX, DURATION_MS_MAX, GPU_MODELS_MAX,
    LABELS_MAX, MEMORY_MIB_MAX, PRIORITY_MAX, REPLICAS_MAX, TIME_MS_MAX,
};
use crate::rejection::{RejectionCode as Code, refuse};
use crate::round::{Grounds, Vote, Votes};
use crate::state::{Pool, Stage};
use crate::units::{PoolId, RequestId, TimeMs};

pub(crate) fn check(ask: &RequestAllocation, version: i64) -> Result<(), Rejected> {
    Bounds::id("request", &ask.request.0)?;
    Bounds::id("tenant", &ask.tenant.0)?;
    Bounds::id_or_empty("user", &ask.user.0)?;
    Bounds::number("replicas", ask.replicas, 1, REPLICAS_MAX)?;
    check_gpus("", ask.gpu_count, ask.gpu_milli.0)?;
    Bounds::number("cpu_milli", ask.cpu_milli.0, 0, CPU_MILLI_MAX)?;
    Bounds::number("memory_mib", ask.memory_mib.0, 0, MEMORY_MIB_MAX)?;
    Bounds::number("expected_duration_ms", ask.expected_duration_ms.0, 1, DURATION_MS_MAX.0)?;
    Bounds::number("priority", ask.priority, 1, PRIORITY_MAX)?;
    if let Some(deadline_ms) = ask.deadline_ms {
        Bounds::number("deadline_ms", deadline_ms.0, 0, TIME_MS_MAX.0)?;
    }
    Bounds::count("gpu_models", ask.gpu_models.len(), GPU_MODELS_MAX)?;
    ask.gpu_models.iter().try_for_each(|model| Bounds::id("gpu_models", &model.0))?;
    Bounds::count("labels", ask.labels.len(), LABELS_MAX)?;
    for label in &ask.labels {
        Bounds::id("labels.name", &label.name)?;
        Bounds::text("labels.value", &label.value)?;
    }
    if version < BUDGETS_SINCE {
        Bounds::neutral("budget_cap_micro_usd", ask.budget_cap_micro_usd.is_none())?;
    }
    if let Some(cap) = ask.budget_cap_micro_usd {
        Bounds::number("budget_cap_micro_usd", cap.0, 0, BUDGET_CAP_MICRO_USD_MAX)?;
    }
    Bounds::neutral("topology", version >= TOPOLOGY_SINCE || ask.topology == Topology::None)
}

pub(super) fn decide(
    draft: &mut Draft,
    pool: &PoolId,
    ask: &RequestAllocation,
    vote: Option<&Vote>,
) -> Result<(), Rejected> {
    check_hard_rules(draft, pool, ask)?;
    hear_the_council(draft, pool, ask, vote, None)
}

/// Does what the council says about a request that passed the hard rules. `appeal` is the reason of
/// whoever asked for the vote after a denial.
pub(super) fn hear_the_council(
    draft: &mut Draft,
    pool: &PoolId,
    ask: &RequestAllocation,
    vote: Option<&Vote>,
    appeal: Option<&str>,
) -> Result<(), Rejected> {
    let mode = draft.state.pool(pool).policy.council;
    let vote = (mode != CouncilMode::Off)
        .then(|| vote.unwrap_or_else(|| panic!("no vote for {} at {}", ask.request, draft.offset)));
    let verdict = effective_verdict(mode, vote);
    if verdict != Verdict::Deny {
        let request = ask.clone();
        draft.emit(Event::RequestAdmitted(RequestAdmitted { pool: pool.clone(), request }));
    }
    if let Some(reason) = appeal {
        let (pool, request) = (pool.clone(), ask.request.clone());
        let reason = reason.to_owned();
        draft.emit(Event::AppealFiled(AppealFiled { pool, request, reason }));
    }
    if let Some(vote) = vote {
        record_vote(draft, pool, &ask.request, mode, vote);
    }
    match (verdict, vote) {
        (Verdict::Deny, Some(vote)) => Err(refuse(Code::CouncilDenied, why_denied(vote))),
        (Verdict::Deny, None) => unreachable!("without a vote the verdict is to approve"),
        (Verdict::Approve | Verdict::Defer, _) => {
            follow(draft, pool, &ask.request, verdict);
            Ok(())
        }
    }
}

/// Votes taken for deferred requests when the round opened. A request that ended in the meantime
/// has no use for its vote, and neither has one whose pool's council was switched off: it goes on.
pub(crate) fn settle_due_votes(draft: &mut Draft, votes: &Votes) {
    for (due, vote) in &votes.due {
        let found = draft.state.pools.get(&due.pool).and_then(|pool| pool.request(&due.request));
        let is_due = found.is_some_and(|request| matches!(request.stage, Stage::Due { .. }));
        if !is_due {
            continue;
        }
        let mode = draft.state.pool(&due.pool).policy.council;
        if mode != CouncilMode::Off {
            record_vote(draft, &due.pool, &due.request, mode, vote);
        }
        follow(draft, &due.pool, &due.request, effective_verdict(mode, Some(vote)));
    }
}

/// What no vote and no operator overrides.
pub(crate) fn check_hard_rules(
    draft: &Draft,
    pool_id: &PoolId,
    ask: &RequestAllocation,
) -> Result<(), Rejected> {
    let pool = draft.state.pool(pool_id);
    if pool.request(&ask.request).is_some() {
        let detail = format!("request '{}' is live already: choose a new name", ask.request);
        return Err(refuse(Code::DuplicateRequest, detail));
    }
    if ask.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= draft.now) {
        return Err(refuse(Code::DeadlinePassed, format!("it is {} already", draft.now)));
    }
    check_limits(pool, ask)?;
    check_cap(pool, ask, draft.now)?;
    if !could_ever_hold(pool, ask, draft.now) {
        return Err(refuse(Code::ExceedsPool, why_too_large(pool, ask, draft.now)));
    }
    check_budget(pool, ask, draft.now)?;
    let waiting = pool.queue.len() + pool.deferred_count;
    if waiting >= pool.policy.queue_max {
        let detail = format!("{waiting} requests wait already: try again later");
        return Err(refuse(Code::QueueFull, detail));
    }
    Ok(())
}

/// What is over a limit even when nobody below it holds anything never starts.
fn check_limits(pool: &Pool, ask: &RequestAllocation) -> Result<(), Rejected> {
    let wanted = ask.total_gpu_milli();
    for (name, tenant) in pool.path(&ask.tenant) {
        let limit = tenant.quota.limit_gpu_milli;
        if wanted > limit {
            // Whoever asks need not know who stands above.
            let above = if *name == ask.tenant { "" } else { " for all below one above it" };
            let detail =
                format!("{wanted} GPU milli are more than the tenant's limit of {limit}{above}");
            return Err(refuse(Code::ExceedsLimit, detail));
        }
    }
    Ok(())
}

fn why_too_large(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> String {
    let RequestAllocation { replicas, gpu_count, gpu_milli, .. } = ask;
    let gang = format!("{replicas} replicas of {gpu_count} x {gpu_milli} GPU milli do not fit");
    let place = match ask.topology.of_gang(*replicas) {
        Topology::None => return format!("{gang} even the empty pool"),
        Topology::SameNode => "one node",
        Topology::SameGroup => "one topology group",
    };
    let without_wish = RequestAllocation { topology: Topology::None, ..ask.clone() };
    let (most, anywhere) = (replicas_ever(pool, ask, now), replicas_ever(pool, &without_wish, now));
    format!(
        "{gang} {place} of the empty pool, where the most is {most}; without that wish it is \
         {anywhere}"
    )
}

/// Some model that it accepts has to cost no more than its cap, at some time of the day.
fn check_cap(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> Result<(), Rejected> {
    let Some(cap) = ask.budget_cap_micro_usd else { return Ok(()) };
    if pool.affordable_at(ask, now).is_some() {
        return Ok(());
    }
    let (least, length) = (pool.least_cost_of_day(ask, now), pool.lease_length(ask));
    let detail = format!(
        "a lease of {length} ms would cost {least} micro-USD on the cheapest model that it \
         accepts, and its cap is {cap}"
    );
    Err(refuse(Code::ExceedsCap, detail))
}

/// What no window of its tenant's budget can ever hold does not wait for one.
fn check_budget(pool: &Pool, ask: &RequestAllocation, now: TimeMs) -> Result<(), Rejected> {
    let Some(allowance) = pool.tenants[&ask.tenant].allowance() else { return Ok(()) };
    let want = pool.want(ask);
    if allowance.could_ever_fit(want, now) {
        return Ok(());
    }
    let (gpus, length) = (want.gpu_milli, want.length);
    let (hours, width) = (allowance.gpu_hours, allowance.width);
    let detail = format!(
        "{gpus} GPU milli for {length} ms fit no window of {width} ms with {hours} GPU-hours, \
         whenever they start, and a lease may touch {BUDGET_WINDOWS_MAX} windows"
    );
    Err(refuse(Code::ExceedsBudget, detail))
}

fn effective_verdict(mode: CouncilMode, vote: Option<&Vote>) -> Verdict {
    match (mode, vote) {
        (CouncilMode::Enforce, Some(vote)) => vote.verdict,
        (CouncilMode::Enforce | CouncilMode::Advise | CouncilMode::Off, _) => Verdict::Approve,
    }
}

fn record_vote(
    draft: &mut Draft,
    pool: &PoolId,
    request: &RequestId,
    mode: CouncilMode,
    vote: &Vote,
) {
    let (pool, request) = (pool.clone(), request.clone());
    let Vote { attempt, verdict, grounds } = vote;
    let (attempt, verdict) = (*attempt, *verdict);
    draft.emit(match grounds {
        Grounds::Rules(seat, points) => Event::RequestVoted(RequestVoted {
            pool,
            request,
            attempt,
            seat: *seat,
            mode,
            verdict,
            score: points.score(),
            priority_points: points.priority_points,
            size_points: points.size_points,
            duration_points: points.duration_points,
            preemptible_points: points.preemptible_points,
        }),
        Grounds::Council(spoken) => Event::CouncilVoted(CouncilVoted {
            pool,
            request,
            attempt,
            mode,
            verdict,
            ground: spoken.ground,
            confidence_per_mille: spoken.confidence.0.into(),
            model: spoken.model,
            memory: spoken.memory,
            elapsed_ms: spoken.elapsed_ms,
            features: spoken.features.values().iter().map(|value| i64::from(*value)).collect(),
            weights_seq: spoken.weights_seq,
            members: spoken.members.clone(),
        }),
    });
}

fn why_denied(vote: &Vote) -> String {
    match &vote.grounds {
        Grounds::Rules(_, points) => format!("the council scored it {} of 100", points.score()),
        Grounds::Council(spoken) if spoken.ground == Ground::Fallback => {
            "too few members of the council are listened to, and the rule score denies it".into()
        }
        Grounds::Council(spoken) => {
            let heard = || spoken.members.iter().filter(|member| member.counted);
            let deny = |member: &&MemberVote| member.verdict == Verdict::Deny;
            let (all, against) = (heard().count(), heard().filter(deny).count());
            let sure = spoken.confidence.0;
            format!("{against} of {all} members of the council deny it, {sure} per mille sure")
        }
    }
}

/// Moves an admitted request to where the verdict sends it.
pub(super) fn follow(draft: &mut Draft, pool: &PoolId, request: &RequestId, verdict: Verdict) {
    let (pool, request) = (pool.clone(), request.clone());
    match verdict {
        Verdict::Approve => {
            draft.newcomers.push((pool.clone(), request.clone()));
            draft.emit(Event::RequestQueued(RequestQueued { pool, request }));
        }
        Verdict::Defer => {
            let state = draft.state.pool(&pool);
            let attempt = state.requests[&request].attempts;
            let retry_at_ms = draft.now.plus(state.policy.defer_retry_ms).min(TIME_MS_MAX);
            let deferred = RequestDeferred { pool, request, attempt, retry_at_ms };
            draft.emit(Event::RequestDeferred(deferred));
        }
        Verdict::Deny => {
            let reason = RequestEnd::CouncilDenied;
            draft.emit(Event::RequestEnded(RequestEnded { pool, request, reason }));
        }
    }
}
