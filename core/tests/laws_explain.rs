//! Laws about what is said to help: sent for real, it does, and one step less does not.

mod common;

use common::{Stream, World, config, decide_round, streams};
use conclave_core::blocker::Blockers;
use conclave_core::command::{
    CancelRequest, CouncilMode, Payload, RequestAllocation, SetPoolPolicy, SetQuota, Topology,
};
use conclave_core::decision::{Decision, Event, Outcome, Verdict};
use conclave_core::explain::{
    By, Change, Field, Grant, Value, all_blockers, changes_that_admit, smallest_changes,
};
use conclave_core::input::Content;
use conclave_core::rejection::RejectionCode as Code;
use conclave_core::state::Request;
use conclave_core::units::{
    CpuMilli, DurationMs, GpuMilli, MemoryMib, MicroUsd, PoolId, RequestId, TimeMs,
};
use proptest::prelude::*;

/// Steps between two at which everybody who does not run is asked about.
const EVERY: usize = 6;

fn number(value: &Value) -> i64 {
    let Value::Number(number) = value else { panic!("{value:?} is no number") };
    *number
}

fn changed_ask(ask: &RequestAllocation, field: Field, to: &Value) -> RequestAllocation {
    let mut ask = ask.clone();
    match (field, to) {
        (Field::GpuModels, Value::Models(models)) => ask.gpu_models = models.clone(),
        (Field::Topology, Value::Word(word)) => {
            let is_none = word == "none";
            ask.topology = if is_none { Topology::None } else { Topology::SameGroup };
        }
        (Field::Preemptible, Value::Flag(flag)) => ask.preemptible = *flag,
        (Field::Replicas, to) => ask.replicas = number(to),
        (Field::GpuCount, to) => ask.gpu_count = number(to),
        (Field::GpuMilli, to) => ask.gpu_milli = GpuMilli(number(to)),
        (Field::CpuMilli, to) => ask.cpu_milli = CpuMilli(number(to)),
        (Field::MemoryMib, to) => ask.memory_mib = MemoryMib(number(to)),
        (Field::Priority, to) => ask.priority = number(to),
        (Field::ExpectedDurationMs, to) => ask.expected_duration_ms = DurationMs(number(to)),
        (Field::DeadlineMs, to) => ask.deadline_ms = Some(TimeMs(number(to))),
        (Field::BudgetCapMicroUsd, to) => ask.budget_cap_micro_usd = Some(MicroUsd(number(to))),
        (other, to) => panic!("{other:?} to {to:?} is no sender's change"),
    }
    ask
}

/// The operator's command that makes a change.
fn setting(
    world: &World,
    pool: &PoolId,
    ask: &RequestAllocation,
    change: (Field, &Value),
) -> Payload {
    let pool = &world.state.pools[pool];
    let (quota, policy) = (pool.tenants[&ask.tenant].quota.clone(), pool.policy.clone());
    match change {
        (Field::LimitGpuMilli, to) => {
            Payload::SetQuota(SetQuota { limit_gpu_milli: GpuMilli(number(to)), ..quota })
        }
        (Field::GuaranteeGpuMilli, to) => {
            Payload::SetQuota(SetQuota { guarantee_gpu_milli: GpuMilli(number(to)), ..quota })
        }
        (Field::BorrowGpuMilli, to) => {
            Payload::SetQuota(SetQuota { borrow_gpu_milli: GpuMilli(number(to)), ..quota })
        }
        (Field::GpuHourBudget, to) => {
            Payload::SetQuota(SetQuota { gpu_hour_budget: Some(number(to)), ..quota })
        }
        (Field::WaitBoundMs, to) => Payload::SetPoolPolicy(SetPoolPolicy {
            wait_bound_ms: DurationMs(number(to)),
            ..policy
        }),
        (Field::QueueMax, to) => {
            Payload::SetPoolPolicy(SetPoolPolicy { queue_max: number(to), ..policy })
        }
        (Field::Council, Value::Word(word)) if word == "advise" => {
            Payload::SetPoolPolicy(SetPoolPolicy { council: CouncilMode::Advise, ..policy })
        }
        (other, to) => panic!("{other:?} to {to:?} is no operator's change"),
    }
}

/// The value one step nearer to what it was.
fn one_less(change: &Change) -> Option<Value> {
    let (Value::Number(from), Value::Number(to)) = (&change.from, &change.to) else { return None };
    Some(Value::Number(to - (to - from).signum()))
}

fn is_rate_limited(decision: &Decision) -> bool {
    matches!(&decision.outcome, Outcome::Rejected(no) if no.code == Code::RateLimited)
}

fn granted(decision: &Decision, request: &RequestId) -> Option<Grant> {
    let pool = &decision.pool;
    decision.events.iter().find_map(|event| match event {
        Event::LeaseGranted(granted) if granted.request == *request && granted.pool == *pool => {
            Some(Grant { gpu_model: granted.gpu_model.clone(), replicas: granted.replicas.clone() })
        }
        _ => None,
    })
}

/// Whether networks kept it back, who are not asked what they would say of a changed request.
fn is_voted_down(decision: &Decision, request: &RequestId) -> bool {
    decision.events.iter().any(|event| {
        matches!(event, Event::CouncilVoted(voted)
            if voted.request == *request
                && voted.pool == decision.pool
                && voted.mode == CouncilMode::Enforce
                && voted.verdict != Verdict::Approve)
    })
}

/// Accepted, and not put off.
fn is_let_in(decision: &Decision, request: &RequestId) -> bool {
    let is_deferred = |event: &Event| {
        matches!(event, Event::RequestDeferred(one)
            if one.request == *request && one.pool == decision.pool)
    };
    decision.outcome == Outcome::Accepted && !decision.events.iter().any(is_deferred)
}

/// Makes the change for real; what followed, unless the rate limit got in the way.
fn make(
    world: &World,
    pool: &PoolId,
    request: &Request,
    by: By,
    change: (Field, &Value),
) -> Option<Decision> {
    let mut world = world.clone();
    let decision = match by {
        By::Sender => {
            let id = request.ask.request.clone();
            let cancel = CancelRequest { request: id, reason: String::new() };
            world.send(&pool.0, Payload::CancelRequest(cancel));
            let ask = changed_ask(&request.ask, change.0, change.1);
            world.send(&pool.0, Payload::RequestAllocation(ask))
        }
        By::Operator => {
            let setting = setting(&world, pool, &request.ask, change);
            world.send(&pool.0, setting)
        }
    };
    (!is_rate_limited(decision)).then(|| decision.clone())
}

fn check_change(world: &World, pool: &PoolId, request: &Request, change: &Change) {
    let (id, said) = (&request.ask.request, format!("{change:?} for {request:?}"));
    let is_council = request.waits_since().is_none();
    if is_council && change.by == By::Operator {
        // It takes effect at its next vote.
        return;
    }
    let Some(decision) = make(world, pool, request, change.by, (change.field, &change.to)) else {
        return;
    };
    if change.by == By::Sender && is_voted_down(&decision, id) {
        return;
    }
    assert_eq!(granted(&decision, id), change.granted, "{said}: {:?}", decision.outcome);
    assert!(is_council || change.granted.is_some(), "{said} starts nothing");
    assert!(change.by == By::Operator || is_let_in(&decision, id), "{said}: {decision:?}");
    let Some(less) = one_less(change).filter(|less| *less != change.from) else { return };
    let Some(decision) = make(world, pool, request, change.by, (change.field, &less)) else {
        return;
    };
    let helps =
        if is_council { is_let_in(&decision, id) } else { granted(&decision, id).is_some() };
    if decision.events.iter().any(|event| matches!(event, Event::LeasePreempted(_))) {
        // What starts by having others end is not offered.
        return;
    }
    assert!(!helps, "{said}: {less:?} is enough");
}

/// Whoever does not run, with its pool.
fn who_waits(world: &World) -> Vec<(PoolId, Request)> {
    let mut waiting = Vec::new();
    for (id, pool) in &world.state.pools {
        let requests = pool.requests.values().filter(|request| request.lease().is_none());
        waiting.extend(requests.take(4).map(|request| (id.clone(), request.clone())));
    }
    waiting
}

/// Counts what was found, so that a law that finds nothing fails.
fn check_stream(stream: &Stream) {
    let mut world = stream.begin();
    for (at, step) in stream.steps.iter().enumerate() {
        world.step(step);
        // Of networks nobody knows what they would say next of whoever is due.
        let is_open = world.state.council.is_some() && !world.state.due.is_empty();
        if at % EVERY != EVERY - 1 || is_open {
            continue;
        }
        for (pool, request) in who_waits(&world) {
            for change in smallest_changes(&world.state, &pool, &request.ask.request) {
                check_change(&world, &pool, &request, &change);
            }
        }
    }
}

fn check_refusal(before: &World, after: &World) {
    let (decision, input) = (after.decisions.last(), after.inputs.last());
    let (decision, input) = (decision.expect("a step"), input.expect("a step"));
    let Outcome::Rejected(refused) = &decision.outcome else { return };
    let Content::Readable { command, .. } = &input.content else { return };
    let Payload::RequestAllocation(ask) = &command.payload else { return };
    let codes = [
        Code::ExceedsLimit,
        Code::ExceedsPool,
        Code::ExceedsBudget,
        Code::ExceedsCap,
        Code::QueueFull,
        Code::CouncilDenied,
        Code::DeadlinePassed,
    ];
    if !codes.contains(&refused.code) {
        return;
    }
    let at = (decision.offset, decision.time_ms);
    for change in changes_that_admit(&before.state, &command.pool, ask, at) {
        let mut world = before.clone();
        let mut again = command.clone();
        let mut input = input.clone();
        if change.by == By::Operator {
            // At the command's own time.
            world.tick(decision.time_ms.0);
            let setting = setting(&world, &command.pool, ask, (change.field, &change.to));
            world.send(&command.pool.0, setting);
            input.offset.0 = world.state.covered.0 + 1;
        } else {
            again.payload = Payload::RequestAllocation(changed_ask(ask, change.field, &change.to));
        }
        let Content::Readable { digests, .. } = input.content else { unreachable!("it was read") };
        input.content = Content::Readable { command: again, digests };
        let answer = decide_round(&mut world.state, vec![input]).remove(0);
        if is_voted_down(&answer, &ask.request) {
            continue;
        }
        assert!(is_let_in(&answer, &ask.request), "{change:?} for {ask:?}: {answer:?}");
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_said_to_help_does_and_one_step_less_does_not(stream in streams()) {
        check_stream(&stream);
    }

    #[test]
    fn a_refused_request_is_let_in_with_what_is_said_to_help(stream in streams()) {
        let mut world = stream.begin();
        for step in &stream.steps {
            let before = world.clone();
            world.step(step);
            check_refusal(&before, &world);
        }
    }

    /// Of everything that may come, in whatever state.
    #[test]
    fn what_is_decided_on_a_copy_is_what_is_decided(stream in streams()) {
        let mut world = stream.begin();
        for step in &stream.steps {
            let before = world.state.clone();
            world.step(step);
            let input = world.inputs.last().expect("a step").clone();
            let (pool, id_hash) = match &input.content {
                Content::Readable { command, digests } => {
                    (command.pool.clone(), Some(digests.id_hash))
                }
                Content::Unreadable(_) => (PoolId::default(), None),
            };
            let mut copy = before.for_plan(&pool, input.time_ms.max(before.time_ms), id_hash);
            let planned = decide_round(&mut copy, vec![input]);
            prop_assert_eq!(planned.last(), world.decisions.last());
        }
    }

    #[test]
    fn of_all_blockers_the_first_is_the_one_that_is_named(stream in streams()) {
        let world = stream.run();
        for (pool, request) in who_waits(&world) {
            let named = Blockers::of(&world.state, &pool).blocker(&request);
            let all = all_blockers(&world.state, &pool, &request.ask.request);
            prop_assert_eq!(named.as_ref(), all.first());
        }
    }
}
