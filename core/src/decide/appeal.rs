//! `Appeal`: asks the council to look again, once per request. What was put off is voted on when
//! the next round opens; what was denied gets one more vote, without a defer band.

use super::override_decision::{check_ask, not_held_back};
use super::request_allocation::{check_hard_rules, hear_the_council};
use super::stage_one::{Bounds, own_request};
use crate::command::{Appeal, Command, Role};
use crate::decision::{AppealFiled, DeferralDue, Event, Rejected};
use crate::draft::Draft;
use crate::rejection::{RejectionCode as Code, refuse};
use crate::round::Vote;
use crate::state::Stage;
use crate::units::RequestId;

pub(super) fn check(appeal: &Appeal, version: i64) -> Result<(), Rejected> {
    Bounds::id("request", &appeal.request.0)?;
    Bounds::text("reason", &appeal.reason)?;
    check_ask(&appeal.request, appeal.ask.as_deref(), version)
}

pub(super) fn decide(
    draft: &mut Draft,
    command: &Command,
    appeal: &Appeal,
    vote: Option<&Vote>,
) -> Result<(), Rejected> {
    match draft.state.pool(&command.pool).request(&appeal.request) {
        Some(_) => decide_put_off(draft, command, appeal),
        None => decide_denied(draft, command, appeal, vote),
    }
}

fn decide_put_off(draft: &mut Draft, command: &Command, appeal: &Appeal) -> Result<(), Rejected> {
    let found = own_request(draft.state, command, &appeal.request)?;
    if appeal.ask.is_some() {
        let detail = format!("request '{}' is live: leave ask out", appeal.request);
        return Err(refuse(Code::DuplicateRequest, detail));
    }
    let is_due_already = match found.stage {
        Stage::Deferred { .. } => false,
        Stage::Due { .. } => true,
        Stage::Admitted | Stage::Waiting { .. } | Stage::Running(_) => {
            return Err(not_held_back(&appeal.request));
        }
    };
    if found.is_appealed {
        return Err(already_appealed(&appeal.request));
    }
    let (pool, request, reason) =
        (command.pool.clone(), appeal.request.clone(), appeal.reason.clone());
    draft.emit(Event::AppealFiled(AppealFiled {
        pool: pool.clone(),
        request: request.clone(),
        reason,
    }));
    if !is_due_already {
        draft.emit(Event::DeferralDue(DeferralDue { pool, request }));
    }
    Ok(())
}

fn decide_denied(
    draft: &mut Draft,
    command: &Command,
    appeal: &Appeal,
    vote: Option<&Vote>,
) -> Result<(), Rejected> {
    let (pool, request, actor) = (&command.pool, &appeal.request, &command.actor);
    let Some(denial) = draft.state.pool(pool).denials.find(request, draft.now) else {
        let detail = format!("no request '{request}' in '{pool}' was put off or denied lately");
        return Err(refuse(Code::UnknownRequest, detail));
    };
    let asks_for = appeal.ask.as_ref().map(|ask| &ask.tenant);
    let is_own = actor.role != Role::Tenant || denial.tenant == actor.tenant;
    if !is_own || asks_for.is_some_and(|tenant| *tenant != denial.tenant) {
        let detail = format!("only the tenant whose request '{request}' was appeals, for itself");
        return Err(refuse(Code::NotPermitted, detail));
    }
    if denial.is_appealed {
        return Err(already_appealed(request));
    }
    let Some(ask) = appeal.ask.as_deref() else {
        let detail = format!("'{request}' was denied and is not live: say in ask what it asks for");
        return Err(refuse(Code::UnknownRequest, detail));
    };
    check_hard_rules(draft, pool, ask)?;
    hear_the_council(draft, pool, ask, vote, Some(&appeal.reason))
}

fn already_appealed(request: &RequestId) -> Rejected {
    let detail = format!("'{request}' was appealed before: ask an operator, or send a new request");
    refuse(Code::AlreadyAppealed, detail)
}
