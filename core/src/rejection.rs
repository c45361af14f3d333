//! Why a command was refused: one code per rule, with what it means for the sender.

use crate::decision::Rejected;
use crate::limits::DETAIL_BYTES_MAX;
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident, $text:literal, dead_letter: $dead:literal;)*) => {
        /// Which rule refused a command. Order is wire order and only grows at the end.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum RejectionCode {
            $($(#[$doc])* $variant,)*
        }

        impl RejectionCode {
            /// Every code, in wire order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code as the log, metrics and documents spell it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// Whether the command's bytes also go to the dead letters: the sender's program is
            /// broken and somebody has to look, as opposed to a plain no.
            #[must_use]
            pub fn is_dead_letter(self) -> bool {
                match self { $(Self::$variant => $dead),* }
            }
        }
    };
}

codes! {
    /// The bytes are no command: empty, cut, wrong framing, an unknown branch, trailing bytes.
    Unreadable, "unreadable", dead_letter: true;
    /// The schema id is not known, or its schema is not one of ours.
    UnknownSchema, "unknown_schema", dead_letter: true;
    /// The record's key is not the command's pool.
    WrongKey, "wrong_key", dead_letter: true;
    /// The pool lives in another partition.
    WrongPartition, "wrong_partition", dead_letter: true;
    /// A field is outside its bounds, or fields contradict each other.
    OutOfRange, "out_of_range", dead_letter: true;
    /// The field's rule is not built yet.
    Unsupported, "unsupported", dead_letter: false;
    /// The partition's first record must be `OpenLog`.
    LogNotOpen, "log_not_open", dead_letter: false;
    /// The log was opened before.
    LogAlreadyOpen, "log_already_open", dead_letter: false;
    /// This id was used for another command.
    IdReused, "id_reused", dead_letter: false;
    /// Too many commands of this tenant in too short a time.
    RateLimited, "rate_limited", dead_letter: false;
    /// The actor's role or tenant does not allow it.
    NotPermitted, "not_permitted", dead_letter: false;
    /// The pool has no policy yet.
    UnknownPool, "unknown_pool", dead_letter: false;
    /// The tenant has no quota in this pool yet.
    UnknownTenant, "unknown_tenant", dead_letter: false;
    /// The pool has no such node.
    UnknownNode, "unknown_node", dead_letter: false;
    /// The pool has a node of this name.
    DuplicateNode, "duplicate_node", dead_letter: false;
    /// Leases still sit on the node.
    NodeInUse, "node_in_use", dead_letter: false;
    /// The pool has a live request of this name.
    DuplicateRequest, "duplicate_request", dead_letter: false;
    /// The pool has no live request of this name.
    UnknownRequest, "unknown_request", dead_letter: false;
    /// The request runs already; its lease is released instead.
    RequestRunning, "request_running", dead_letter: false;
    /// The request has no lease (yet).
    NoLease, "no_lease", dead_letter: false;
    /// The fencing number is not the lease's current one.
    StaleFencing, "stale_fencing", dead_letter: false;
    /// More GPUs than the tenant's limit allows even when it uses none.
    ExceedsLimit, "exceeds_limit", dead_letter: false;
    /// The pool could not hold it even when empty.
    ExceedsPool, "exceeds_pool", dead_letter: false;
    /// The pool's queue is full.
    QueueFull, "queue_full", dead_letter: false;
    /// A bound of the log (pools, tenants, nodes) is reached.
    LogFull, "log_full", dead_letter: false;
    /// The council said no.
    CouncilDenied, "council_denied", dead_letter: false;
    /// The request's deadline is not after its command's time.
    DeadlinePassed, "deadline_passed", dead_letter: false;
    /// Longer than the pool lets a lease run.
    ExceedsLeaseMax, "exceeds_lease_max", dead_letter: false;
    /// A shrink has to keep fewer replicas than the lease has.
    NotSmaller, "not_smaller", dead_letter: false;
    /// This binary does not decide by that version, or the log is past it.
    UnknownVersion, "unknown_version", dead_letter: false;
    /// The council does not hold the request back: it waits for capacity, or runs.
    NotHeldBack, "not_held_back", dead_letter: false;
    /// The request was appealed before.
    AlreadyAppealed, "already_appealed", dead_letter: false;
    /// The lease ends for another request and is not renewed any more.
    UnderNotice, "under_notice", dead_letter: false;
    /// More GPU time than a window of the tenant's budget holds, or has left for a renewal.
    ExceedsBudget, "exceeds_budget", dead_letter: false;
    /// On every model that it accepts, or renewed as far, it would cost more than its cap.
    ExceedsCap, "exceeds_cap", dead_letter: false;
    /// The tenant has no budget that could be topped up.
    NoBudget, "no_budget", dead_letter: false;
    /// The window of a top-up is over, or further ahead than windows are kept.
    WindowNotKept, "window_not_kept", dead_letter: false;
    /// The tenant would stand below itself.
    TenantCycle, "tenant_cycle", dead_letter: false;
    /// The tree of tenants would be deeper than it may be.
    TreeTooDeep, "tree_too_deep", dead_letter: false;
    /// The guarantees of a tenant's children would be more than its own.
    ExceedsParent, "exceeds_parent", dead_letter: false;
    /// The guarantees at the top would be more than the pool's GPUs.
    Overpromised, "overpromised", dead_letter: false;
    /// A reservation has to start from now on, and not too far ahead.
    ReservationTime, "reservation_time", dead_letter: false;
    /// The pool has a reservation of this name.
    DuplicateReservation, "duplicate_reservation", dead_letter: false;
    /// The pool has no reservation of this name (any more).
    UnknownReservation, "unknown_reservation", dead_letter: false;
    /// The nodes do not have room for all of it during all of its time.
    ExceedsCapacity, "exceeds_capacity", dead_letter: false;
    /// A part of the node is reserved.
    NodeReserved, "node_reserved", dead_letter: false;
    /// The lease would run into what is reserved.
    Reserved, "reserved", dead_letter: false;
    /// The lease was granted past somebody who is protected, and would delay him.
    WouldDelay, "would_delay", dead_letter: false;
}

/// A refusal with `code`, its detail cut to its bound at a character's edge.
#[must_use]
pub fn refuse(code: RejectionCode, detail: impl Into<String>) -> Rejected {
    let mut detail = detail.into();
    if detail.len() > DETAIL_BYTES_MAX {
        let edge = (0..=DETAIL_BYTES_MAX).rev().find(|&at| detail.is_char_boundary(at));
        detail.truncate(edge.unwrap_or(0));
    }
    Rejected { code, detail }
}
