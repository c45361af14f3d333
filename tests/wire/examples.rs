//! One command per branch and one decision per event and outcome: what the golden files hold.
//! Between them they have numbers of every size and sign, texts of every width, and both sides of
//! every null.

mod shares;

use conclave_core::command::*;
use conclave_core::council::ModelId;
use conclave_core::council::health::Cause;
use conclave_core::council::quorum::Ground;
use conclave_core::decision::*;
use conclave_core::limits::DECIDE_VERSION_FIRST;
use conclave_core::rejection::RejectionCode;
use conclave_core::units::*;
use shares::{commands_of_shares, events_of_shares};

pub(crate) fn commands() -> Vec<Command> {
    let payloads = [
        Payload::OpenLog(open_log()),
        Payload::ActivateDecider(ActivateDecider { version: 2 }),
        Payload::Tick,
        Payload::RegisterNode(register_node()),
        Payload::DrainNode(DrainNode { node: "gpu-0001".into(), reason: "Lüfter defekt".into() }),
        Payload::RemoveNode(RemoveNode { node: "gpu-0001".into(), reason: String::new() }),
        Payload::SetQuota(set_quota()),
        Payload::SetPoolPolicy(set_pool_policy()),
        Payload::RequestAllocation(request_allocation()),
        Payload::CancelRequest(CancelRequest { request: "r-7".into(), reason: "不要".into() }),
        Payload::RenewLease(RenewLease {
            request: "r-7".into(),
            fencing: Offset(i64::MAX),
            extend_ms: DurationMs(-1),
        }),
        Payload::ShrinkLease(ShrinkLease {
            request: "r-7".into(),
            fencing: Offset(129),
            replicas: i64::MIN,
        }),
        Payload::ReleaseLease(ReleaseLease {
            request: "r-7".into(),
            fencing: Offset(8_193),
            outcome: WorkOutcome::Stopped,
            utilisation_bp: Some(9_870),
        }),
        Payload::ReportNodeHealth(ReportNodeHealth {
            node: "gpu-0001".into(),
            health: NodeHealth::Unhealthy,
            reason: "Xid 79".into(),
        }),
        Payload::OverrideDecision(OverrideDecision {
            request: "r-7".into(),
            action: OverrideAction::End,
            reason: "Stromausfall".into(),
            ask: None,
        }),
        Payload::Appeal(Appeal {
            request: "r-7".into(),
            reason: "it is due on Monday".into(),
            ask: Some(Box::new(request_allocation())),
        }),
        Payload::ActivateCouncil(ActivateCouncil { model: "c5".repeat(32) }),
    ];
    let roles = [Role::Reader, Role::Tenant, Role::Operator, Role::Administrator];
    let command = |(index, payload): (usize, Payload)| Command {
        command_id: CommandId::from(format!("c-{index}")),
        pool: if payload.is_log_command() { "".into() } else { "vision".into() },
        actor: Actor { tenant: "étoile".into(), user: "ada".into(), role: roles[index % 4] },
        submitted_at_ms: TimeMs(1_700_000_000_000),
        payload,
    };
    payloads.into_iter().chain(commands_of_shares()).enumerate().map(command).collect()
}

/// One decision per event, then one per outcome that is not `Accepted`.
pub(crate) fn decisions() -> Vec<(String, Decision)> {
    let mut named = Vec::new();
    let later = later_events().into_iter().take(LATER_KINDS);
    for event in
        events().into_iter().chain(later).chain(events_of_networks()).chain(events_of_shares())
    {
        let name = serde_json::to_value(&event).unwrap();
        let name = name.as_object().unwrap().keys().next().unwrap().clone();
        named.push((name, decision(Outcome::Accepted, vec![event])));
    }
    let detail = "4,500 of 4,000 gpu_milli: ask for less".into();
    let rejected = Rejected { code: RejectionCode::CouncilDenied, detail };
    let mut refused = decision(Outcome::Rejected(rejected), vec![]);
    refused.remembered = None;
    refused.round_count = Some(64);
    named.push(("Rejected".into(), refused));
    let duplicate = Duplicate { first_offset: Offset(17) };
    named.push(("Duplicate".into(), decision(Outcome::Duplicate(duplicate), vec![])));
    let failed = Failed { operator: "ada".into(), reason: "Absturz bei Befehl 17".into() };
    named.push(("Failed".into(), decision(Outcome::Failed(failed), vec![])));
    let codes =
        [RejectionCode::NotHeldBack, RejectionCode::AlreadyAppealed, RejectionCode::UnderNotice];
    for code in codes {
        let refused = Rejected { code, detail: String::new() };
        named.push((
            format!("Rejected.{}", code.as_str()),
            decision(Outcome::Rejected(refused), vec![]),
        ));
    }
    named.push(("AllEvents".into(), decision(Outcome::Accepted, events())));
    named.push(("LaterEvents".into(), decision(Outcome::Accepted, later_events())));
    named
}

/// A decision of the oldest version that knows its events.
fn decision(outcome: Outcome, events: Vec<Event>) -> Decision {
    let since = events.iter().map(Event::since).max();
    Decision {
        decide_version: since.unwrap_or(DECIDE_VERSION_FIRST),
        prev_hash: Hash32(std::array::from_fn(|index| u8::try_from(index).unwrap())),
        partition: 3,
        offset: Offset(70_000),
        covered_before: Offset(-1),
        round: Offset(69_999),
        round_index: 1,
        round_count: None,
        time_ms: TimeMs(1_700_000_000_123),
        input_hash: Hash32([0xff; 32]),
        command_id: "c-8".into(),
        kind: "RequestAllocation".into(),
        pool: "vision".into(),
        tenant: "étoile".into(),
        request: "r-7".into(),
        remembered: Some(Remembered { id_hash: Hash16([1; 16]), payload_hash: Hash16([0x80; 16]) }),
        outcome,
        events,
    }
}

/// The events of the first schema: their bytes together never change.
fn events() -> Vec<Event> {
    let pool = || PoolId::from("vision");
    let request = || RequestId::from("r-7");
    let node = || NodeId::from("gpu-0001");
    vec![
        Event::LogOpened(LogOpened { log: open_log() }),
        Event::DeciderActivated(DeciderActivated { version: 2, previous: 1 }),
        Event::NodeRegistered(NodeRegistered { pool: pool(), node: register_node() }),
        Event::NodeDrained(NodeDrained { pool: pool(), node: node() }),
        Event::NodeRemoved(NodeRemoved { pool: pool(), node: node() }),
        Event::QuotaSet(QuotaSet { pool: pool(), quota: set_quota() }),
        Event::PoolPolicySet(PoolPolicySet { pool: pool(), policy: set_pool_policy() }),
        Event::RequestVoted(request_voted()),
        Event::RequestAdmitted(RequestAdmitted { pool: pool(), request: request_allocation() }),
        Event::RequestQueued(RequestQueued { pool: pool(), request: request() }),
        Event::RequestDeferred(RequestDeferred {
            pool: pool(),
            request: request(),
            attempt: 3,
            retry_at_ms: TimeMs(1_700_000_060_123),
        }),
        Event::DeferralDue(DeferralDue { pool: pool(), request: request() }),
        Event::RequestEnded(RequestEnded {
            pool: pool(),
            request: request(),
            reason: RequestEnd::CouncilDenied,
        }),
        Event::LeaseGranted(lease_granted()),
        Event::LeaseRenewed(LeaseRenewed {
            pool: pool(),
            request: request(),
            fencing: Offset(70_000),
            ends_at_ms: TimeMs(i64::MAX),
        }),
        Event::LeaseShrunk(LeaseShrunk {
            pool: pool(),
            request: request(),
            fencing: Offset(70_000),
            replicas: 1,
        }),
        Event::LeaseEnded(LeaseEnded {
            pool: pool(),
            request: request(),
            reason: LeaseEnd::Expired,
            outcome: WorkOutcome::Failed,
            utilisation_bp: None,
        }),
        Event::QueueCarriedOver(QueueCarriedOver { pool: pool() }),
        Event::QueueCaughtUp(QueueCaughtUp { pool: pool() }),
    ]
}

/// How many of them are of a kind of their own; the others have newer symbols.
const LATER_KINDS: usize = 3;

/// The events that came after the first schema.
fn later_events() -> Vec<Event> {
    vec![
        Event::NodeHealthChanged(NodeHealthChanged {
            pool: "vision".into(),
            node: "gpu-0001".into(),
            health: NodeHealth::Healthy,
            reason: "Lüfter getauscht".into(),
        }),
        Event::DecisionOverridden(DecisionOverridden {
            pool: "vision".into(),
            request: "r-7".into(),
            operator: "ada".into(),
            action: OverrideAction::Approve,
            reason: "3 a.m.".into(),
        }),
        Event::AppealFiled(AppealFiled {
            pool: "vision".into(),
            request: "r-7".into(),
            reason: String::new(),
        }),
        Event::RequestEnded(RequestEnded {
            pool: "vision".into(),
            request: "r-7".into(),
            reason: RequestEnd::Overridden,
        }),
        Event::LeaseEnded(LeaseEnded {
            pool: "vision".into(),
            request: "r-7".into(),
            reason: LeaseEnd::Revoked,
            outcome: WorkOutcome::Unknown,
            utilisation_bp: None,
        }),
    ]
}

/// Those that `decide_version` 2 brought.
fn events_of_networks() -> Vec<Event> {
    let pool = || PoolId::from("vision");
    let member = |verdict, approve, deny, defer| MemberVote {
        verdict,
        confidence_per_mille: 812,
        approve,
        deny,
        defer,
        counted: defer == 0,
    };
    vec![
        Event::CouncilActivated(CouncilActivated {
            model: Some(ModelId(Hash32([0xc5; 32]))),
            previous: None,
        }),
        Event::CouncilVoted(CouncilVoted {
            pool: pool(),
            request: "r-7".into(),
            attempt: 2,
            mode: CouncilMode::Enforce,
            verdict: Verdict::Defer,
            ground: Ground::Vetoed,
            confidence_per_mille: 797,
            model: ModelId(Hash32([0xc5; 32])),
            memory: Hash8([1, 2, 3, 4, 5, 6, 7, 8]),
            elapsed_ms: DurationMs(90_000),
            features: (0..32).map(|index| index * 8 - 127).collect(),
            weights_seq: 12,
            members: vec![
                member(Verdict::Approve, 4_096, -4_096, 0),
                member(Verdict::Deny, -32_768, 32_767, 1),
            ],
        }),
        Event::CouncilRemembered(CouncilRemembered {
            pool: pool(),
            tenant: "étoile".into(),
            stepped_at_ms: TimeMs(1_700_000_000_123),
            heard: 3,
            words: vec![0, 1, -1, 16_384, -16_384],
        }),
        Event::MemberQuarantined(MemberQuarantined {
            member: 3,
            cause: Cause::Saturated,
            found: 5_120,
            bound: 5_000,
            votes: 1_024,
        }),
        Event::MemberReturned(MemberReturned { member: 3, votes: 1_400, calm_votes: 256 }),
        Event::CouncilWeighed(CouncilWeighed {
            pool: pool(),
            request: "r-7".into(),
            seq: 13,
            ended_well: false,
            members: vec![
                MemberWeight { loss: Some(65_536), factor: 61_440 },
                MemberWeight { loss: None, factor: 65_536 },
            ],
        }),
    ]
}

fn tariff() -> SetTariff {
    let (gpu_model, micro_usd_per_hour) = ("A100".into(), MicroUsd(4_000_000));
    let span = TariffSpan { gpu_model, from_minute: 480, until_minute: 1_200, micro_usd_per_hour };
    SetTariff { spans: vec![span] }
}

fn preemption_rules() -> PreemptionRules {
    PreemptionRules {
        min_run_ms: DurationMs(600_000),
        grace_ms: DurationMs(120_000),
        per_request: 3,
        per_tenant_and_day: 100,
    }
}

fn open_log() -> OpenLog {
    OpenLog {
        log_id: "log-5f3a".into(),
        time_source: TimeSource::Carried,
        partition_count: 12,
        round_commands: 64,
        duplicate_ids: 1_000_000,
        duplicate_window_ms: DurationMs(86_400_000),
    }
}

fn register_node() -> RegisterNode {
    RegisterNode {
        node: "gpu-0001".into(),
        gpu_model: "A100".into(),
        gpu_count: 8,
        cpu_milli: CpuMilli(96_000),
        memory_mib: MemoryMib(1_048_576),
        topology_group: String::new(),
    }
}

fn set_quota() -> SetQuota {
    SetQuota {
        tenant: "étoile".into(),
        guarantee_gpu_milli: GpuMilli(4_000),
        limit_gpu_milli: GpuMilli(16_000),
        rate_per_minute: 600,
        borrow_gpu_milli: GpuMilli(0),
        weight: 1,
        gpu_hour_budget: Some(-5),
        budget_window_ms: DurationMs(0),
    }
}

fn set_pool_policy() -> SetPoolPolicy {
    let shape = |gpu_milli, gpu_models: &[&str], count| TargetShape {
        cpu_milli: CpuMilli(8_000),
        gpu_count: 1,
        gpu_milli: GpuMilli(gpu_milli),
        gpu_models: gpu_models.iter().map(|&model| model.into()).collect(),
        count,
    };
    let price = MicroUsd(2_500_000);
    SetPoolPolicy {
        council: CouncilMode::Enforce,
        lease_max_ms: DurationMs(604_800_000),
        lease_grace_ms: DurationMs(300_000),
        wait_bound_ms: DurationMs(3_600_000),
        defer_retry_ms: DurationMs(60_000),
        queue_max: 100_000,
        placement: PlacementPolicy::Fgd,
        target_workload: vec![shape(1_000, &["A100", "H100"], 70), shape(250, &[], 30)],
        prices: vec![GpuPrice { gpu_model: "A100".into(), micro_usd_per_hour: price }],
    }
}

fn request_allocation() -> RequestAllocation {
    RequestAllocation {
        request: "r-7".into(),
        tenant: "étoile".into(),
        user: "ada".into(),
        gpu_models: vec!["H100".into(), "A100".into()],
        replicas: 2,
        gpu_count: 4,
        gpu_milli: GpuMilli(1_000),
        cpu_milli: CpuMilli(32_000),
        memory_mib: MemoryMib(262_144),
        expected_duration_ms: DurationMs(7_200_000),
        priority: 7,
        preemptible: true,
        deadline_ms: Some(TimeMs(1_700_086_400_000)),
        budget_cap_micro_usd: None,
        topology: Topology::SameGroup,
        labels: vec![Label { name: "team".into(), value: "🦀 vision".into() }],
    }
}

fn request_voted() -> RequestVoted {
    RequestVoted {
        pool: "vision".into(),
        request: "r-7".into(),
        attempt: 1,
        seat: SeatKind::RulesFinal,
        mode: CouncilMode::Advise,
        verdict: Verdict::Defer,
        score: 58,
        priority_points: 28,
        size_points: 10,
        duration_points: 15,
        preemptible_points: 5,
    }
}

fn lease_granted() -> LeaseGranted {
    let placement = |node: &str, gpus: &[i64]| Placement { node: node.into(), gpus: gpus.to_vec() };
    LeaseGranted {
        pool: "vision".into(),
        request: "r-7".into(),
        fencing: Offset(70_000),
        ends_at_ms: TimeMs(1_700_007_500_123),
        gpu_model: "H100".into(),
        replicas: vec![placement("gpu-0001", &[0, 1, 2, 3]), placement("gpu-0002", &[])],
    }
}
