//! What people and machines may ask for: the Avro record `Command`, field by field.
//!
//! These are the values as they arrive; `validate` decides which of them are within bounds. The
//! order of [`Payload`]'s variants is the order of the union's branches and may only grow at the
//! end.

mod budget;
mod payload;
mod people;
mod reservation;
mod sharing;

pub use sharing::{PreemptionRules, SetFairShare, SetPreemption, SetTenantParent};

pub use budget::{GpuPrice, SetTariff, TariffSpan, TopUpBudget};
pub use people::{Appeal, OverrideAction, OverrideDecision};
pub use reservation::{CancelReservation, Reserve};

use crate::units::{
    CommandId, CpuMilli, DurationMs, GpuMilli, GpuModel, LogId, MemoryMib, MicroUsd, NodeId,
    Offset, PoolId, RequestId, TenantId, TimeMs, UserId,
};
use serde::{Deserialize, Serialize};

/// One command, whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The sender's idempotency key, unique per pool within the duplicate window.
    pub command_id: CommandId,
    /// The pool it is about, and the record's key; empty for log commands.
    pub pool: PoolId,
    /// On whose behalf it was sent.
    pub actor: Actor,
    /// The sender's own clock; kept for people, never used to decide.
    pub submitted_at_ms: TimeMs,
    /// What is asked.
    pub payload: Payload,
}

/// On whose behalf a command was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The tenant that the sender belongs to; empty for operators and administrators.
    pub tenant: TenantId,
    /// The person or robot.
    pub user: UserId,
    /// What the sender may do.
    pub role: Role,
}

/// What a sender may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May read, and send nothing. The default for a role that this version does not know.
    Reader,
    /// May ask and act for its own tenant only.
    Tenant,
    /// May also change inventory and policy.
    Operator,
    /// May also send log commands.
    Administrator,
}

/// What is asked. A variant's index is its branch of the union.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// First record of a partition.
    OpenLog(OpenLog),
    /// Switches the rules that decide.
    ActivateDecider(ActivateDecider),
    /// Lets due timers fire; carries nothing, so doubles are harmless.
    Tick,
    /// Adds a node to the pool.
    RegisterNode(RegisterNode),
    /// Stops placing on a node.
    DrainNode(DrainNode),
    /// Takes an empty node out of the pool.
    RemoveNode(RemoveNode),
    /// Sets a tenant's share of the pool; its first one admits the tenant.
    SetQuota(SetQuota),
    /// Sets the pool's rules; its first one creates the pool.
    SetPoolPolicy(SetPoolPolicy),
    /// Asks for GPUs.
    RequestAllocation(RequestAllocation),
    /// Withdraws a request that has no lease yet.
    CancelRequest(CancelRequest),
    /// Moves a lease's end.
    RenewLease(RenewLease),
    /// Gives back the last replicas of a gang.
    ShrinkLease(ShrinkLease),
    /// Gives back everything.
    ReleaseLease(ReleaseLease),
    /// Says whether a node works.
    ReportNodeHealth(ReportNodeHealth),
    /// Sets an operator's word above the council's, or ends a request.
    OverrideDecision(OverrideDecision),
    /// Asks the council to look again.
    Appeal(Appeal),
    /// Puts a council of networks into the seat; from `decide_version` 2 on.
    ActivateCouncil(ActivateCouncil),
    /// Orders the pool's queue by fair share, or by arrival again; from `decide_version` 3 on.
    SetFairShare(SetFairShare),
    /// Lets requests of the pool take running ones' places, or none any more; from
    /// `decide_version` 3 on.
    SetPreemption(SetPreemption),
    /// Approves GPU-hours on top of a tenant's budget for one window; from `decide_version` 3 on.
    TopUpBudget(TopUpBudget),
    /// Lets prices depend on the time of day; from `decide_version` 3 on.
    SetTariff(SetTariff),
    /// Puts a tenant below another one, or at the top again; from `decide_version` 3 on.
    SetTenantParent(SetTenantParent),
    /// Keeps room free for a tenant from some time on; from `decide_version` 3 on.
    Reserve(Box<Reserve>),
    /// Gives up a reservation; from `decide_version` 3 on.
    CancelReservation(CancelReservation),
}

/// Opens a partition's log and fixes what must never change in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenLog {
    /// The log's identity.
    pub log_id: LogId,
    /// Where command times come from.
    pub time_source: TimeSource,
    /// How many partitions commands and decisions have, for life.
    pub partition_count: i64,
    /// Commands in a `fixed` round; 1 to 1000.
    pub round_commands: i64,
    /// Command ids remembered per pool; up to 1,000,000.
    pub duplicate_ids: i64,
    /// How long a command id is remembered; up to 24 h of log time.
    pub duplicate_window_ms: DurationMs,
}

/// Where command times come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// The log stamps a record when it is appended.
    LogAppend,
    /// Imports and demos bring the time of each record with them.
    Carried,
}

/// Switches the partition to another version of the deciding rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivateDecider {
    /// The `decide_version` that answers every later command.
    pub version: i64,
}

/// Puts a council of networks into the seat, for every later request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivateCouncil {
    /// Its model id: the BLAKE3 digest of the council's file in 64 hexadecimal digits.
    pub model: String,
}

/// Adds a node to the pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterNode {
    /// Its name, unique in the pool.
    pub node: NodeId,
    /// Model of all its GPUs; empty when it has none.
    pub gpu_model: GpuModel,
    /// How many GPUs it has.
    pub gpu_count: i64,
    /// Its CPU.
    pub cpu_milli: CpuMilli,
    /// Its memory.
    pub memory_mib: MemoryMib,
    /// Nodes near each other share this name, from `decide_version` 3 on; empty is none.
    pub topology_group: String,
}

/// Stops placing on a node; leases on it live on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainNode {
    /// Which node.
    pub node: NodeId,
    /// Why, for people.
    pub reason: String,
}

/// Takes an empty node out of the pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveNode {
    /// Which node.
    pub node: NodeId,
    /// Why, for people.
    pub reason: String,
}

/// A tenant's share of the pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetQuota {
    /// Whose share.
    pub tenant: TenantId,
    /// Kept free for this tenant: others are not granted what it has not used of it.
    pub guarantee_gpu_milli: GpuMilli,
    /// Never granted more than this.
    pub limit_gpu_milli: GpuMilli,
    /// Commands per minute of log time; 0 is unlimited.
    pub rate_per_minute: i64,
    /// Most that its preemptible requests may hold of others' idle guarantees at once; from
    /// `decide_version` 3 on, 0 before.
    pub borrow_gpu_milli: GpuMilli,
    /// What it may use beside others in the fair share, 1 to 1000; from `decide_version` 3 on, 1
    /// before.
    pub weight: i64,
    /// GPU-hours per window that its leases may take, 0 or more; null for no budget. From
    /// `decide_version` 3 on, null before.
    pub gpu_hour_budget: Option<i64>,
    /// Length of a window, a minute to a year; 0 without a budget.
    pub budget_window_ms: DurationMs,
}

/// The pool's rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPoolPolicy {
    /// What the council's verdict does.
    pub council: CouncilMode,
    /// Longest lease.
    pub lease_max_ms: DurationMs,
    /// Added to the expected duration before an unreturned lease expires.
    pub lease_grace_ms: DurationMs,
    /// W: how long the first in the order waits before nobody may overtake it.
    pub wait_bound_ms: DurationMs,
    /// How long a deferred request rests before its next vote.
    pub defer_retry_ms: DurationMs,
    /// Requests that may wait or be deferred at once.
    pub queue_max: i64,
    /// How nodes are chosen.
    pub placement: PlacementPolicy,
    /// What the pool expects to be asked for; at most 512 shapes. FGD and the default
    /// policy read it.
    pub target_workload: Vec<TargetShape>,
    /// Prices per GPU model; a model without one costs nothing. From `decide_version` 3 on, empty
    /// before.
    pub prices: Vec<GpuPrice>,
}

/// What the council's verdict does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CouncilMode {
    /// Nobody votes.
    Off,
    /// Votes are recorded and change nothing.
    Advise,
    /// The verdict is followed.
    Enforce,
}

/// How nodes are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlacementPolicy {
    /// A feasible node drawn by the request id.
    Random,
    /// The node with least left.
    BestFit,
    /// Fragmentation gradient descent.
    Fgd,
    /// FGD that also prices rests of GPUs, CPU and scarce models; from `decide_version` 3 on.
    Default,
}

/// One shape of the target workload and how often it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetShape {
    /// CPU per replica.
    pub cpu_milli: CpuMilli,
    /// GPUs per replica; 0 for CPU only.
    pub gpu_count: i64,
    /// Milli per GPU; 1000 unless it is a slice, 0 for CPU only.
    pub gpu_milli: GpuMilli,
    /// Acceptable models; empty is any.
    pub gpu_models: Vec<GpuModel>,
    /// How often, relative to the other shapes.
    pub count: i64,
}

/// Asks for GPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestAllocation {
    /// Names the request and later its lease; unique among the pool's live requests.
    pub request: RequestId,
    /// Who pays with its quota.
    pub tenant: TenantId,
    /// Who asked.
    pub user: UserId,
    /// Acceptable models, preferred first; empty is any.
    pub gpu_models: Vec<GpuModel>,
    /// Replicas of the gang: all are granted or none.
    pub replicas: i64,
    /// GPUs per replica; 0 for CPU only, 1 for a slice.
    pub gpu_count: i64,
    /// Milli of each GPU: 1000 is whole, less is a slice of one GPU, 0 for CPU only.
    pub gpu_milli: GpuMilli,
    /// CPU per replica.
    pub cpu_milli: CpuMilli,
    /// Memory per replica.
    pub memory_mib: MemoryMib,
    /// How long the work should take.
    pub expected_duration_ms: DurationMs,
    /// 1 (least) to 10.
    pub priority: i64,
    /// May be interrupted for others, in pools with preemption; the rule score likes it.
    pub preemptible: bool,
    /// Not worth starting after this.
    pub deadline_ms: Option<TimeMs>,
    /// Most that the whole lease may cost: a model on which it would be more is not acceptable.
    /// From `decide_version` 3 on, null before.
    pub budget_cap_micro_usd: Option<MicroUsd>,
    /// Where replicas should be near each other; from `decide_version` 3 on, `none` before.
    pub topology: Topology,
    /// Free labels; kept for people, never used to decide.
    pub labels: Vec<Label>,
}

/// Where replicas should be near each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// No wish.
    #[default]
    None,
    /// All on one node.
    SameNode,
    /// All in one topology group.
    SameGroup,
}

/// One free label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Withdraws a request that has no lease yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequest {
    /// Which request.
    pub request: RequestId,
    /// Why, for people.
    pub reason: String,
}

/// Moves a lease's end to the command's time plus `extend_ms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewLease {
    /// Which lease.
    pub request: RequestId,
    /// The lease's current fencing number.
    pub fencing: Offset,
    /// How long from now; at most the pool's lease maximum.
    pub extend_ms: DurationMs,
}

/// Gives back the last replicas of a gang.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShrinkLease {
    /// Which lease.
    pub request: RequestId,
    /// The lease's current fencing number.
    pub fencing: Offset,
    /// How many replicas to keep; at least 1 and fewer than now.
    pub replicas: i64,
}

/// Gives back everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseLease {
    /// Which lease.
    pub request: RequestId,
    /// The lease's current fencing number.
    pub fencing: Offset,
    /// How the work ended.
    pub outcome: WorkOutcome,
    /// Mean GPU utilisation in basis points, 0 to 10,000; null when not measured.
    pub utilisation_bp: Option<i64>,
}

/// How the work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkOutcome {
    /// Not said.
    Unknown,
    /// It did what it should.
    Succeeded,
    /// It broke.
    Failed,
    /// Somebody stopped it.
    Stopped,
}

/// Says whether a node works. While it does not, nothing new is placed on it; its leases live on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportNodeHealth {
    /// Which node.
    pub node: NodeId,
    /// How it is. Reporting the same again changes nothing.
    pub health: NodeHealth,
    /// What was seen, for people.
    pub reason: String,
}

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeHealth {
    /// It takes new work, unless it drains.
    Healthy,
    /// It takes no new work.
    Unhealthy,
}
