//! The commands as a table: who may send each, what has to hold, what follows. `docs/commands.md`
//! shows it to people; a test compares the two.

use crate::command::{Payload, Role};
use crate::rejection::RejectionCode::{
    self, AlreadyAppealed, CouncilDenied, DeadlinePassed, DuplicateNode, DuplicateRequest,
    DuplicateReservation, ExceedsBudget, ExceedsCap, ExceedsCapacity, ExceedsLeaseMax,
    ExceedsLimit, ExceedsParent, ExceedsPool, LogAlreadyOpen, LogFull, NoBudget, NoLease,
    NodeInUse, NodeReserved, NotHeldBack, NotSmaller, Overpromised, QueueFull, RequestRunning,
    ReservationTime, Reserved, StaleFencing, TenantCycle, TreeTooDeep, UnderNotice, UnknownNode,
    UnknownPool, UnknownRequest, UnknownReservation, UnknownTenant, UnknownVersion, WindowNotKept,
    WouldDelay,
};

/// One command.
#[derive(Clone, Copy, Debug)]
pub struct CommandRow {
    /// Its name.
    pub name: &'static str,
    /// The least role that may send it; a tenant only for what is its own.
    pub least_role: Role,
    /// Whether it is alone in its round.
    pub is_control: bool,
    /// What has to hold.
    pub precondition: &'static str,
    /// Its own events, beside those of due timers, due votes, hidden states and the queue.
    pub events: &'static [&'static str],
    /// Its own rejections, beside those of [`STAGE_ONE`].
    pub rejections: &'static [RejectionCode],
}

/// What any command can be refused with before its own rules are asked.
pub const STAGE_ONE: &[RejectionCode] = &[
    RejectionCode::Unreadable,
    RejectionCode::UnknownSchema,
    RejectionCode::LogNotOpen,
    RejectionCode::WrongKey,
    RejectionCode::WrongPartition,
    RejectionCode::OutOfRange,
    RejectionCode::Unsupported,
    RejectionCode::NotPermitted,
    RejectionCode::IdReused,
    RejectionCode::RateLimited,
];

/// Every command, in the order of the union's branches.
pub const COMMANDS: &[CommandRow] = &[
    CommandRow {
        name: "OpenLog",
        least_role: Role::Administrator,
        is_control: true,
        precondition: "the partition is not open",
        events: &["LogOpened"],
        rejections: &[LogAlreadyOpen],
    },
    CommandRow {
        name: "ActivateDecider",
        least_role: Role::Administrator,
        is_control: true,
        precondition: "this release knows the version, and it is not older than the current one",
        events: &["DeciderActivated"],
        rejections: &[UnknownVersion],
    },
    CommandRow {
        name: "Tick",
        least_role: Role::Administrator,
        is_control: false,
        precondition: "none",
        events: &[],
        rejections: &[],
    },
    CommandRow {
        name: "RegisterNode",
        least_role: Role::Operator,
        is_control: true,
        precondition: "the pool exists and has no node of this name",
        events: &["NodeRegistered"],
        rejections: &[UnknownPool, DuplicateNode, LogFull],
    },
    CommandRow {
        name: "DrainNode",
        least_role: Role::Operator,
        is_control: true,
        precondition: "the pool has the node",
        events: &["NodeDrained"],
        rejections: &[UnknownPool, UnknownNode],
    },
    CommandRow {
        name: "RemoveNode",
        least_role: Role::Operator,
        is_control: true,
        precondition: "the pool has the node, no lease sits on it, and nothing of it is reserved",
        events: &["NodeRemoved"],
        rejections: &[UnknownPool, UnknownNode, NodeInUse, NodeReserved],
    },
    CommandRow {
        name: "SetQuota",
        least_role: Role::Operator,
        is_control: true,
        precondition: "the pool exists; guarantee ≤ limit; from decide_version 3 on guarantees of \
                       children are no more than the parent's, and at the top than the pool's GPUs",
        events: &["QuotaSet"],
        rejections: &[UnknownPool, LogFull, ExceedsParent, Overpromised, ExceedsBudget],
    },
    CommandRow {
        name: "SetPoolPolicy",
        least_role: Role::Operator,
        is_control: true,
        precondition: "none: the first one creates the pool",
        events: &["PoolPolicySet"],
        rejections: &[LogFull],
    },
    CommandRow {
        name: "RequestAllocation",
        least_role: Role::Tenant,
        is_control: false,
        precondition: "the tenant has a quota; the name is free; limit and empty pool can hold it",
        events: &[
            "RequestAdmitted",
            "RequestVoted",
            "CouncilVoted",
            "RequestQueued",
            "RequestDeferred",
            "LeaseGranted",
        ],
        rejections: &[
            UnknownPool,
            UnknownTenant,
            DuplicateRequest,
            DeadlinePassed,
            ExceedsLimit,
            ExceedsCap,
            ExceedsPool,
            ExceedsBudget,
            QueueFull,
            CouncilDenied,
        ],
    },
    CommandRow {
        name: "CancelRequest",
        least_role: Role::Tenant,
        is_control: false,
        precondition: "the request is live, the sender's own, and has no lease",
        events: &["RequestEnded"],
        rejections: &[UnknownPool, UnknownTenant, UnknownRequest, RequestRunning],
    },
    CommandRow {
        name: "RenewLease",
        least_role: Role::Tenant,
        is_control: false,
        precondition: "the lease is live, the sender's own, and the fencing number current",
        events: &["LeaseRenewed"],
        rejections: &[
            UnknownPool,
            UnknownTenant,
            UnknownRequest,
            NoLease,
            StaleFencing,
            ExceedsLeaseMax,
            UnderNotice,
            ExceedsBudget,
            ExceedsCap,
            Reserved,
            WouldDelay,
        ],
    },
    CommandRow {
        name: "ShrinkLease",
        least_role: Role::Tenant,
        is_control: false,
        precondition: "as RenewLease, and it keeps fewer replicas than now",
        events: &["LeaseShrunk"],
        rejections: &[
            UnknownPool,
            UnknownTenant,
            UnknownRequest,
            NoLease,
            StaleFencing,
            NotSmaller,
        ],
    },
    CommandRow {
        name: "ReleaseLease",
        least_role: Role::Tenant,
        is_control: false,
        precondition: "as RenewLease",
        events: &["LeaseEnded", "CouncilWeighed"],
        rejections: &[UnknownPool, UnknownTenant, UnknownRequest, NoLease, StaleFencing],
    },
    CommandRow {
        name: "ReportNodeHealth",
        least_role: Role::Operator,
        is_control: false,
        precondition: "the pool has the node; what is known already changes nothing",
        events: &["NodeHealthChanged"],
        rejections: &[UnknownPool, UnknownNode],
    },
    CommandRow {
        name: "OverrideDecision",
        least_role: Role::Operator,
        is_control: true,
        precondition: "approve: the request was put off, or is not live and ask passes the hard \
                       rules; end: it is live",
        events: &[
            "DecisionOverridden",
            "RequestAdmitted",
            "RequestQueued",
            "LeaseGranted",
            "RequestEnded",
            "LeaseEnded",
        ],
        rejections: &[
            UnknownPool,
            UnknownTenant,
            UnknownRequest,
            NotHeldBack,
            DuplicateRequest,
            DeadlinePassed,
            ExceedsLimit,
            ExceedsCap,
            ExceedsPool,
            ExceedsBudget,
            QueueFull,
        ],
    },
    CommandRow {
        name: "Appeal",
        least_role: Role::Tenant,
        is_control: false,
        precondition: "the request is the sender's own, was put off or was denied lately, and \
                       was not appealed before",
        events: &[
            "AppealFiled",
            "DeferralDue",
            "RequestAdmitted",
            "RequestVoted",
            "RequestQueued",
            "LeaseGranted",
        ],
        rejections: &[
            UnknownPool,
            UnknownTenant,
            UnknownRequest,
            NotHeldBack,
            AlreadyAppealed,
            DuplicateRequest,
            DeadlinePassed,
            ExceedsLimit,
            ExceedsCap,
            ExceedsPool,
            ExceedsBudget,
            QueueFull,
            CouncilDenied,
        ],
    },
    CommandRow {
        name: "ActivateCouncil",
        least_role: Role::Administrator,
        is_control: true,
        precondition: "decide_version 2 or newer; who sits there already changes nothing",
        events: &["CouncilActivated"],
        rejections: &[UnknownVersion],
    },
    CommandRow {
        name: "SetFairShare",
        least_role: Role::Operator,
        is_control: true,
        precondition: "decide_version 3 or newer, and the pool exists; what is set already changes \
                       nothing",
        events: &["FairShareSet"],
        rejections: &[UnknownPool, UnknownVersion],
    },
    CommandRow {
        name: "SetPreemption",
        least_role: Role::Operator,
        is_control: true,
        precondition: "decide_version 3 or newer, and the pool exists; what is set already changes \
                       nothing",
        events: &["PreemptionSet"],
        rejections: &[UnknownPool, UnknownVersion],
    },
    CommandRow {
        name: "TopUpBudget",
        least_role: Role::Operator,
        is_control: true,
        precondition: "decide_version 3 or newer; the tenant has a budget, and the window has not \
                       ended and is one of those that are kept",
        events: &["BudgetToppedUp"],
        rejections: &[UnknownPool, UnknownVersion, UnknownTenant, NoBudget, WindowNotKept],
    },
    CommandRow {
        name: "SetTariff",
        least_role: Role::Operator,
        is_control: true,
        precondition: "decide_version 3 or newer, and the pool exists; what is set already changes \
                       nothing",
        events: &["TariffSet"],
        rejections: &[UnknownPool, UnknownVersion],
    },
    CommandRow {
        name: "SetTenantParent",
        least_role: Role::Operator,
        is_control: true,
        precondition: "decide_version 3 or newer; both tenants have a quota, the parent does not \
                       stand below the tenant and guarantees its children no more than it has; \
                       what is set already changes nothing",
        events: &["TenantParentSet"],
        rejections: &[
            UnknownPool,
            UnknownVersion,
            UnknownTenant,
            TenantCycle,
            TreeTooDeep,
            ExceedsParent,
            Overpromised,
        ],
    },
    CommandRow {
        name: "Reserve",
        least_role: Role::Operator,
        is_control: true,
        precondition: "decide_version 3 or newer; the tenant has a quota that allows it, it starts \
                       from now on and within a year, and nodes have room during all of its time",
        events: &["ReservationMade"],
        rejections: &[
            UnknownPool,
            UnknownVersion,
            ReservationTime,
            UnknownTenant,
            DuplicateReservation,
            LogFull,
            ExceedsLimit,
            ExceedsPool,
            ExceedsCapacity,
        ],
    },
    CommandRow {
        name: "CancelReservation",
        least_role: Role::Operator,
        is_control: true,
        precondition: "decide_version 3 or newer, and the pool has the reservation",
        events: &["ReservationCancelled"],
        rejections: &[UnknownPool, UnknownVersion, UnknownReservation],
    },
];

/// The row of a command.
pub(super) fn row(payload: &Payload) -> &'static CommandRow {
    let name = payload.name();
    let found = COMMANDS.iter().find(|row| row.name == name);
    found.unwrap_or_else(|| panic!("{name} has no row in the table of commands"))
}
