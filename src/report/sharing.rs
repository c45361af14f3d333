//! How a pool is shared, in a sentence each: fair share, preemption, budgets.

use crate::report::sentence::moment;
use crate::report::show::{clock, gpus, span};
use conclave_core::command::SetPreemption;
use conclave_core::decision::{Event, PreemptionRight};
use conclave_core::units::TimeMs;

/// What happened at `now`; none when it is no event of these.
pub(super) fn event(event: &Event, now: TimeMs) -> Option<String> {
    Some(match event {
        Event::BudgetToppedUp(topped_up) => format!(
            "{} gives {} {} GPU-hours more in the window from {}: {}",
            topped_up.operator,
            topped_up.tenant,
            topped_up.gpu_hours,
            clock(topped_up.window_start_ms),
            topped_up.reason
        ),
        Event::BudgetAwaited(awaited) => match awaited.until_ms {
            Some(until) => {
                let when = moment(now, until);
                format!(
                    "{}: a request waits for a budget or a price, looked at again {when}",
                    awaited.pool
                )
            }
            None => format!("{}: the wait for a budget or a price is over", awaited.pool),
        },
        Event::TariffSet(set) => match set.tariff.spans.len() {
            0 => format!("{}: prices are the same at any time of day", set.pool),
            count => format!("{}: {count} price(s) depend on the time of day", set.pool),
        },
        Event::FairShareSet(set) => match set.fair_share.half_life_ms {
            Some(half_life) => format!(
                "{}: whoever has used least for its weight comes first among equal priorities; \
                 what was used {} ago counts half",
                set.pool,
                span(half_life)
            ),
            None => format!("{}: whoever came first comes first", set.pool),
        },
        Event::PreemptionSet(set) => format!("{}: {}", set.pool, preemption(&set.preemption)),
        Event::PreemptionNoticed(noticed) => {
            let why = match noticed.right {
                PreemptionRight::Priority => "which has the higher priority",
                PreemptionRight::Guarantee => "which its tenant's guarantee covers",
            };
            let ends = moment(now, noticed.ends_at_ms);
            format!("{} ends {ends} for {}, {why}", noticed.request, noticed.by)
        }
        Event::LeasePreempted(preempted) => format!(
            "{} made room for {} and waits again; it was preempted {} time(s)",
            preempted.request, preempted.by, preempted.count
        ),
        Event::TenantParentSet(set) => {
            let lends = match set.lend_gpu_milli {
                Some(most) => format!("at most {} GPUs", gpus(most)),
                None => "all".to_owned(),
            };
            let place = match set.parent.0.as_str() {
                "" => "at the top".to_owned(),
                parent => format!("below {parent}"),
            };
            format!("{} stands {place} and lends {lends} of its idle guarantee", set.tenant)
        }
        _ => return None,
    })
}

fn preemption(set: &SetPreemption) -> String {
    let Some(rules) = &set.rules else { return "nobody is preempted".to_owned() };
    format!(
        "preemptible requests make room for others after at least {} and a notice of {}, each at \
         most {} time(s), of a tenant at most {} a day",
        span(rules.min_run_ms),
        span(rules.grace_ms),
        rules.per_request,
        rules.per_tenant_and_day
    )
}
