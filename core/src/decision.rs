//! The answer to one command: the Avro record `Decision`, which the hash chain covers byte for
//! byte.
//!
//! State is a fold of decisions alone, so events repeat what a fold needs from their command.

mod budget;
mod council;
mod lease;
mod people;
mod queue;
mod reservation;
mod sharing;
mod since;

pub use budget::{BudgetAwaited, BudgetToppedUp, TariffSet};
pub use council::{
    CouncilActivated, CouncilRemembered, CouncilVoted, CouncilWeighed, MemberQuarantined,
    MemberReturned, MemberVote, MemberWeight,
};
pub use lease::{LeaseEnd, LeaseEnded, LeaseShrunk};
pub use people::{AppealFiled, DecisionOverridden, NodeHealthChanged};
pub use queue::{LeaseLetPast, QueueCarriedOver, QueueCaughtUp};
pub use reservation::{
    ReservationCancelled, ReservationEnded, ReservationMade, ReservationStarted,
};
pub use sharing::{
    FairShareSet, LeasePreempted, PreemptionNoticed, PreemptionRight, PreemptionSet, QuotaSet,
    TenantParentSet,
};

use crate::command::{CouncilMode, OpenLog, RegisterNode, RequestAllocation, SetPoolPolicy};
use crate::rejection::RejectionCode;
use crate::text::Text;
use crate::units::{
    CommandId, GpuModel, Hash16, Hash32, NodeId, Offset, PoolId, RequestId, TenantId, TimeMs,
    UserId,
};
use serde::{Deserialize, Serialize};

/// The answer to one command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Which rules decided.
    pub decide_version: i64,
    /// Digest of the body of the decision before this one; zeros for the first. The core leaves it
    /// zero: it is filled in where bytes are made.
    pub prev_hash: Hash32,
    /// The partition of command and decision.
    pub partition: i64,
    /// The command's offset: what this decision is called by.
    pub offset: Offset,
    /// Offset of the command covered before this one; -1 for the first.
    pub covered_before: Offset,
    /// First command of the round: the round's id.
    pub round: Offset,
    /// Place in the round, from 0.
    pub round_index: i64,
    /// How many commands the round had; set in its last decision only.
    pub round_count: Option<i64>,
    /// Log time of the command.
    pub time_ms: TimeMs,
    /// Digest of the command as it was read.
    pub input_hash: Hash32,
    /// Idempotency key; empty when the command could not be read.
    pub command_id: CommandId,
    /// What was asked, e.g. `RequestAllocation`; empty when it could not be read.
    pub kind: Text,
    /// The pool it was about; empty for log commands.
    pub pool: PoolId,
    /// The tenant on whose behalf it was sent; empty for operators.
    pub tenant: TenantId,
    /// The request it was about; empty when it was about none.
    pub request: RequestId,
    /// What the duplicate window keeps; null when the command must not be remembered.
    pub remembered: Option<Remembered>,
    /// Yes, no, asked before, or skipped.
    pub outcome: Outcome,
    /// What happened, in order: due timers first, then the command's own effects.
    pub events: Vec<Event>,
}

/// What the duplicate window keeps of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Digest of the command id.
    pub id_hash: Hash16,
    /// Digest of the canonical re-encoding in the first version's fields.
    pub payload_hash: Hash16,
}

/// Yes, no, asked before, or skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Done; the events say what.
    Accepted,
    /// The rules say no.
    Rejected(Rejected),
    /// The same command was answered before.
    Duplicate(Duplicate),
    /// Deciding it stops the partition, so a person had it skipped.
    Failed(Failed),
}

/// The rules say no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Which rule.
    pub code: RejectionCode,
    /// The numbers, and what to do about it.
    pub detail: String,
}

/// The same command was answered before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicate {
    /// The decision that answered it.
    pub first_offset: Offset,
}

/// A command that was skipped: it changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Who had it skipped.
    pub operator: UserId,
    /// Why.
    pub reason: String,
}

/// Something that happened. A variant's index is its branch of the union.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The log began.
    LogOpened(LogOpened),
    /// Other rules decide from the next command on.
    DeciderActivated(DeciderActivated),
    /// A node joined.
    NodeRegistered(NodeRegistered),
    /// A node takes no new work.
    NodeDrained(NodeDrained),
    /// A node left.
    NodeRemoved(NodeRemoved),
    /// A tenant's share changed.
    QuotaSet(QuotaSet),
    /// The pool's rules changed.
    PoolPolicySet(PoolPolicySet),
    /// The council voted.
    RequestVoted(RequestVoted),
    /// A request came in and passed the hard rules.
    RequestAdmitted(RequestAdmitted),
    /// It waits for capacity.
    RequestQueued(RequestQueued),
    /// The council wants another look later.
    RequestDeferred(RequestDeferred),
    /// The time for that look has come.
    DeferralDue(DeferralDue),
    /// It ended without a lease.
    RequestEnded(RequestEnded),
    /// It got its GPUs.
    LeaseGranted(LeaseGranted),
    /// Its end moved.
    LeaseRenewed(LeaseRenewed),
    /// It kept fewer replicas.
    LeaseShrunk(LeaseShrunk),
    /// It ended.
    LeaseEnded(LeaseEnded),
    /// The queue was not worked off within one decision; the next ones go on with it.
    QueueCarriedOver(QueueCarriedOver),
    /// The queue is worked off again.
    QueueCaughtUp(QueueCaughtUp),
    /// A node broke, or works again.
    NodeHealthChanged(NodeHealthChanged),
    /// An operator set the council aside, or ended a request.
    DecisionOverridden(DecisionOverridden),
    /// Somebody asked the council to look again.
    AppealFiled(AppealFiled),
    /// Somebody else sits in the council seat from the next command on.
    CouncilActivated(CouncilActivated),
    /// The networks voted.
    CouncilVoted(CouncilVoted),
    /// What the networks remember of a tenant after a round.
    CouncilRemembered(CouncilRemembered),
    /// A member of the council is not listened to for a while.
    MemberQuarantined(MemberQuarantined),
    /// It is listened to again.
    MemberReturned(MemberReturned),
    /// An outcome changed what the members' words count.
    CouncilWeighed(CouncilWeighed),
    /// The order of a pool's queue changed.
    FairShareSet(FairShareSet),
    /// Who may be preempted changed.
    PreemptionSet(PreemptionSet),
    /// A running request is told that its lease ends for another one.
    PreemptionNoticed(PreemptionNoticed),
    /// Its lease ended, and it waits again.
    LeasePreempted(LeasePreempted),
    /// GPU-hours were approved on top of a budget.
    BudgetToppedUp(BudgetToppedUp),
    /// Somebody waits for a budget, or nobody does any more.
    BudgetAwaited(BudgetAwaited),
    /// What GPUs cost at which time of day changed.
    TariffSet(TariffSet),
    /// A tenant's place in the tree changed.
    TenantParentSet(TenantParentSet),
    /// Room is kept free for a tenant from some time on.
    ReservationMade(Box<ReservationMade>),
    /// A reservation's time has come.
    ReservationStarted(ReservationStarted),
    /// Its time is over.
    ReservationEnded(ReservationEnded),
    /// It was given up.
    ReservationCancelled(ReservationCancelled),
    /// A lease was granted past somebody who is protected.
    LeaseLetPast(LeaseLetPast),
}

/// The log began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOpened {
    /// What it was opened with.
    pub log: OpenLog,
}

/// Other rules decide from the next command on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeciderActivated {
    /// The new `decide_version`.
    pub version: i64,
    /// The one before.
    pub previous: i64,
}

/// A node joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRegistered {
    /// Its pool.
    pub pool: PoolId,
    /// What joined.
    pub node: RegisterNode,
}

/// A node takes no new work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDrained {
    /// Its pool.
    pub pool: PoolId,
    /// Which node.
    pub node: NodeId,
}

/// A node left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRemoved {
    /// Its pool.
    pub pool: PoolId,
    /// Which node.
    pub node: NodeId,
}

/// The pool's rules changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolPolicySet {
    /// Which pool.
    pub pool: PoolId,
    /// The rules.
    pub policy: SetPoolPolicy,
}

/// The council voted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestVoted {
    /// The request's pool.
    pub pool: PoolId,
    /// Which request.
    pub request: RequestId,
    /// 1 for the first vote.
    pub attempt: i64,
    /// Who sits in the council seat.
    pub seat: SeatKind,
    /// Whether the verdict counts.
    pub mode: CouncilMode,
    /// The verdict.
    pub verdict: Verdict,
    /// Sum of the terms, 0 to 100.
    pub score: i64,
    /// Priority times 4.
    pub priority_points: i64,
    /// More for smaller requests.
    pub size_points: i64,
    /// More for shorter requests.
    pub duration_points: i64,
    /// More when preemptible.
    pub preemptible_points: i64,
}

/// Who sits in the council seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeatKind {
    /// The rule score.
    Rules,
    /// The rule score without its defer band, after the last deferral.
    RulesFinal,
}

/// What the council says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Go on.
    Approve,
    /// No.
    Deny,
    /// Not now.
    Defer,
}

/// A request came in and passed the hard rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestAdmitted {
    /// Its pool.
    pub pool: PoolId,
    /// What was asked.
    pub request: RequestAllocation,
}

/// It waits for capacity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestQueued {
    /// Its pool.
    pub pool: PoolId,
    /// Which request.
    pub request: RequestId,
}

/// The council wants another look later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestDeferred {
    /// Its pool.
    pub pool: PoolId,
    /// Which request.
    pub request: RequestId,
    /// The vote that deferred it.
    pub attempt: i64,
    /// When it is looked at again.
    pub retry_at_ms: TimeMs,
}

/// The time for another look has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeferralDue {
    /// Its pool.
    pub pool: PoolId,
    /// Which request.
    pub request: RequestId,
}

/// A request ended without a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestEnded {
    /// Its pool.
    pub pool: PoolId,
    /// Which request.
    pub request: RequestId,
    /// Why.
    pub reason: RequestEnd,
}

/// Why a request ended without a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestEnd {
    /// Its sender withdrew it.
    Cancelled,
    /// Its deadline passed.
    DeadlinePassed,
    /// A later vote said no.
    CouncilDenied,
    /// An operator ended it.
    Overridden,
}

/// A request got its GPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseGranted {
    /// Its pool.
    pub pool: PoolId,
    /// Which request.
    pub request: RequestId,
    /// Offset of this decision: later commands about the lease must quote it.
    pub fencing: Offset,
    /// When it ends by itself.
    pub ends_at_ms: TimeMs,
    /// Model of the GPUs; empty for CPU only, or when replicas sit on different models.
    pub gpu_model: GpuModel,
    /// Where each replica sits, in replica order.
    pub replicas: Vec<Placement>,
}

/// Where one replica sits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// On this node.
    pub node: NodeId,
    /// On these GPUs of the node, ascending from 0.
    pub gpus: Vec<i64>,
}

/// A lease's end moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRenewed {
    /// Its pool.
    pub pool: PoolId,
    /// Which lease.
    pub request: RequestId,
    /// Its new fencing number.
    pub fencing: Offset,
    /// Its new end.
    pub ends_at_ms: TimeMs,
}
