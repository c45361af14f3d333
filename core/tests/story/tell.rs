//! A decision in a few words.

use conclave_core::decision::{Decision, Event, LeaseEnd, LeaseGranted, Outcome, RequestEnd};

/// What a decision says, line by line: its refusal first, then what happened, in order. That a
/// request joined the queue is told only when it did not start at once.
pub(crate) fn tell(decision: &Decision) -> Vec<String> {
    let refusal = match &decision.outcome {
        Outcome::Accepted => None,
        Outcome::Rejected(rejected) => Some(format!("refused: {}", rejected.code.as_str())),
        Outcome::Failed(failed) => Some(format!("skipped: {}", failed.reason)),
        Outcome::Duplicate(duplicate) => Some(format!("duplicate of {}", duplicate.first_offset)),
    };
    let mut lines: Vec<String> = refusal.into_iter().collect();
    for (index, event) in decision.events.iter().enumerate() {
        lines.extend(line(event, &decision.events[index..]));
    }
    lines
}

fn line(event: &Event, rest: &[Event]) -> Option<String> {
    let starts = |id| {
        let is_its_start =
            |event: &Event| matches!(event, Event::LeaseGranted(g) if g.request == id);
        rest.iter().any(is_its_start)
    };
    Some(match event {
        Event::LogOpened(_) => "the log is open".to_owned(),
        Event::DeciderActivated(activated) => format!("version {} decides", activated.version),
        Event::NodeRegistered(registered) => format!("{} joins", registered.node.node),
        Event::NodeDrained(drained) => format!("{} drains", drained.node),
        Event::NodeHealthChanged(changed) => format!("{} is {:?}", changed.node, changed.health),
        Event::NodeRemoved(removed) => format!("{} leaves", removed.node),
        Event::QuotaSet(set) => format!("{} has a quota", set.quota.tenant),
        Event::PoolPolicySet(_) => "the rules are set".to_owned(),
        Event::RequestVoted(voted) => {
            let (id, verdict, score) = (&voted.request, voted.verdict, voted.score);
            format!("{:?} on {id}: {verdict:?} with {score}", voted.seat)
        }
        Event::RequestAdmitted(_) => return None,
        Event::RequestQueued(queued) if starts(queued.request.clone()) => return None,
        Event::RequestQueued(queued) => format!("{} waits", queued.request),
        Event::RequestDeferred(deferred) => {
            format!("{} is deferred until {}", deferred.request, deferred.retry_at_ms)
        }
        Event::DeferralDue(due) => format!("{} is due", due.request),
        Event::RequestEnded(ended) => match ended.reason {
            RequestEnd::Cancelled => format!("{} is cancelled", ended.request),
            RequestEnd::DeadlinePassed => format!("{} missed its deadline", ended.request),
            RequestEnd::CouncilDenied => format!("{} is denied", ended.request),
            RequestEnd::Overridden => format!("{} is ended", ended.request),
        },
        Event::LeaseGranted(granted) => format!("{} runs on {}", granted.request, nodes(granted)),
        Event::LeaseRenewed(renewed) => {
            format!("{} runs until {}", renewed.request, renewed.ends_at_ms)
        }
        Event::LeaseShrunk(shrunk) => format!("{} keeps {}", shrunk.request, shrunk.replicas),
        Event::LeaseEnded(ended) => match ended.reason {
            LeaseEnd::Released => format!("{} is released", ended.request),
            LeaseEnd::Expired => format!("{} expires", ended.request),
            LeaseEnd::Revoked => format!("{} is revoked", ended.request),
        },
        Event::DecisionOverridden(by) => {
            format!("{} says {:?} {}: {}", by.operator, by.action, by.request, by.reason)
        }
        Event::AppealFiled(appeal) => format!("{} appeals: {}", appeal.request, appeal.reason),
        Event::CouncilActivated(activated) => match activated.model {
            Some(model) => format!("council {:.4} sits", model.0.to_string()),
            None => "the rules sit".to_owned(),
        },
        Event::CouncilVoted(voted) => {
            let (id, verdict, ground) = (&voted.request, voted.verdict, voted.ground);
            format!("the council on {id}: {verdict:?}, {ground:?}")
        }
        Event::CouncilRemembered(memory) => format!("{} is remembered", memory.tenant),
        Event::MemberQuarantined(gone) => format!("member {} is {:?}", gone.member, gone.cause),
        Event::MemberReturned(back) => format!("member {} returns", back.member),
        Event::CouncilWeighed(weighed) => format!("{} teaches the council", weighed.request),
        Event::QueueCarriedOver(_) => "the queue is carried over".to_owned(),
        Event::QueueCaughtUp(_) => "the queue has caught up".to_owned(),
        other => sharing(other),
    })
}

/// How the pool is shared.
fn sharing(event: &Event) -> String {
    match event {
        Event::FairShareSet(set) => match set.fair_share.half_life_ms {
            Some(half_life) => format!("the queue is fair, by half after {half_life}"),
            None => "the queue is by arrival".to_owned(),
        },
        Event::PreemptionSet(_) => "the rules of preemption are set".to_owned(),
        Event::PreemptionNoticed(noticed) => {
            let (id, by, at) = (&noticed.request, &noticed.by, noticed.ends_at_ms);
            format!("{id} ends at {at} for {by} by {:?}", noticed.right)
        }
        Event::LeasePreempted(preempted) => {
            format!("{} makes room for {}", preempted.request, preempted.by)
        }
        Event::BudgetToppedUp(topped_up) => {
            let (tenant, start) = (&topped_up.tenant, topped_up.window_start_ms);
            format!("{tenant} has {} GPU-hours more from {start}", topped_up.gpu_hours)
        }
        Event::BudgetAwaited(awaited) => match awaited.until_ms {
            Some(until) => format!("the queue is looked at again at {until}"),
            None => "nobody waits for a budget".to_owned(),
        },
        Event::TariffSet(_) => "the tariff is set".to_owned(),
        Event::TenantParentSet(set) if set.parent.0.is_empty() => {
            format!("{} stands at the top", set.tenant)
        }
        Event::TenantParentSet(set) => format!("{} stands below {}", set.tenant, set.parent),
        Event::ReservationMade(made) => {
            let nodes: Vec<&str> = made.replicas.iter().map(|at| at.node.0.as_str()).collect();
            format!("{} is reserved on {}", made.reserve.reservation, nodes.join("+"))
        }
        Event::ReservationStarted(started) => format!("{} starts", started.reservation),
        Event::ReservationEnded(ended) => format!("{} is over", ended.reservation),
        Event::ReservationCancelled(by) => format!("{} is given up", by.reservation),
        Event::LeaseLetPast(past) => {
            format!("{} passes {} until {}", past.request, past.protected, past.until_ms)
        }
        other => panic!("{other:?} is told elsewhere"),
    }
}

fn nodes(granted: &LeaseGranted) -> String {
    let nodes: Vec<&str> = granted.replicas.iter().map(|at| at.node.0.as_str()).collect();
    nodes.join("+")
}
