//! Every effect has a cause: the command as it was read, or the passing of time.

use super::books::Books;
use super::findings::Findings;
use super::rule::Rule;
use conclave_core::command::{Command, Payload, RequestAllocation, WorkOutcome};
use conclave_core::decide::subject_request;
use conclave_core::decision::{
    Decision, Event, LeaseEnd, LeaseEnded, Outcome, RequestEnd, RequestEnded,
};
use conclave_core::input::{Content, Input};
use conclave_core::rejection::RejectionCode;
use conclave_core::units::{Hash32, Offset, PoolId, RequestId};

/// Compares a decision with its command, before the books know of it.
pub(super) fn check(decision: &Decision, input: &Input, books: &Books, findings: &mut Findings) {
    if decision.input_hash != input.input_hash {
        findings.add(Rule::Causality, "the command is not the one that was decided");
    }
    match &input.content {
        Content::Readable { command, .. } => {
            check_readable(decision, command, findings);
            check_fencing(decision, command, books, findings);
            check_effects(decision, command, findings);
        }
        Content::Unreadable(_) => check_unreadable(decision, input, findings),
    }
}

fn check_readable(decision: &Decision, command: &Command, findings: &mut Findings) {
    if let Outcome::Rejected(rejected) = &decision.outcome
        && says_unreadable(rejected.code)
    {
        let sentence = "its command can be read, and it is refused as if it could not";
        findings.add(Rule::Schema, sentence);
    }
    // Ids of any length are not repeated in a decision.
    let repeats_ids = !decision.kind.is_empty();
    let is_about = decision.command_id == command.command_id
        && *decision.kind == *command.payload.name()
        && decision.pool == command.pool
        && subject_request(&command.payload).map_or("", |id| &id.0) == &*decision.request.0;
    if repeats_ids && !is_about {
        let (kind, id) = (&decision.kind, &decision.command_id);
        let sentence = format!(
            "it answers {kind} '{id}' about '{}', and its command is {} '{}'",
            decision.request,
            command.payload.name(),
            command.command_id
        );
        findings.add(Rule::Causality, sentence);
    }
}

fn check_unreadable(decision: &Decision, input: &Input, findings: &mut Findings) {
    let Content::Unreadable(due) = &input.content else { return };
    let is_due = match &decision.outcome {
        Outcome::Rejected(rejected) => rejected.code == due.code,
        Outcome::Failed(_) => true,
        Outcome::Accepted | Outcome::Duplicate(_) => false,
    };
    if !is_due {
        let sentence = format!("its command is {} ({})", due.code.as_str(), due.detail);
        findings.add(Rule::Schema, sentence);
    }
    if let Some(event) = decision.events.iter().find(|event| cause_of(event).is_some()) {
        let sentence = format!("its command cannot be read and leads to {event:?}");
        findings.add(Rule::Causality, sentence);
    }
}

fn says_unreadable(code: RejectionCode) -> bool {
    matches!(code, RejectionCode::Unreadable | RejectionCode::UnknownSchema)
}

/// Whoever changed a lease quoted the number that was current.
fn check_fencing(decision: &Decision, command: &Command, books: &Books, findings: &mut Findings) {
    if decision.outcome != Outcome::Accepted {
        return;
    }
    let (request, quoted) = match &command.payload {
        Payload::RenewLease(renew) => (&renew.request, renew.fencing),
        Payload::ShrinkLease(shrink) => (&shrink.request, shrink.fencing),
        Payload::ReleaseLease(release) => (&release.request, release.fencing),
        _ => return,
    };
    let current = books.fencing(&command.pool, request);
    if let Some(Offset(current)) = current.filter(|current| *current != quoted) {
        let sentence = format!(
            "'{request}' is changed with fencing number {quoted}, and {current} is current"
        );
        findings.add(Rule::Causality, sentence);
    }
}

fn check_effects(decision: &Decision, command: &Command, findings: &mut Findings) {
    let name = command.payload.name();
    for event in &decision.events {
        let Some(causes) = cause_of(event) else { continue };
        // A denied appeal says so in an event and is refused.
        let is_obeyed =
            decision.outcome == Outcome::Accepted || matches!(event, Event::AppealFiled(_));
        if !is_obeyed || !causes.contains(&name) || !is_as_asked(event, command) {
            let sentence = format!("{name} does not lead to {event:?}");
            findings.add(Rule::Causality, sentence);
        }
    }
    let is_without_effect =
        |due: &&str| !decision.events.iter().any(|event| cause_of(event) == Some(&[*due]));
    if decision.outcome == Outcome::Accepted
        && ALWAYS_EFFECTIVE.contains(&name)
        && is_without_effect(&name)
    {
        findings.add(Rule::Causality, format!("{name} is accepted, and nothing follows"));
    }
    let admits = |event: &Event| matches!(event, Event::RequestAdmitted(_));
    if decision.outcome == Outcome::Accepted
        && matches!(command.payload, Payload::RequestAllocation(_))
        && !decision.events.iter().any(admits)
    {
        findings.add(Rule::Causality, "a request is accepted, and not admitted");
    }
}

/// Commands that cannot be accepted without an event of their own.
const ALWAYS_EFFECTIVE: [&str; 14] = [
    "OpenLog",
    "ActivateDecider",
    "RegisterNode",
    "DrainNode",
    "RemoveNode",
    "SetQuota",
    "SetPoolPolicy",
    "CancelRequest",
    "RenewLease",
    "ShrinkLease",
    "ReleaseLease",
    "TopUpBudget",
    "Reserve",
    "CancelReservation",
];

/// The commands that may lead to an event; none when timers, votes and free room do.
fn cause_of(event: &Event) -> Option<&'static [&'static str]> {
    Some(match event {
        Event::LogOpened(_) => &["OpenLog"],
        Event::DeciderActivated(_) => &["ActivateDecider"],
        Event::CouncilActivated(_) => &["ActivateCouncil"],
        Event::NodeRegistered(_) => &["RegisterNode"],
        Event::NodeDrained(_) => &["DrainNode"],
        Event::NodeRemoved(_) => &["RemoveNode"],
        Event::NodeHealthChanged(_) => &["ReportNodeHealth"],
        Event::QuotaSet(_) => &["SetQuota"],
        Event::PoolPolicySet(_) => &["SetPoolPolicy"],
        Event::FairShareSet(_) => &["SetFairShare"],
        Event::PreemptionSet(_) => &["SetPreemption"],
        Event::BudgetToppedUp(_) => &["TopUpBudget"],
        Event::TariffSet(_) => &["SetTariff"],
        Event::TenantParentSet(_) => &["SetTenantParent"],
        Event::ReservationMade(_) => &["Reserve"],
        Event::ReservationCancelled(_) => &["CancelReservation"],
        Event::RequestAdmitted(_) => &["RequestAllocation", "OverrideDecision", "Appeal"],
        Event::LeaseRenewed(_) => &["RenewLease"],
        Event::LeaseShrunk(_) => &["ShrinkLease"],
        // Beside the end of the lease itself: its cause alone would be no effect of the command.
        Event::CouncilWeighed(_) => &["ReleaseLease", "its outcome"],
        Event::LeaseEnded(LeaseEnded { reason: LeaseEnd::Released, .. }) => &["ReleaseLease"],
        Event::LeaseEnded(LeaseEnded { reason: LeaseEnd::Revoked, .. })
        | Event::RequestEnded(RequestEnded { reason: RequestEnd::Overridden, .. })
        | Event::DecisionOverridden(_) => &["OverrideDecision"],
        Event::RequestEnded(RequestEnded { reason: RequestEnd::Cancelled, .. }) => {
            &["CancelRequest"]
        }
        Event::AppealFiled(_) => &["Appeal"],
        Event::LeaseEnded(LeaseEnded { reason: LeaseEnd::Expired, .. })
        | Event::RequestEnded(RequestEnded {
            reason: RequestEnd::DeadlinePassed | RequestEnd::CouncilDenied,
            ..
        })
        | Event::RequestVoted(_)
        | Event::CouncilVoted(_)
        | Event::CouncilRemembered(_)
        | Event::MemberQuarantined(_)
        | Event::MemberReturned(_)
        | Event::RequestQueued(_)
        | Event::RequestDeferred(_)
        | Event::DeferralDue(_)
        | Event::LeaseGranted(_)
        | Event::PreemptionNoticed(_)
        | Event::LeasePreempted(_)
        | Event::BudgetAwaited(_)
        | Event::ReservationStarted(_)
        | Event::ReservationEnded(_)
        | Event::LeaseLetPast(_)
        | Event::QueueCarriedOver(_)
        | Event::QueueCaughtUp(_) => return None,
    })
}

/// Whether an event says what its command asked, as far as the command says it.
fn is_as_asked(event: &Event, command: &Command) -> bool {
    let in_pool = |pool: &PoolId| *pool == command.pool;
    let about = |pool: &PoolId, request: &RequestId| {
        in_pool(pool) && subject_request(&command.payload) == Some(request)
    };
    match (event, &command.payload) {
        (Event::LogOpened(opened), Payload::OpenLog(asked)) => opened.log == *asked,
        (Event::DeciderActivated(activated), Payload::ActivateDecider(asked)) => {
            activated.version == asked.version
        }
        (Event::CouncilActivated(activated), Payload::ActivateCouncil(asked)) => {
            activated.model.map(|model| model.0) == Hash32::from_hex(&asked.model)
        }
        (Event::NodeRegistered(event), Payload::RegisterNode(asked)) => {
            in_pool(&event.pool) && event.node == *asked
        }
        (Event::NodeDrained(event), Payload::DrainNode(asked)) => {
            in_pool(&event.pool) && event.node == asked.node
        }
        (Event::NodeRemoved(event), Payload::RemoveNode(asked)) => {
            in_pool(&event.pool) && event.node == asked.node
        }
        (Event::NodeHealthChanged(event), Payload::ReportNodeHealth(asked)) => {
            in_pool(&event.pool) && event.node == asked.node && event.health == asked.health
        }
        (Event::RequestAdmitted(event), payload) => {
            in_pool(&event.pool) && asked_for(payload) == Some(&event.request)
        }
        (Event::LeaseShrunk(event), Payload::ShrinkLease(asked)) => {
            about(&event.pool, &event.request) && event.replicas == asked.replicas
        }
        (Event::CouncilWeighed(event), Payload::ReleaseLease(asked)) => {
            let said = match asked.outcome {
                WorkOutcome::Succeeded => Some(true),
                WorkOutcome::Failed => Some(false),
                WorkOutcome::Stopped | WorkOutcome::Unknown => None,
            };
            about(&event.pool, &event.request) && said == Some(event.ended_well)
        }
        (Event::LeaseRenewed(event), _) => about(&event.pool, &event.request),
        (Event::LeaseEnded(event), _) => about(&event.pool, &event.request),
        (Event::RequestEnded(event), _) => about(&event.pool, &event.request),
        (Event::DecisionOverridden(event), _) => about(&event.pool, &event.request),
        (Event::AppealFiled(event), _) => about(&event.pool, &event.request),
        _ => is_shared_as_asked(event, command),
    }
}

/// The same of how a pool is shared.
fn is_shared_as_asked(event: &Event, command: &Command) -> bool {
    let in_pool = |pool: &PoolId| *pool == command.pool;
    match (event, &command.payload) {
        (Event::QuotaSet(event), Payload::SetQuota(asked)) => {
            in_pool(&event.pool) && event.quota == *asked
        }
        (Event::PoolPolicySet(event), Payload::SetPoolPolicy(asked)) => {
            in_pool(&event.pool) && event.policy == *asked
        }
        (Event::FairShareSet(event), Payload::SetFairShare(asked)) => {
            in_pool(&event.pool) && event.fair_share == *asked
        }
        (Event::PreemptionSet(event), Payload::SetPreemption(asked)) => {
            in_pool(&event.pool) && event.preemption == *asked
        }
        (Event::ReservationMade(event), Payload::Reserve(asked)) => {
            in_pool(&event.pool) && event.reserve == **asked && event.operator == command.actor.user
        }
        (Event::ReservationCancelled(event), Payload::CancelReservation(asked)) => {
            let is_same = event.reservation == asked.reservation && event.reason == asked.reason;
            in_pool(&event.pool) && is_same && event.operator == command.actor.user
        }
        (Event::TariffSet(event), Payload::SetTariff(asked)) => {
            in_pool(&event.pool) && event.tariff == *asked
        }
        (Event::TenantParentSet(event), Payload::SetTenantParent(asked)) => {
            let asked = (&asked.tenant, &asked.parent, asked.lend_gpu_milli);
            in_pool(&event.pool) && asked == (&event.tenant, &event.parent, event.lend_gpu_milli)
        }
        (Event::BudgetToppedUp(event), Payload::TopUpBudget(asked)) => {
            let is_window = asked.window_at_ms.is_none_or(|at_ms| at_ms >= event.window_start_ms);
            let asked = (&asked.tenant, asked.gpu_hours, &asked.reason);
            let is_same = asked == (&event.tenant, event.gpu_hours, &event.reason);
            in_pool(&event.pool) && is_window && is_same && event.operator == command.actor.user
        }
        // What it cannot come from was said already.
        _ => true,
    }
}

fn asked_for(payload: &Payload) -> Option<&RequestAllocation> {
    match payload {
        Payload::RequestAllocation(ask) => Some(ask),
        Payload::OverrideDecision(order) => order.ask.as_deref(),
        Payload::Appeal(appeal) => appeal.ask.as_deref(),
        _ => None,
    }
}
