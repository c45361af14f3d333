//! `TopUpBudget`: GPU-hours on top of a tenant's budget, for one window.

use super::stage_one::Bounds;
use super::{BUDGETS_SINCE, check_version};
use crate::command::{Command, TopUpBudget};
use crate::decision::{BudgetToppedUp, Event, Rejected};
use crate::draft::Draft;
use crate::limits::{BUDGET_WINDOWS_MAX, GPU_HOURS_MAX, TIME_MS_MAX};
use crate::rejection::{RejectionCode as Code, refuse};
use crate::state::budget::window_of;

pub(super) fn check(top_up: &TopUpBudget) -> Result<(), Rejected> {
    Bounds::id("tenant", &top_up.tenant.0)?;
    Bounds::number("gpu_hours", top_up.gpu_hours, 1, GPU_HOURS_MAX)?;
    Bounds::text("reason", &top_up.reason)?;
    match top_up.window_at_ms {
        Some(at_ms) => Bounds::number("window_at_ms", at_ms.0, 0, TIME_MS_MAX.0),
        None => Ok(()),
    }
}

pub(super) fn decide(
    draft: &mut Draft,
    command: &Command,
    top_up: &TopUpBudget,
) -> Result<(), Rejected> {
    check_version(draft, BUDGETS_SINCE, "budgets come")?;
    let (pool, name) = (&command.pool, &top_up.tenant);
    let Some(tenant) = draft.state.pool(pool).tenants.get(name) else {
        let detail = format!("tenant '{name}' has no quota in '{pool}': send SetQuota");
        return Err(refuse(Code::UnknownTenant, detail));
    };
    let Some(allowance) = tenant.allowance() else {
        let detail = format!("tenant '{name}' has no budget: send SetQuota with gpu_hour_budget");
        return Err(refuse(Code::NoBudget, detail));
    };
    let (now, width) = (draft.now, allowance.width);
    let at_ms = top_up.window_at_ms.unwrap_or(now);
    let (index, current) = (window_of(at_ms, width), window_of(now, width));
    let start_ms = allowance.start_of(index);
    if !(current..current + BUDGET_WINDOWS_MAX).contains(&index) {
        let first = allowance.start_of(current);
        let detail = format!(
            "the window from {start_ms} is not one of the {BUDGET_WINDOWS_MAX} from {first} on"
        );
        return Err(refuse(Code::WindowNotKept, detail));
    }
    let before = allowance.budget.window(index).top_up_gpu_hours;
    let all = allowance.gpu_hours + before + top_up.gpu_hours;
    if all > GPU_HOURS_MAX {
        let detail = format!(
            "with {before} GPU-hours approved before, the window from {start_ms} would have {all}, \
             more than {GPU_HOURS_MAX}"
        );
        return Err(refuse(Code::OutOfRange, detail));
    }
    draft.emit(Event::BudgetToppedUp(BudgetToppedUp {
        pool: pool.clone(),
        tenant: name.clone(),
        operator: command.actor.user.clone(),
        gpu_hours: top_up.gpu_hours,
        window_start_ms: start_ms,
        reason: top_up.reason.clone(),
    }));
    draft.freed.insert(pool.clone());
    Ok(())
}
