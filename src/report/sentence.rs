//! Events in a sentence each; blockers are beside them.

pub use crate::report::blockers::blocker;

use crate::report::show::{between, clock, gpus, or_dash, rough, span};
use crate::report::{council, reserved, sharing};
use conclave_core::command::{
    CouncilMode, NodeHealth, OverrideAction, PlacementPolicy, RegisterNode, RequestAllocation,
    SetPoolPolicy, SetQuota, TimeSource, Topology, WorkOutcome,
};
use conclave_core::decision::{
    DecisionOverridden, Event, LeaseEnd, LeaseEnded, LeaseGranted, Placement, RequestEnd,
    RequestVoted, SeatKind, Verdict,
};
use conclave_core::units::{DurationMs, GpuMilli, GpuModel, TimeMs};

/// Replicas of a gang that are shown one by one.
const REPLICAS_SHOWN_MAX: usize = 8;

/// What happened at `now`, without the event's name and pool.
#[must_use]
pub fn event(event: &Event, now: TimeMs) -> String {
    match event {
        Event::LogOpened(opened) => format!(
            "log {}: {}, {} partition(s), rounds of {}",
            opened.log.log_id,
            time_source(opened.log.time_source),
            opened.log.partition_count,
            opened.log.round_commands
        ),
        Event::DeciderActivated(active) => {
            format!("decide_version {} instead of {}", active.version, active.previous)
        }
        Event::NodeRegistered(registered) => joined(&registered.node),
        Event::NodeDrained(drained) => format!("{} takes no new work", drained.node),
        Event::NodeRemoved(removed) => format!("{} left", removed.node),
        Event::QuotaSet(set) => quota(&set.quota),
        Event::PoolPolicySet(set) => format!("{}: {}", set.pool, policy(&set.policy)),
        Event::RequestVoted(voted) => vote(voted),
        Event::RequestAdmitted(admitted) => ask(&admitted.request),
        Event::RequestQueued(queued) => format!("{} waits for capacity", queued.request),
        Event::RequestDeferred(deferred) => format!(
            "{} after vote {}, looked at again {}",
            deferred.request,
            deferred.attempt,
            moment(now, deferred.retry_at_ms)
        ),
        Event::DeferralDue(due) => format!("{} is voted on when the next round opens", due.request),
        Event::RequestEnded(ended) => format!("{}: {}", ended.request, request_end(ended.reason)),
        Event::LeaseGranted(granted) => grant(granted, now),
        Event::LeaseRenewed(renewed) => format!(
            "{} ends {}, fencing {}",
            renewed.request,
            moment(now, renewed.ends_at_ms),
            renewed.fencing
        ),
        Event::LeaseShrunk(shrunk) => format!(
            "{} keeps {} replica(s), fencing {}",
            shrunk.request, shrunk.replicas, shrunk.fencing
        ),
        Event::LeaseEnded(ended) => lease_end(ended),
        Event::QueueCarriedOver(carried) => {
            format!("{}: the queue is worked off by the next decisions", carried.pool)
        }
        Event::QueueCaughtUp(caught) => format!("{}: the queue is worked off", caught.pool),
        Event::BudgetToppedUp(_)
        | Event::BudgetAwaited(_)
        | Event::TariffSet(_)
        | Event::TenantParentSet(_)
        | Event::FairShareSet(_)
        | Event::PreemptionSet(_)
        | Event::PreemptionNoticed(_)
        | Event::LeasePreempted(_) => sharing::event(event, now).unwrap_or_default(),
        Event::ReservationMade(_)
        | Event::ReservationStarted(_)
        | Event::ReservationEnded(_)
        | Event::ReservationCancelled(_)
        | Event::LeaseLetPast(_) => reserved::event(event, now).unwrap_or_default(),
        Event::NodeHealthChanged(_) | Event::DecisionOverridden(_) | Event::AppealFiled(_) => {
            said_by_people(event).unwrap_or_default()
        }
        Event::CouncilActivated(_)
        | Event::CouncilVoted(_)
        | Event::CouncilRemembered(_)
        | Event::MemberQuarantined(_)
        | Event::MemberReturned(_)
        | Event::CouncilWeighed(_) => council::event(event).unwrap_or_default(),
    }
}

fn joined(node: &RegisterNode) -> String {
    let model = or_dash(&node.gpu_model.0);
    let (cpu, memory) = (node.cpu_milli, node.memory_mib);
    let group = match node.topology_group.as_str() {
        "" => String::new(),
        group => format!(", in topology group {group}"),
    };
    format!("{} with {} x {model}, {cpu} CPU milli, {memory} MiB{group}", node.node, node.gpu_count)
}

/// Events that somebody gave a reason for.
fn said_by_people(event: &Event) -> Option<String> {
    Some(match event {
        Event::NodeHealthChanged(changed) => {
            let how = match changed.health {
                NodeHealth::Healthy => "works again",
                NodeHealth::Unhealthy => "is unhealthy and takes no new work",
            };
            format!("{} {how}{}", changed.node, because(&changed.reason))
        }
        Event::DecisionOverridden(said) => {
            let what = match said.action {
                OverrideAction::Approve => "goes on, whatever the council says",
                OverrideAction::End => "ends",
            };
            let DecisionOverridden { request, operator, reason, .. } = said;
            format!("{request} {what}, says {}{}", or_dash(&operator.0), because(reason))
        }
        Event::AppealFiled(appeal) => {
            format!("{} is to be looked at again{}", appeal.request, because(&appeal.reason))
        }
        _ => return None,
    })
}

/// `: REASON`, when one was given.
fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

/// A moment as a time and as seen from `now`.
#[must_use]
pub fn moment(now: TimeMs, at: TimeMs) -> String {
    format!("at {} (in {})", clock(at), span(between(now, at)))
}

/// A verdict in a word.
#[must_use]
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approve => "approve",
        Verdict::Deny => "deny",
        Verdict::Defer => "defer",
    }
}

fn vote(voted: &RequestVoted) -> String {
    let verdict = verdict(voted.verdict);
    let seat = match voted.seat {
        SeatKind::Rules => "rules",
        SeatKind::RulesFinal => "rules_final",
    };
    let RequestVoted { request, attempt, score, mode, .. } = voted;
    let (priority, size) = (voted.priority_points, voted.size_points);
    let (duration, preemptible) = (voted.duration_points, voted.preemptible_points);
    format!(
        "{request} vote {attempt}: {verdict} with {score} by {seat} ({}; priority {priority}, size \
         {size}, duration {duration}, preemptible {preemptible})",
        council_mode(*mode)
    )
}

/// What a request asks for.
#[must_use]
pub fn ask(ask: &RequestAllocation) -> String {
    let preemptible = if ask.preemptible { ", preemptible" } else { "" };
    let RequestAllocation { request, tenant, user, priority, .. } = ask;
    let wants = wants(ask);
    let duration = span(ask.expected_duration_ms);
    format!(
        "{request} of {tenant} ({user}): {wants} for {duration}, priority {priority}{preemptible}"
    )
}

/// Replicas, GPUs, CPU and memory of a request.
#[must_use]
pub fn wants(ask: &RequestAllocation) -> String {
    let RequestAllocation { replicas, gpu_count, gpu_milli, cpu_milli, memory_mib, .. } = ask;
    let models: Vec<&str> = ask.gpu_models.iter().map(|model| model.0.as_str()).collect();
    let models = if models.is_empty() { "any model".to_owned() } else { models.join(" or ") };
    let gpus = match (*gpu_count, gpu_milli.0) {
        (0, _) => "no GPU".to_owned(),
        (count, 1_000) => format!("{count} GPU ({models})"),
        (_, _) => format!("{} GPU ({models})", gpus(*gpu_milli)),
    };
    let near = match ask.topology {
        Topology::None => "",
        Topology::SameNode => ", all on one node",
        Topology::SameGroup => ", all in one topology group",
    };
    format!("{replicas} x {gpus}, {cpu_milli} CPU milli, {memory_mib} MiB{near}")
}

fn grant(granted: &LeaseGranted, now: TimeMs) -> String {
    let LeaseGranted { request, fencing, ends_at_ms, gpu_model, replicas, pool: _ } = granted;
    let places = places(replicas, gpu_model);
    format!("{request} on {places}, ends {}, fencing {fencing}", moment(now, *ends_at_ms))
}

/// `node-1[0,1] + node-2[0,1] (G2)`.
#[must_use]
pub fn places(replicas: &[Placement], model: &GpuModel) -> String {
    let place = |placement: &Placement| {
        let gpus: Vec<String> = placement.gpus.iter().map(ToString::to_string).collect();
        format!("{}[{}]", placement.node, gpus.join(","))
    };
    let shown: Vec<String> = replicas.iter().take(REPLICAS_SHOWN_MAX).map(place).collect();
    let more = match replicas.len().saturating_sub(REPLICAS_SHOWN_MAX) {
        0 => String::new(),
        more => format!(" + {more} more"),
    };
    let model = if model.0.is_empty() { String::new() } else { format!(" ({model})") };
    format!("{}{more}{model}", shown.join(" + "))
}

fn lease_end(ended: &LeaseEnded) -> String {
    let reason = match ended.reason {
        LeaseEnd::Released => "given back",
        LeaseEnd::Expired => "expired",
        LeaseEnd::Revoked => "ended by an operator",
    };
    let outcome = match ended.outcome {
        WorkOutcome::Unknown => "",
        WorkOutcome::Succeeded => ", the work succeeded",
        WorkOutcome::Failed => ", the work failed",
        WorkOutcome::Stopped => ", the work was stopped",
    };
    let used = ended.utilisation_bp.map_or(String::new(), |used| format!(", {used} bp used"));
    format!("{} {reason}{outcome}{used}", ended.request)
}

fn request_end(reason: RequestEnd) -> &'static str {
    match reason {
        RequestEnd::Cancelled => "cancelled",
        RequestEnd::DeadlinePassed => "its deadline passed",
        RequestEnd::CouncilDenied => "the council said no",
        RequestEnd::Overridden => "an operator ended it",
    }
}

/// A pool's rules.
#[must_use]
pub fn policy(policy: &SetPoolPolicy) -> String {
    let placement = match policy.placement {
        PlacementPolicy::Random => "random",
        PlacementPolicy::BestFit => "best_fit",
        PlacementPolicy::Fgd => "fgd",
        PlacementPolicy::Default => "default",
    };
    format!(
        "{}, placement {placement} ({} target shapes), lease at most {} + {}, nobody overtakes \
         after {}, deferral {}, queue at most {}",
        council_mode(policy.council),
        policy.target_workload.len(),
        span(policy.lease_max_ms),
        span(policy.lease_grace_ms),
        span(policy.wait_bound_ms),
        span(policy.defer_retry_ms),
        policy.queue_max
    )
}

/// What a pool does with the council.
#[must_use]
pub fn council_mode(mode: CouncilMode) -> &'static str {
    match mode {
        CouncilMode::Off => "council off",
        CouncilMode::Advise => "council advises",
        CouncilMode::Enforce => "council enforced",
    }
}

/// Where command times come from.
#[must_use]
pub fn time_source(source: TimeSource) -> &'static str {
    match source {
        TimeSource::LogAppend => "stamped when appended",
        TimeSource::Carried => "times carried by records",
    }
}

fn quota(quota: &SetQuota) -> String {
    let (guarantee, limit) = (gpus(quota.guarantee_gpu_milli), gpus(quota.limit_gpu_milli));
    let budget = quota.gpu_hour_budget.map_or(String::new(), |gpu_hours| {
        format!(", {gpu_hours} GPU-hours every {}", rough(quota.budget_window_ms))
    });
    let borrow = match quota.borrow_gpu_milli {
        GpuMilli(0) => String::new(),
        most => format!(", borrows up to {}", gpus(most)),
    };
    format!("{}: {guarantee} GPUs guaranteed, at most {limit}{borrow}{budget}", quota.tenant)
}

/// `1.5 of 4 GPUs` of a sum.
#[must_use]
pub fn part(used: GpuMilli, total: GpuMilli) -> String {
    format!("{} of {} GPUs", gpus(used), gpus(total))
}

/// Since when, seen from `now`.
#[must_use]
pub fn ago(now: TimeMs, since: TimeMs) -> String {
    let DurationMs(ms) = between(since, now);
    format!("for {}", span(DurationMs(ms)))
}
