//! What any command has to pass before its own rules look at it.

mod story;

use conclave_core::command::*;
use conclave_core::decision::Outcome;
use conclave_core::limits::{
    DECIDE_VERSION_NEWEST, ID_BYTES_MAX, NODES_MAX, POOLS_MAX, QUEUE_MAX, REPLICAS_MAX,
    TENANTS_MAX, TIME_MS_MAX,
};
use conclave_core::units::*;
use story::{
    HOUR, MINUTE, SECOND, Story, appeal, approve, ask, breaks, cancel, drain, end, node, open_log,
    overriding, policy, quota, release, remove, renew, set, share, shrink,
};

fn pool() -> Story {
    Story::given([node("a", 8, "A100"), quota("t", 0, 99), quota("u", 0, 99)])
}

/// Sends each payload to a pool of its own and compares the refusal's code and whether the detail
/// names the field.
#[track_caller]
fn check_refused(payload: Payload, code: &str, field: &str) {
    let mut pool = pool();
    let command = pool.command(payload.clone());
    let decision = pool.decide(0, vec![command]).remove(0);
    let Outcome::Rejected(rejected) = decision.outcome else {
        panic!("accepted: {payload:?}");
    };
    assert_eq!(rejected.code.as_str(), code, "{payload:?}: {}", rejected.detail);
    assert!(rejected.detail.contains(field), "'{}' does not name {field}", rejected.detail);
    assert_eq!(decision.events, [], "a refusal changes nothing");
    assert_eq!(decision.remembered, None, "what is out of bounds is not remembered");
}

fn asking(change: impl FnOnce(&mut RequestAllocation)) -> Payload {
    let mut asked = ask("r", "t").0;
    change(&mut asked);
    Payload::RequestAllocation(asked)
}

fn ruling(change: impl FnOnce(&mut SetPoolPolicy)) -> Payload {
    let mut policy = policy();
    change(&mut policy);
    set(policy)
}

fn sharing(change: impl FnOnce(&mut SetQuota)) -> Payload {
    let mut quota = share("t", 0, 9);
    change(&mut quota);
    Payload::SetQuota(quota)
}

fn registering(change: impl FnOnce(&mut RegisterNode)) -> Payload {
    let Payload::RegisterNode(mut register) = node("new", 8, "A100") else { unreachable!() };
    change(&mut register);
    Payload::RegisterNode(register)
}

fn long() -> String {
    "x".repeat(ID_BYTES_MAX + 1)
}

#[test]
fn fields_out_of_bounds_are_refused_by_name() {
    for (payload, field) in [
        (asking(|ask| ask.request = RequestId::default()), "request is empty"),
        (asking(|ask| ask.request = RequestId::from(long())), "request has 129 bytes"),
        (asking(|ask| ask.user = UserId::from(long())), "user"),
        (asking(|ask| ask.replicas = 0), "replicas is 0"),
        (asking(|ask| ask.replicas = -1), "replicas is -1"),
        (asking(|ask| ask.replicas = REPLICAS_MAX + 1), "replicas is 1025"),
        (asking(|ask| ask.replicas = i64::MAX), "replicas"),
        (asking(|ask| ask.gpu_count = -1), "gpu_count is -1"),
        (asking(|ask| ask.gpu_count = 17), "gpu_count is 17"),
        (asking(|ask| ask.gpu_milli = GpuMilli(1_001)), "gpu_milli with gpu_count 1 is 1001"),
        (asking(|ask| ask.gpu_milli = GpuMilli(0)), "gpu_milli with gpu_count 1 is 0"),
        (asking(|ask| ask.gpu_count = 0), "gpu_milli with gpu_count 0 is 1000"),
        (
            asking(|ask| (ask.gpu_count, ask.gpu_milli) = (2, GpuMilli(500))),
            "gpu_milli with gpu_count 2 is 500",
        ),
        (asking(|ask| ask.cpu_milli = CpuMilli(i64::MAX)), "cpu_milli"),
        (asking(|ask| ask.memory_mib = MemoryMib(-1)), "memory_mib"),
        (asking(|ask| ask.expected_duration_ms = DurationMs(0)), "expected_duration_ms"),
        (asking(|ask| ask.expected_duration_ms = DurationMs(i64::MAX)), "expected_duration_ms"),
        (asking(|ask| ask.priority = 0), "priority is 0"),
        (asking(|ask| ask.priority = 11), "priority is 11"),
        (asking(|ask| ask.deadline_ms = Some(TimeMs(TIME_MS_MAX.0 + 1))), "deadline_ms"),
        (asking(|ask| ask.gpu_models = vec![GpuModel::from("A"); 17]), "gpu_models has 17"),
        (asking(|ask| ask.gpu_models = vec![GpuModel::default()]), "gpu_models is empty"),
        (
            asking(|ask| {
                let (name, value) = (String::new(), String::new());
                ask.labels = vec![Label { name, value }];
            }),
            "labels.name is empty",
        ),
        (ruling(|policy| policy.lease_max_ms = DurationMs(0)), "lease_max_ms"),
        (ruling(|policy| policy.lease_grace_ms = DurationMs(-1)), "lease_grace_ms"),
        (ruling(|policy| policy.wait_bound_ms = DurationMs(i64::MAX)), "wait_bound_ms"),
        (ruling(|policy| policy.defer_retry_ms = DurationMs(0)), "defer_retry_ms"),
        (ruling(|policy| policy.queue_max = QUEUE_MAX + 1), "queue_max"),
        (sharing(|quota| quota.limit_gpu_milli = GpuMilli(-1)), "limit_gpu_milli"),
        (sharing(|quota| quota.limit_gpu_milli = GpuMilli(i64::MAX)), "limit_gpu_milli"),
        (sharing(|quota| quota.guarantee_gpu_milli = GpuMilli(9_001)), "guarantee_gpu_milli"),
        (sharing(|quota| quota.rate_per_minute = -1), "rate_per_minute"),
        (registering(|node| node.gpu_count = 17), "gpu_count"),
        (registering(|node| node.gpu_model = GpuModel::default()), "gpu_model is empty"),
        (registering(|node| node.node = NodeId::from(long())), "node has 129 bytes"),
        (renew("r", 0, 0), "extend_ms"),
        (renew("r", 0, i64::MAX), "extend_ms"),
        (shrink("r", 0, i64::MIN), "replicas"),
        (drain(&long()), "node"),
        (breaks(&long()), "node"),
        (remove(""), "node is empty"),
        (cancel(""), "request is empty"),
        (end(""), "request is empty"),
        (appeal("", None), "request is empty"),
        (approve("r", Some(ask("other", "t"))), "ask.request is 'other'"),
        (approve("r", Some(ask("r", "t").replicas(0))), "replicas is 0"),
        (overriding("r", OverrideAction::End, Some(ask("r", "t"))), "ask belongs to"),
        (appeal("r", Some(ask("r", "t").priority(11))), "priority is 11"),
        (release("", 0), "request is empty"),
    ] {
        check_refused(payload, "out_of_range", field);
    }
}

#[test]
fn fields_whose_rule_is_not_built_yet_are_refused_unless_they_are_neutral() {
    for (payload, field) in [
        (asking(|ask| ask.budget_cap_micro_usd = Some(MicroUsd(1))), "budget_cap_micro_usd"),
        (asking(|ask| ask.topology = Topology::SameNode), "topology"),
        (asking(|ask| ask.topology = Topology::SameGroup), "topology"),
        (sharing(|quota| quota.borrow_gpu_milli = GpuMilli(1)), "borrow_gpu_milli"),
        (sharing(|quota| quota.weight = 2), "weight"),
        (sharing(|quota| quota.gpu_hour_budget = Some(0)), "gpu_hour_budget"),
        (sharing(|quota| quota.budget_window_ms = DurationMs(1)), "budget_window_ms"),
        (registering(|node| node.topology_group = "rack".into()), "topology_group"),
        (
            ruling(|policy| {
                let (gpu_model, micro_usd_per_hour) = ("A100".into(), MicroUsd(1));
                policy.prices = vec![GpuPrice { gpu_model, micro_usd_per_hour }];
            }),
            "prices",
        ),
    ] {
        check_refused(payload, "unsupported", field);
    }
}

#[test]
fn everybody_sends_what_his_role_may() {
    use Role::{Administrator, Operator, Reader, Tenant};
    let rows: [(Payload, Role); 15] = [
        (ask("r", "t").into(), Tenant),
        (cancel("waits"), Tenant),
        (renew("runs", 4, HOUR), Tenant),
        (release("runs", 4), Tenant),
        (node("new", 8, "A100"), Operator),
        (drain("a"), Operator),
        (breaks("a"), Operator),
        (end("waits"), Operator),
        (appeal("waits", None), Tenant),
        (remove("idle"), Operator),
        (quota("new", 0, 1), Operator),
        (set(policy()), Operator),
        (Payload::Tick, Administrator),
        (Payload::ActivateDecider(ActivateDecider { version: 1 }), Administrator),
        (open_log(), Administrator),
    ];
    for (payload, least) in rows {
        for role in [Reader, Tenant, Operator, Administrator] {
            let mut pool = match payload {
                Payload::OpenLog(_) => continue,
                _ => pool(),
            };
            let command = pool.command_of(role, "t", payload.clone());
            let told = story::tell(&pool.decide(0, vec![command])[0]);
            let is_refused = told.first().is_some_and(|line| line == "refused: not_permitted");
            assert_eq!(is_refused, role < least, "{role:?} sent {payload:?}: {told:?}");
        }
    }
}

#[test]
fn a_tenant_asks_for_itself_only() {
    let mut pool = pool();
    let command = pool.command_of(Role::Tenant, "u", ask("r", "t").into());
    pool.check_command(0, &command, &["refused: not_permitted"]);
    let command = pool.command_of(Role::Operator, "", ask("r", "t").into());
    pool.check_command(0, &command, &["r runs on a"]);
}

#[test]
fn pools_and_tenants_exist_from_their_first_policy_and_quota() {
    let mut log = Story::of_a_log();
    for payload in [node("a", 8, "A100"), quota("t", 0, 9), ask("r", "t").into(), cancel("r")] {
        log.check(0, payload, &["refused: unknown_pool"]);
    }
    log.check(0, set(policy()), &["the rules are set"]);
    log.check(0, ask("r", "t"), &["refused: unknown_tenant"]);
    log.check(0, quota("t", 0, 9), &["t has a quota"]);
    log.check(0, ask("r", "t"), &["refused: exceeds_pool"]);
    log.check(0, node("a", 8, "A100"), &["a joins"]);
    log.check(0, ask("r", "t"), &["r runs on a"]);
}

#[test]
fn a_log_is_opened_once_and_before_anything_else() {
    let mut story = Story::of_nothing();
    story.check(0, Payload::Tick, &["refused: log_not_open"]);
    story.check(0, set(policy()), &["refused: log_not_open"]);
    story.check(0, open_log(), &["the log is open"]);
    story.check(0, open_log(), &["refused: log_already_open"]);
}

#[test]
fn versions_only_rise_and_only_as_far_as_this_release_knows() {
    let mut story = Story::of_a_log();
    let activate = |version| Payload::ActivateDecider(ActivateDecider { version });
    story.check(0, activate(0), &["refused: out_of_range"]);
    story.check(0, activate(DECIDE_VERSION_NEWEST + 1), &["refused: unknown_version"]);
    story.check(0, activate(1), &["version 1 decides"]);
    story.check(0, activate(2), &["version 2 decides"]);
    story.check(0, activate(1), &["refused: unknown_version"]);
}

#[test]
#[should_panic(expected = "a control command is alone in its round")]
fn a_control_command_has_no_company_in_its_round() {
    pool().send_round(0, vec![quota("v", 0, 1), Payload::Tick]);
}

/// Sends one after another until the log is full; returns how many it took, and what it refused.
fn fill(log: &mut Story, sent: impl Fn(usize) -> (String, Payload)) -> (usize, Command) {
    for n in 0.. {
        let (pool, payload) = sent(n);
        let command = Command { pool: pool.into(), ..log.command(payload) };
        let told = story::tell(&log.decide_unchecked(0, vec![command.clone()])[0]);
        if told[0].starts_with("refused") {
            assert_eq!(told, ["refused: log_full"]);
            return (n, command);
        }
    }
    unreachable!("a log has bounds")
}

#[test]
fn a_log_is_full_at_its_bounds_and_says_so() {
    let pool = || story::POOL.to_owned();
    let mut log = Story::given([]);
    let (nodes, _) = fill(&mut log, |n| (pool(), node(&format!("n{n}"), 1, "T4")));
    let (tenants, _) = fill(&mut log, |n| (pool(), quota(&format!("t{n}"), 0, 1)));
    assert_eq!((nodes, tenants), (NODES_MAX, TENANTS_MAX));
    // Whoever is known already may be changed.
    log.check(0, quota("t0", 0, 2), &["t0 has a quota"]);
    let (pools, refused) = fill(&mut log, |n| (format!("p{n}"), set(policy())));
    assert_eq!(pools, POOLS_MAX - 1);
    log.check(0, set(policy()), &["the rules are set"]);
    // There is no pool that could remember it: it may be sent again.
    for _ in 0..2 {
        let decision = log.decide_unchecked(0, vec![refused.clone()]).remove(0);
        assert_eq!(story::tell(&decision), ["refused: log_full"]);
        assert_eq!(decision.remembered, None);
    }
}

// Duplicates: 5 ids for an hour.

#[test]
fn the_same_command_again_is_answered_by_naming_the_first_answer() {
    let mut pool = pool();
    let first = pool.next();
    let command = pool.command(ask("r", "t").into());
    pool.check_command(0, &command, &["r runs on a"]);
    pool.check_command(1, &command, &[&format!("duplicate of {first}")]);
    // The sender's clock may differ from one try to the next.
    let retried = Command { submitted_at_ms: TimeMs(77), ..command.clone() };
    pool.check_command(2, &retried, &[&format!("duplicate of {first}")]);
    // A refusal by the rules is an answer, too.
    let first = pool.next();
    let refused = pool.command(cancel("r"));
    pool.check_command(3, &refused, &["refused: request_running"]);
    pool.check_command(4, &refused, &[&format!("duplicate of {first}")]);
}

#[test]
fn an_id_that_was_used_for_something_else_is_refused() {
    let mut pool = pool();
    let command = pool.command(ask("r", "t").into());
    pool.check_command(0, &command, &["r runs on a"]);
    let other = Command { payload: ask("r", "t").priority(6).into(), ..command.clone() };
    pool.check_command(1, &other, &["refused: id_reused"]);
    let actor = Actor { user: UserId::from("another"), ..command.actor.clone() };
    pool.check_command(2, &Command { actor, ..command }, &["refused: id_reused"]);
}

#[test]
fn an_id_is_forgotten_after_the_window_or_when_too_many_came_after_it() {
    let mut timed = pool();
    let command = timed.command(drain("a"));
    timed.check_command(0, &command, &["a drains"]);
    let first = timed.next() - 1;
    timed.check_command(HOUR - 1, &command, &[&format!("duplicate of {first}")]);
    timed.check_command(HOUR, &command, &["a drains"]);

    let mut crowded = pool();
    let command = crowded.command(drain("a"));
    crowded.check_command(0, &command, &["a drains"]);
    let first = crowded.next() - 1;
    for index in 0..4 {
        crowded.check(1, node(&format!("n{index}"), 1, "T4"), &[&format!("n{index} joins")]);
    }
    crowded.check_command(1, &command, &[&format!("duplicate of {first}")]);
    crowded.check(1, node("n4", 1, "T4"), &["n4 joins"]);
    crowded.check_command(1, &command, &["a drains"]);
}

#[test]
fn what_was_refused_for_its_fields_or_its_rate_may_be_sent_again_under_its_id() {
    let mut pool = pool();
    let mut command = pool.command(asking(|ask| ask.priority = 0));
    pool.check_command(0, &command, &["refused: out_of_range"]);
    command.payload = ask("r", "t").into();
    pool.check_command(0, &command, &["r runs on a"]);
}

#[test]
fn a_tenant_sends_a_minutes_worth_at_once_and_then_one_per_interval() {
    let limited = Payload::SetQuota(SetQuota { rate_per_minute: 2, ..share("t", 0, 99) });
    let mut pool = Story::given([node("a", 8, "A100"), limited, quota("u", 0, 99)]);
    pool.check(0, ask("r1", "t"), &["r1 runs on a"]);
    pool.check(0, ask("r2", "t"), &["r2 runs on a"]);
    let command = pool.command(ask("r3", "t").into());
    pool.check_command(0, &command, &["refused: rate_limited"]);
    pool.check_command(30 * SECOND - 1, &command, &["refused: rate_limited"]);
    pool.check(30 * SECOND - 1, ask("other", "u"), &["other runs on a"]);
    pool.check_command(30 * SECOND, &command, &["r3 runs on a"]);
    pool.check(30 * SECOND, cancel("r9"), &["refused: unknown_request"]);
    let command = pool.command_of(Role::Tenant, "t", cancel("r9"));
    pool.check_command(30 * SECOND, &command, &["refused: rate_limited"]);
    pool.check_command(MINUTE, &command, &["refused: unknown_request"]);
    // What the rules refuse is paid for; what the rate refuses is not.
    let command = pool.command_of(Role::Tenant, "t", cancel("r8"));
    pool.check_command(MINUTE, &command, &["refused: rate_limited"]);
}
