//! The state for people: counts of everything, the first lines of each list.

use super::pool::{LeaseState, PoolState, TenantState, Waiting};
use super::{StateReport, TimerState};
use conclave::cli::page::Page;
use conclave::error::Result;
use conclave::report::sentence::{ago, moment, part, policy, time_source, wants};
use conclave::report::show::{gpus, or_dash};
use conclave_core::units::{GpuMilli, TimeMs};

pub(super) fn print(
    page: &mut Page,
    title: &str,
    state: &StateReport<'_>,
    now: TimeMs,
) -> Result<()> {
    page.line(&format!("state right after decision {title}"))?;
    match state.log {
        None => page.line("the log is not opened yet")?,
        Some(log) => page.line(&format!(
            "log {}, decide_version {}, {}, rounds of {}",
            log.log_id,
            state.decide_version,
            time_source(log.time_source),
            log.round_commands
        ))?,
    }
    page.line(&format!("head {}", state.head))?;
    for pool in &state.pools {
        page.line("")?;
        print_pool(page, pool, now)?;
    }
    page.line("")?;
    page.line(&format!("next timers ({})", state.timer_count))?;
    rows(page, &state.timers, state.timer_count, |timer| timer_line(timer, now))
}

fn print_pool(page: &mut Page, pool: &PoolState<'_>, now: TimeMs) -> Result<()> {
    let used = part(GpuMilli(pool.gpu_milli_used), GpuMilli(pool.gpu_milli_total));
    let (nodes, draining) = (pool.node_count, pool.draining_count);
    let unhealthy = match pool.unhealthy_count {
        0 => String::new(),
        count => format!(", {count} unhealthy"),
    };
    let out = format!("{draining} draining{unhealthy}");
    page.line(&format!("pool {}: {used} used, {nodes} nodes, {out}", pool.pool))?;
    page.line(&format!("  policy: {}", policy(pool.policy)))?;
    if pool.is_carried_over {
        page.line("  the queue is being worked off over several decisions")?;
    }
    page.line(&format!("  tenants ({})", pool.tenant_count))?;
    rows(page, &pool.tenants, pool.tenant_count, tenant_line)?;
    page.line(&format!("  running leases, first to end first ({})", pool.lease_count))?;
    rows(page, &pool.leases, pool.lease_count, |lease| lease_line(lease, now))?;
    let waiting_count = usize::try_from(pool.waiting_count).unwrap_or(usize::MAX);
    page.line(&format!("  waiting, in the order of the queue ({waiting_count})"))?;
    rows(page, &pool.queue, waiting_count, |waiting| waiting_line(waiting, now))?;
    let deferred_count = usize::try_from(pool.deferred_count).unwrap_or(usize::MAX);
    page.line(&format!("  put off by the council ({deferred_count})"))?;
    rows(page, &pool.deferred, deferred_count, |waiting| waiting_line(waiting, now))
}

/// Prints the rows that are there and says how many are not.
fn rows<T>(page: &mut Page, shown: &[T], all: usize, line: impl Fn(&T) -> String) -> Result<()> {
    for row in shown {
        page.line(&format!("    {}", line(row)))?;
    }
    match all.saturating_sub(shown.len()) {
        0 => Ok(()),
        more => page.line(&format!("    and {more} more: --output json shows all")),
    }
}

fn tenant_line(tenant: &TenantState<'_>) -> String {
    let rate = match tenant.rate_per_minute {
        0 => String::new(),
        rate => format!(", {rate} commands a minute"),
    };
    format!(
        "{}: {} GPUs used, {} guaranteed, at most {}{rate}",
        tenant.tenant,
        gpus(GpuMilli(tenant.used_gpu_milli)),
        gpus(GpuMilli(tenant.guarantee_gpu_milli)),
        gpus(GpuMilli(tenant.limit_gpu_milli))
    )
}

fn lease_line(lease: &LeaseState<'_>, now: TimeMs) -> String {
    let LeaseState { request, tenant, fencing, ends_at_ms, places, .. } = lease;
    let gpus = gpus(GpuMilli(lease.gpu_milli));
    let ends = moment(now, TimeMs(*ends_at_ms));
    format!("{request} of {tenant}: {gpus} GPUs on {places}, fencing {fencing}, ends {ends}")
}

fn waiting_line(waiting: &Waiting<'_>, now: TimeMs) -> String {
    let Waiting { request, tenant, priority, .. } = waiting;
    let place = waiting.place.map_or(String::new(), |place| format!("{place}. "));
    let since = waiting
        .since_ms
        .map_or(String::new(), |since_ms| format!(", waits {}", ago(now, TimeMs(since_ms))));
    let wants = wants(waiting.ask);
    let why = or_dash(&waiting.sentence);
    format!("{place}{request} of {tenant}, priority {priority}, {wants}{since}: {why}")
}

fn timer_line(timer: &TimerState<'_>, now: TimeMs) -> String {
    let at = moment(now, TimeMs(timer.at_ms));
    format!("{at}: {} in {}: {}", timer.request, timer.pool, timer.sentence)
}
