//! `OverrideDecision`: an operator's word stands above the council's, and below the hard rules.

use super::request_allocation::{self, check_hard_rules, follow};
use super::stage_one::{Bounds, own_request};
use crate::command::{Command, OverrideAction, OverrideDecision, RequestAllocation, WorkOutcome};
use crate::decision::{
    DecisionOverridden, Event, LeaseEnd, LeaseEnded, Rejected, RequestAdmitted, RequestEnd,
    RequestEnded, Verdict,
};
use crate::draft::Draft;
use crate::overtaking::lifts_a_barrier;
use crate::rejection::{RejectionCode as Code, refuse};
use crate::state::Stage;
use crate::units::RequestId;

pub(super) fn check(order: &OverrideDecision, version: i64) -> Result<(), Rejected> {
    let OverrideDecision { request, action, reason, ask } = order;
    Bounds::id("request", &request.0)?;
    Bounds::text("reason", reason)?;
    if *action == OverrideAction::End && ask.is_some() {
        return Err(refuse(Code::OutOfRange, "ask belongs to an approval: leave it out"));
    }
    check_ask(request, ask.as_deref(), version)
}

/// What is asked for a request bears its name.
pub(super) fn check_ask(
    request: &RequestId,
    ask: Option<&RequestAllocation>,
    version: i64,
) -> Result<(), Rejected> {
    let Some(ask) = ask else { return Ok(()) };
    request_allocation::check(ask, version)?;
    if ask.request != *request {
        let detail = format!("ask.request is '{}', not '{request}'", ask.request);
        return Err(refuse(Code::OutOfRange, detail));
    }
    Ok(())
}

pub(super) fn decide(
    draft: &mut Draft,
    command: &Command,
    order: &OverrideDecision,
) -> Result<(), Rejected> {
    let is_live = draft.state.pool(&command.pool).request(&order.request).is_some();
    match order.action {
        OverrideAction::End => end(draft, command, order),
        OverrideAction::Approve if is_live => approve(draft, command, order),
        OverrideAction::Approve => start(draft, command, order),
    }
}

/// Lets a request that was put off join the queue.
fn approve(draft: &mut Draft, command: &Command, order: &OverrideDecision) -> Result<(), Rejected> {
    let request = own_request(draft.state, command, &order.request)?;
    if order.ask.is_some() {
        let detail = format!("request '{}' is live: leave ask out", order.request);
        return Err(refuse(Code::DuplicateRequest, detail));
    }
    match request.stage {
        Stage::Deferred { .. } | Stage::Due { .. } => {}
        Stage::Admitted | Stage::Waiting { .. } | Stage::Running(_) => {
            return Err(not_held_back(&order.request));
        }
    }
    record(draft, command, order);
    follow(draft, &command.pool, &order.request, Verdict::Approve);
    Ok(())
}

/// Takes in a request that is not live, whatever the council said or would say.
fn start(draft: &mut Draft, command: &Command, order: &OverrideDecision) -> Result<(), Rejected> {
    let (pool, request) = (&command.pool, &order.request);
    let Some(ask) = order.ask.as_deref() else {
        let detail = format!(
            "no live request '{request}' in '{pool}': to start one that was denied, say in ask \
             what it asks for"
        );
        return Err(refuse(Code::UnknownRequest, detail));
    };
    if !draft.state.pool(pool).tenants.contains_key(&ask.tenant) {
        let detail = format!("tenant '{}' has no quota in '{pool}': send SetQuota", ask.tenant);
        return Err(refuse(Code::UnknownTenant, detail));
    }
    check_hard_rules(draft, pool, ask)?;
    record(draft, command, order);
    let (pool, request) = (pool.clone(), ask.clone());
    draft.emit(Event::RequestAdmitted(RequestAdmitted { pool, request }));
    follow(draft, &command.pool, &order.request, Verdict::Approve);
    Ok(())
}

/// Ends a request or its lease. A holder that goes on finds its fencing number of no use.
fn end(draft: &mut Draft, command: &Command, order: &OverrideDecision) -> Result<(), Rejected> {
    let runs = own_request(draft.state, command, &order.request)?.lease().is_some();
    let (pool, request) = (command.pool.clone(), order.request.clone());
    if runs || lifts_a_barrier(draft.state.pool(&pool), &request, draft.now) {
        draft.freed.insert(pool.clone());
    }
    record(draft, command, order);
    draft.emit(if runs {
        let (reason, outcome) = (LeaseEnd::Revoked, WorkOutcome::Unknown);
        Event::LeaseEnded(LeaseEnded { pool, request, reason, outcome, utilisation_bp: None })
    } else {
        Event::RequestEnded(RequestEnded { pool, request, reason: RequestEnd::Overridden })
    });
    Ok(())
}

fn record(draft: &mut Draft, command: &Command, order: &OverrideDecision) {
    draft.emit(Event::DecisionOverridden(DecisionOverridden {
        pool: command.pool.clone(),
        request: order.request.clone(),
        operator: command.actor.user.clone(),
        action: order.action,
        reason: order.reason.clone(),
    }));
}

pub(super) fn not_held_back(request: &RequestId) -> Rejected {
    let detail = format!("the council does not hold '{request}' back: it waits or runs already");
    refuse(Code::NotHeldBack, detail)
}
