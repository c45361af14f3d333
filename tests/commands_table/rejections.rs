//! What each rejection means and what to do, for somebody who was woken up by one.

use conclave_core::rejection::RejectionCode as Code;

/// What it means, and what to do.
pub(crate) fn explain(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::Unreadable
        | Code::UnknownSchema
        | Code::WrongKey
        | Code::WrongPartition
        | Code::OutOfRange
        | Code::Unsupported => broken_sender(code),
        Code::LogNotOpen
        | Code::LogAlreadyOpen
        | Code::IdReused
        | Code::RateLimited
        | Code::NotPermitted
        | Code::LogFull
        | Code::UnknownVersion => whole_log(code),
        Code::UnknownPool
        | Code::UnknownTenant
        | Code::UnknownNode
        | Code::DuplicateNode
        | Code::NodeInUse => inventory(code),
        Code::DuplicateRequest
        | Code::ExceedsLimit
        | Code::ExceedsPool
        | Code::QueueFull
        | Code::CouncilDenied
        | Code::DeadlinePassed => newcomer(code),
        Code::UnknownRequest
        | Code::RequestRunning
        | Code::NoLease
        | Code::StaleFencing
        | Code::ExceedsLeaseMax
        | Code::NotSmaller
        | Code::UnderNotice => live_request(code),
        Code::NotHeldBack | Code::AlreadyAppealed => looked_at_again(code),
        Code::ReservationTime
        | Code::DuplicateReservation
        | Code::UnknownReservation
        | Code::ExceedsCapacity
        | Code::NodeReserved
        | Code::Reserved
        | Code::WouldDelay => reservation(code),
        Code::ExceedsBudget | Code::ExceedsCap | Code::NoBudget | Code::WindowNotKept => {
            money(code)
        }
        Code::TenantCycle | Code::TreeTooDeep | Code::ExceedsParent | Code::Overpromised => {
            tree(code)
        }
    }
}

/// Nothing is wrong with conclave: somebody's program or its set-up is.
fn broken_sender(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::Unreadable => (
            "The bytes are no command: empty, cut short, framed wrongly, of a branch that this \
             release does not know, or with bytes left over.",
            "Find the sender by the dead letter's headers and look at what it serialises with. If \
             it \
             is newer than this service, upgrade the service first, then send the command again.",
        ),
        Code::UnknownSchema => (
            "Nobody knows the schema id in the framing, or its schema is not a version of ours.",
            "Let the sender use the schemas in `schemas/` and register them under \
             `conclave.commands-value`, then send the command again. If the id is a registry's: \
             without `url` in `[kafka.registry]` a service asks none and takes ids for those of \
             its own table (its log says so at the first such command); set it and start again.",
        ),
        Code::WrongKey => (
            "The record's key is not the pool that the command is about, or a log command names a \
             pool, or another command names none.",
            "Let the sender use the pool's name, as plain text, as the record's key.",
        ),
        Code::WrongPartition => (
            "The pool lives in another partition, which the detail names.",
            "Let the producer partition by key with murmur2: Java does by default, librdkafka and \
             Python need `partitioner=murmur2_random`. Then send the command again.",
        ),
        Code::OutOfRange => (
            "A field is outside its bounds, or two fields contradict each other; the detail names \
             the field, its value and the bounds.",
            "Correct the field and send the command again.",
        ),
        Code::Unsupported => (
            "The command is sound, but the rule behind one of its fields is not built yet. It is \
             refused, so that nobody relies on what would be ignored.",
            "Leave the field that the detail names at its default.",
        ),
        other => unreachable!("{other:?} is explained elsewhere"),
    }
}

fn whole_log(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::LogNotOpen => (
            "The partition has no OpenLog yet, so nothing can be decided in it.",
            "Send OpenLog as an administrator; `conclave demo` does it by itself. If this log was \
             open before, you are looking at another data directory or topic than you think.",
        ),
        Code::LogAlreadyOpen => (
            "OpenLog came a second time. Nothing changed: what it sets is fixed for life.",
            "Nothing to do if a set-up script ran twice. To change what OpenLog sets, start a new \
             log.",
        ),
        Code::IdReused => (
            "This command id was used for a command with other contents; the detail names where. \
             The first one stands.",
            "Give each command an id of its own, and repeat an id only to send the same command \
             again.",
        ),
        Code::RateLimited => (
            "The tenant sends more commands a minute than its quota allows.",
            "Wait as long as the detail says and send it again. If it happens all day, look for a \
             client in a loop, or raise `rate_per_minute` with SetQuota.",
        ),
        Code::NotPermitted => (
            "The actor's role is too low for this command, or a tenant touched what is not its \
             own.",
            "Send it as the role that the table above names, or as the tenant that owns the \
             request. \
             If nobody should have sent it, find out who holds that token.",
        ),
        Code::LogFull => (
            "A bound of the whole log is reached: pools in the partition, tenants or nodes in the \
             pool.",
            "Remove nodes that are gone; for more pools or tenants, open another pool or \
             partition. \
             What exists already can still be changed.",
        ),
        Code::UnknownVersion => (
            "This release does not decide by that version, or the log is past it already.",
            "Upgrade every instance first, then activate. Versions never go back.",
        ),
        other => unreachable!("{other:?} is explained elsewhere"),
    }
}

fn inventory(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::UnknownPool => (
            "Nobody has set a policy for this pool, so it does not exist.",
            "Check the spelling; otherwise an operator creates the pool with SetPoolPolicy.",
        ),
        Code::UnknownTenant => (
            "The tenant has no quota in this pool. Quotas are per pool: having one elsewhere does \
             not \
             help.",
            "Check the spelling; otherwise an operator admits the tenant with SetQuota.",
        ),
        Code::UnknownNode => (
            "The pool has no node of this name. It may have been removed already.",
            "Check pool and spelling. If the node is gone, that is what you wanted: nothing to do.",
        ),
        Code::DuplicateNode => (
            "The pool has a node of this name; it was not changed.",
            "Nothing to do if it is the same machine. If it came back with other GPUs, drain it, \
             wait \
             until it is empty, remove it and register it anew.",
        ),
        Code::NodeInUse => (
            "Leases still sit on the node, so removing it would take GPUs from under running work.",
            "Drain it, so that nothing new is placed there, and wait until its leases end or are \
             released. Then remove it.",
        ),
        other => unreachable!("{other:?} is explained elsewhere"),
    }
}

fn newcomer(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::DuplicateRequest => (
            "The pool has a live request of this name: waiting, deferred or running.",
            "Choose another request name, or cancel or release the one that lives. If you meant to \
             send the same command again, use its command id again, too.",
        ),
        Code::ExceedsLimit => (
            "The whole gang needs more than the tenant's limit, so it could not start even if the \
             tenant used nothing else. Waiting would not help, and it is not queued.",
            "Ask for fewer GPUs or replicas, or have an operator raise the limit with SetQuota.",
        ),
        Code::ExceedsPool => (
            "The pool could not hold it even when empty: too many replicas, more GPUs per replica \
             than any node has, or models that no node has.",
            "Compare it with the pool's nodes: ask for less, accept more GPU models, or register \
             nodes. Drained and unhealthy nodes do not count.",
        ),
        Code::QueueFull => (
            "As many requests wait in this pool as its policy allows. Nothing that waits was lost.",
            "Find out why nothing starts (a full pool, drained nodes, one tenant's flood). Send it \
             again later, or raise `queue_max` with SetPoolPolicy.",
        ),
        Code::CouncilDenied => (
            "The council voted against it, and the pool's policy follows the council. The detail \
             has \
             the score; the vote and its terms stand in the same decision.",
            "Ask for less, for a shorter time, at a higher priority or as preemptible; or send \
             Appeal with a reason and with what you ask for. In an emergency an operator sends \
             OverrideDecision, or sets the pool's council to `advise`.",
        ),
        Code::DeadlinePassed => (
            "The request's deadline is not after the time at which it reached the log.",
            "Leave the deadline out or set a later one. If it was hours away, the sender's clock \
             is \
             wrong, or the command waited somewhere before it reached the log.",
        ),
        other => unreachable!("{other:?} is explained elsewhere"),
    }
}

fn looked_at_again(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::NotHeldBack => (
            "The council does not hold the request back: it waits for capacity, or runs already. \
             Neither an appeal nor an approval could change that.",
            "Ask `replay why --request NAME --log DIR` what it waits for. An operator who wants \
             it gone sends OverrideDecision with `end`.",
        ),
        Code::AlreadyAppealed => (
            "The request was appealed before, and each request is only once.",
            "Ask an operator, who may send OverrideDecision; or send a new request that asks for \
             less.",
        ),
        other => unreachable!("{other:?} is explained elsewhere"),
    }
}

fn live_request(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::UnknownRequest => (
            "The pool has no live request of this name: it ended, was cancelled, expired, or \
             never was.",
            "Look it up with `replay --from 0 --request NAME --log DIR`. If its lease expired, \
             its GPUs may be somebody \
             else's by now: stop the work and ask again.",
        ),
        Code::RequestRunning => (
            "The request has its GPUs already, so there is nothing left to cancel.",
            "Send ReleaseLease with the fencing number that the detail names.",
        ),
        Code::NoLease => (
            "The request is still waiting or deferred, so it has no lease to renew, shrink or \
             release.",
            "Wait for LeaseGranted; to give up instead, send CancelRequest.",
        ),
        Code::StaleFencing => (
            "The fencing number is not the lease's current one: the lease was renewed, shrunk or \
             granted anew since, perhaps by another process that believes it is the holder.",
            "Take the number of the last LeaseGranted, LeaseRenewed or LeaseShrunk. If you did not \
             send that command, two processes act for one lease: stop one of them.",
        ),
        Code::ExceedsLeaseMax => (
            "It asks for more time from now than the pool lets a lease run. The lease keeps its \
             old \
             end, which still comes.",
            "Renew for at most what the detail says, and again before that is over.",
        ),
        Code::UnderNotice => (
            "The lease ends for another request (docs/preemption.md), and is not renewed any more.",
            "Save the work by then, and give the lease back when that is done. Nothing has to be \
             sent again: the request waits at the place of its arrival and is granted anew.",
        ),
        Code::NotSmaller => (
            "A shrink has to keep fewer replicas than the lease has. Nothing was given back.",
            "Keep fewer, or send ReleaseLease to give back all. To grow, send another request.",
        ),
        other => unreachable!("{other:?} is explained elsewhere"),
    }
}

fn tree(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::TenantCycle => (
            "The tenant would stand below itself: the parent is the tenant, or stands below it.",
            "Move the parent away first, or name another one. `conclave quota` shows the tree.",
        ),
        Code::TreeTooDeep => (
            "With the tenant, and all that stands below it, the tree would be deeper than it may \
             be.",
            "Put it below somebody nearer the top. The detail says how deep it would be.",
        ),
        Code::ExceedsParent => (
            "A parent shares out its own guarantee: its children together cannot be guaranteed \
             more than it is.",
            "Raise the parent's guarantee first, lower that of another child, or ask for what the \
             detail leaves.",
        ),
        Code::Overpromised => (
            "Guarantees of the tenants at the top, together, would be more than the GPUs of the \
             pool: they could not all be kept. A pool without GPUs is not judged, and what was \
             promised before nodes left stays.",
            "Ask for what the detail leaves, lower another guarantee, or add nodes first. To give \
             a tenant a part of another one's guarantee, put it below that one with \
             SetTenantParent, and then set its own.",
        ),
        other => unreachable!("{other:?} is explained elsewhere"),
    }
}

fn money(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::ExceedsBudget => (
            "A request's lease fits no window of its tenant's budget, whenever it starts, so it is \
             not queued; or a renewal adds more to a window than is left of it, and the lease \
             keeps its old end; or a lease would touch more windows than are kept.",
            "Ask for fewer GPUs or a shorter time, or have an operator raise the budget with \
             SetQuota, or this window's with TopUpBudget. `conclave budget` shows what is left.",
        ),
        Code::ExceedsCap => (
            "On every model that the request accepts, its whole lease would cost more than its \
             `budget_cap_micro_usd` at the pool's prices.",
            "Raise the cap to at least what the detail says, accept a cheaper model, or ask for \
             less.",
        ),
        Code::WindowNotKept => (
            "The window that is to be topped up is over, or further ahead than the windows that \
             are kept. Nothing was approved.",
            "Leave `window_at_ms` out for the current window, or name a time within those that the \
             detail tells of.",
        ),
        Code::NoBudget => (
            "The tenant has no budget that could be topped up: nothing limits its GPU-hours.",
            "Nothing to do, unless it should have one: then send SetQuota with `gpu_hour_budget` \
             and `budget_window`.",
        ),
        other => unreachable!("{other:?} is explained elsewhere"),
    }
}

fn reservation(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::ReservationTime => (
            "A reservation has to start from now on and within a year (log time, not the sender's \
             clock).",
            "Send it again with a start that the detail allows.",
        ),
        Code::DuplicateReservation => (
            "The pool has a reservation of this name that is not over.",
            "Choose a new name, or cancel the other one first. `conclave reservations` shows them.",
        ),
        Code::UnknownReservation => (
            "The pool has no reservation of this name: it is over, was cancelled, or never was.",
            "Nothing to do if it was to end. `conclave reservations` shows those that are not \
             over.",
        ),
        Code::ExceedsCapacity => (
            "By the ends that leases have now, and beside what is reserved already, the nodes do \
             not have room for all of the reservation during all of its time. Nothing is reserved.",
            "The detail says how many replicas would fit, and from when on all of them do, as far \
             as was looked: reserve less, or later. Leases that are given back early make room.",
        ),
        Code::NodeReserved => (
            "A part of the node is reserved, so it does not leave the pool.",
            "Drain it and wait until the reservation is over, or send CancelReservation first.",
        ),
        Code::Reserved => (
            "Until its new end the lease would stand where something is reserved for another \
             tenant. The lease keeps its old end, which still comes.",
            "Renew for at most what the detail says; after that the work has to go elsewhere.",
        ),
        Code::WouldDelay => (
            "The lease was granted past a request that waits longer, because it ends before that \
             one has room (docs/reservations.md). Renewed for so long it would delay it. The lease \
             keeps its old end.",
            "Renew for at most what the detail says, or again when the other one has started.",
        ),
        other => unreachable!("{other:?} is explained elsewhere"),
    }
}
