//! A small story, told to the real engine, and the real binary that reads it.
#![allow(dead_code, reason = "every test binary uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave::engine::Engine;
use conclave::fold::fold;
use conclave::log::rocks::{OpenOptions, RocksLog};
use conclave::log::{CommandRecord, DecisionRecord, EventLog, Headers, RoundRecord};
use conclave::snapshot;
use conclave::wire::{CommandReader, body_hash, encode_command, encode_decision};
use conclave_core::command::{
    Actor, CancelRequest, Command, CouncilMode, DrainNode, OpenLog, Payload, PlacementPolicy,
    RegisterNode, ReleaseLease, RenewLease, RequestAllocation, Role, SetPoolPolicy, SetQuota,
    TimeSource, Topology, WorkOutcome,
};
use conclave_core::decide::decide;
use conclave_core::decision::Decision;
use conclave_core::round::{Round, open_round};
use conclave_core::seat::{RuleSeat, Seat};
use conclave_core::units::{
    CommandId, CpuMilli, DurationMs, GpuMilli, GpuModel, LogId, MemoryMib, NodeId, Offset, PoolId,
    RequestId, TenantId, TimeMs, UserId,
};
use std::path::Path;
use std::process::Output;

const MINUTE_MS: i64 = 60_000;
/// No snapshot but those that a test keeps: the engine makes them in the background, in its own
/// time.
const SNAPSHOT_EVERY: i64 = 1_000_000;
/// Round ends of the story that have a snapshot.
pub(crate) const SNAPSHOTS: [i64; 2] = [10, 16];
/// How many commands the story has.
pub(crate) const STORY: i64 = 21;

/// Two nodes, two teams: grants, a wait, a deferral, every kind of refusal. Offsets are positions.
pub(crate) fn story() -> Vec<CommandRecord> {
    let (open, policy) = (Payload::OpenLog(opening()), Payload::SetPoolPolicy(rules()));
    let mut tale = vec![operator(0, "open", open), operator(0, "rules", policy)];
    tale.extend(["n1", "n2"].map(|id| operator(0, id, Payload::RegisterNode(node(id)))));
    tale.push(operator(0, "share-a", Payload::SetQuota(quota("team-a", 4))));
    tale.push(operator(0, "share-b", Payload::SetQuota(quota("team-b", 2))));
    tale.push(asks(1_000, "team-a", "a-1", 2, 5));
    tale.push(asks(2_000, "team-a", "a-2", 2, 5));
    tale.push(asks(3_000, "team-b", "b-1", 1, 5));
    tale.push(asks(3_500, "team-b", "b-2", 2, 5));
    tale.push(asks(4_000, "team-b", "c-1", 1, 1));
    tale.push(asks(4_500, "team-b", "b-1", 1, 5));
    tale.push(CommandRecord { value: b"not a command".to_vec(), ..tale[11].clone() });
    tale.push(asks(5_000, "team-x", "x-1", 1, 5));
    tale.push(operator(6_000, "release-wrong", release("a-1", 3)));
    tale.push(operator(7_000, "release-right", release("a-1", 6)));
    let drain = DrainNode { node: NodeId::from("n1"), reason: "new disks".into() };
    tale.push(operator(8_000, "drain", Payload::DrainNode(drain)));
    tale.push(asks(9_000, "team-a", "a-3", 4, 5));
    tale.push(operator(31 * MINUTE_MS, "tick", Payload::Tick));
    let cancel =
        CancelRequest { request: RequestId::from("b-2"), reason: "changed my mind".into() };
    tale.push(operator(32 * MINUTE_MS, "cancel", Payload::CancelRequest(cancel)));
    let (request, extend_ms) = (RequestId::from("a-2"), DurationMs(60 * MINUTE_MS));
    let renew = RenewLease { request, fencing: Offset(7), extend_ms };
    tale.push(operator(33 * MINUTE_MS, "renew", Payload::RenewLease(renew)));
    assert_eq!(tale.len(), usize::try_from(STORY).unwrap());
    tale
}

/// A request that comes after the story.
pub(crate) fn one_more(index: i64) -> CommandRecord {
    let id = format!("late-{index}");
    asks(40 * MINUTE_MS + index, "team-a", &id, 1, 5)
}

pub(crate) fn opening() -> OpenLog {
    OpenLog {
        log_id: LogId("story".into()),
        time_source: TimeSource::Carried,
        partition_count: 1,
        round_commands: 4,
        duplicate_ids: 1_000,
        duplicate_window_ms: DurationMs(60 * MINUTE_MS),
    }
}

fn rules() -> SetPoolPolicy {
    SetPoolPolicy {
        council: CouncilMode::Enforce,
        lease_max_ms: DurationMs(240 * MINUTE_MS),
        lease_grace_ms: DurationMs(0),
        wait_bound_ms: DurationMs(60 * MINUTE_MS),
        defer_retry_ms: DurationMs(30 * MINUTE_MS),
        queue_max: 10,
        placement: PlacementPolicy::BestFit,
        target_workload: vec![],
        prices: vec![],
    }
}

fn node(id: &str) -> RegisterNode {
    RegisterNode {
        node: NodeId::from(id),
        gpu_model: GpuModel::from("A100"),
        gpu_count: 2,
        cpu_milli: CpuMilli(64_000),
        memory_mib: MemoryMib(262_144),
        topology_group: String::new(),
    }
}

fn quota(tenant: &str, gpus: i64) -> SetQuota {
    SetQuota {
        tenant: TenantId::from(tenant),
        guarantee_gpu_milli: GpuMilli(0),
        limit_gpu_milli: GpuMilli(gpus * 1_000),
        rate_per_minute: 0,
        borrow_gpu_milli: GpuMilli(0),
        weight: 1,
        gpu_hour_budget: None,
        budget_window_ms: DurationMs(0),
    }
}

fn release(request: &str, fencing: i64) -> Payload {
    Payload::ReleaseLease(ReleaseLease {
        request: RequestId::from(request),
        fencing: Offset(fencing),
        outcome: WorkOutcome::Succeeded,
        utilisation_bp: Some(8_000),
    })
}

pub(crate) fn asks(
    at: i64,
    tenant: &str,
    request: &str,
    gpu_count: i64,
    priority: i64,
) -> CommandRecord {
    let ask = RequestAllocation {
        request: RequestId::from(request),
        tenant: TenantId::from(tenant),
        user: UserId::from("ada"),
        gpu_models: vec![],
        replicas: 1,
        gpu_count,
        gpu_milli: GpuMilli(1_000),
        cpu_milli: CpuMilli(1_000),
        memory_mib: MemoryMib(1_024),
        expected_duration_ms: DurationMs(120 * MINUTE_MS),
        priority,
        preemptible: false,
        deadline_ms: None,
        budget_cap_micro_usd: None,
        topology: Topology::None,
        labels: vec![],
    };
    let payload = Payload::RequestAllocation(ask);
    record(at, &format!("ask-{request}"), Role::Tenant, tenant, payload)
}

pub(crate) fn operator(at: i64, id: &str, payload: Payload) -> CommandRecord {
    record(at, id, Role::Administrator, "", payload)
}

fn record(at: i64, id: &str, role: Role, tenant: &str, payload: Payload) -> CommandRecord {
    let pool = PoolId::from(if payload.is_log_command() { "" } else { "lab" });
    let command = Command {
        command_id: CommandId::from(id),
        pool: pool.clone(),
        actor: Actor { tenant: TenantId::from(tenant), user: UserId::from("ada"), role },
        submitted_at_ms: TimeMs(at),
        payload,
    };
    let value = encode_command(&command);
    CommandRecord {
        time_ms: TimeMs(at),
        key: pool.0.as_bytes().to_vec(),
        value,
        headers: Headers::new(),
    }
}

/// Accepts commands and decides everything that is accepted.
pub(crate) fn decide_all<L: EventLog>(log: L, commands: &[CommandRecord]) -> L {
    let (mut engine, _) = Engine::open(log, RuleSeat, SNAPSHOT_EVERY).unwrap();
    engine.accept(commands).unwrap();
    engine.run_to_end(|_| {}).unwrap();
    engine.close().unwrap()
}

pub(crate) fn open(directory: &Path) -> RocksLog {
    RocksLog::open(directory, &OpenOptions::default()).unwrap()
}

/// Tells the whole story to a log, with its snapshots.
pub(crate) fn told<L: EventLog>(log: L) -> L {
    let mut log = decide_all(log, &story());
    for at in SNAPSHOTS {
        keep_snapshot(&mut log, at);
    }
    log
}

/// Keeps the snapshot at `at`.
pub(crate) fn keep_snapshot<L: EventLog>(log: &mut L, at: i64) {
    let folded = fold(log, 0, Some(Offset(at))).unwrap().0;
    log.keep_snapshot(Offset(at), &snapshot::encode(&folded)).unwrap();
}

/// The whole story in a directory.
pub(crate) fn tell(directory: &Path) {
    drop(told(open(directory)));
}

/// Accepts one command and commits an answer that `change` made something else of: the chain holds.
pub(crate) fn commit_changed<L: EventLog>(
    log: &mut L,
    command: CommandRecord,
    change: impl FnOnce(&mut Decision),
) {
    let folded = fold(log, 0, None).unwrap().0;
    let (mut state, head) = (folded.state, folded.head);
    let offset = log.accept(&[command]).unwrap();
    let stored = log.commands(offset, 0).unwrap().remove(0);
    let round = Round { inputs: vec![CommandReader::new().read(0, &stored, state.decide_version)] };
    let votes = RuleSeat.vote(&open_round(&state, &round.inputs)).expect("no networks sit here");
    let mut decision = decide(&mut state, &round, &votes).remove(0);
    decision.prev_hash = head;
    change(&mut decision);
    commit_body(log, offset, encode_decision(&decision));
}

/// Commits a body as it is.
pub(crate) fn commit_body<L: EventLog>(log: &mut L, offset: Offset, body: Vec<u8>) {
    let record = DecisionRecord { offset, hash: body_hash(&body), body, headers: Headers::new() };
    log.commit(&RoundRecord { decisions: vec![record], dead_letters: vec![] }).unwrap();
}

/// What the binary answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).expect(&self.out)
    }
}

/// Runs `replay` with `arguments` and `--log directory`.
pub(crate) fn replay(directory: &Path, arguments: &str) -> Answer {
    ask(arguments, &["--log", directory.to_str().unwrap()])
}

/// Runs `replay` with `arguments` on the log that `place` names.
pub(crate) fn ask(arguments: &str, place: &[&str]) -> Answer {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_replay"));
    command.args(arguments.split_whitespace()).args(place);
    // Help is wrapped at the width of whoever asks.
    command.env_remove("COLUMNS");
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Answer { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}
