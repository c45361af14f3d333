//! Blockers in a sentence each.

use crate::report::sentence::moment;
use crate::report::show::{clock, gpu_hours, gpus, usd};
use conclave_core::blocker::Blocker;
use conclave_core::command::Topology;
use conclave_core::units::TimeMs;

/// What keeps a request from running at `now`.
#[must_use]
pub fn blocker(blocker: &Blocker, now: TimeMs) -> String {
    match blocker {
        Blocker::Deferred { attempts, retry_at_ms } => {
            format!("put off by vote {attempts}, looked at again {}", moment(now, *retry_at_ms))
        }
        Blocker::VoteDue => "its next vote is taken when the next round opens".to_owned(),
        Blocker::CarriedOver => {
            "the queue is being worked off: nothing is granted in the pool until it is".to_owned()
        }
        Blocker::TenantLimit { tenant, used_gpu_milli, limit_gpu_milli, wanted_gpu_milli } => {
            format!(
                "{tenant} holds {} of at most {} GPUs, and it wants {}",
                gpus(*used_gpu_milli),
                gpus(*limit_gpu_milli),
                gpus(*wanted_gpu_milli)
            )
        }
        Blocker::HeldForOthers { free_gpu_milli, held_gpu_milli, wanted_gpu_milli } => format!(
            "{} GPUs are free and {} are promised to other tenants, and it wants {}",
            gpus(*free_gpu_milli),
            gpus(*held_gpu_milli),
            gpus(*wanted_gpu_milli)
        ),
        Blocker::BorrowLimit { .. } => of_loans(blocker),
        Blocker::BehindProtected { protected } => {
            format!("{protected} came before it and has waited so long that nobody may overtake it")
        }
        Blocker::PoolTooSmall => {
            "the nodes of the pool could not hold it even if they were empty".to_owned()
        }
        Blocker::NodesOutOfService { draining_nodes, unhealthy_nodes } => {
            let out = out_of_service(*draining_nodes, *unhealthy_nodes);
            format!("it fits only with nodes that take no new work: {out}")
        }
        Blocker::RoomIsMade { leases, until_ms } => {
            let ends = moment(now, *until_ms);
            match leases {
                1 => format!("a lease ends for it {ends}"),
                leases => format!("{leases} leases end for it, the last one {ends}"),
            }
        }
        Blocker::Reserved { reservation, start_ms, until_ms } => {
            let (start, until) = (*start_ms, clock(*until_ms));
            match start <= now {
                true => format!("what is free is reserved until {until} ({reservation})"),
                false => format!(
                    "its lease would run into what is reserved ({reservation}): that starts {} and \
                     is over at {until}",
                    moment(now, start)
                ),
            }
        }
        Blocker::NoRoom { replicas_fit, replicas } => {
            format!("the nodes have room for {replicas_fit} of its {replicas} replica(s) now")
        }
        Blocker::Topology { .. } | Blocker::TopologyTooSmall { .. } => of_topology(blocker),
        Blocker::BudgetUsedUp { .. } | Blocker::TooManyWindows { .. } | Blocker::OverCap { .. } => {
            of_money(blocker, now)
        }
    }
}

/// What may not be borrowed.
fn of_loans(blocker: &Blocker) -> String {
    let Blocker::BorrowLimit { tenant, borrowed_gpu_milli, limit_gpu_milli, needed_gpu_milli } =
        blocker
    else {
        unreachable!("{blocker:?} is said elsewhere");
    };
    let [borrowed, limit, needed] =
        [borrowed_gpu_milli, limit_gpu_milli, needed_gpu_milli].map(|milli| gpus(*milli));
    format!(
        "what is free is promised to others; {tenant} has borrowed {borrowed} of at most {limit} \
         GPUs of it, and it would take {needed} more"
    )
}

/// What no single place holds.
fn of_topology(blocker: &Blocker) -> String {
    match blocker {
        Blocker::Topology { topology, replicas_fit, replicas, nodes_with_room } => {
            let place = one_place(*topology);
            format!(
                "{nodes_with_room} node(s) have room for all of its {replicas} replicas, and no \
                 single {place} has: the best one holds {replicas_fit} now"
            )
        }
        Blocker::TopologyTooSmall { topology, replicas } => {
            let place = one_place(*topology);
            format!(
                "no single {place} of the pool could hold its {replicas} replicas even if it were \
                 empty; the pool could"
            )
        }
        other => unreachable!("{other:?} is said elsewhere"),
    }
}

/// What a budget or a cap keeps back.
fn of_money(blocker: &Blocker, now: TimeMs) -> String {
    match blocker {
        Blocker::BudgetUsedUp {
            window_start_ms,
            next_window_ms,
            budget_gpu_milli_seconds: budget,
            reserved_gpu_milli_seconds: reserved,
            wanted_gpu_milli_seconds: wanted,
            fits_at_ms,
        } => {
            let when = match fits_at_ms {
                Some(at_ms) => format!("it fits {}", moment(now, *at_ms)),
                None => "it fits in no window".to_owned(),
            };
            format!(
                "of the {} GPU-hours of its tenant's budget from {} to {}, {} are reserved, and it \
                 wants {}: {when}",
                gpu_hours(*budget),
                clock(*window_start_ms),
                clock(*next_window_ms),
                gpu_hours(*reserved),
                gpu_hours(*wanted)
            )
        }
        Blocker::TooManyWindows { windows, windows_max } => format!(
            "its lease may touch {windows} windows of its tenant's budget, and {windows_max} are \
             kept"
        ),
        Blocker::OverCap { least_micro_usd, cap_micro_usd, cheaper_at_ms } => {
            let when = match cheaper_at_ms {
                Some(at_ms) => format!("; it can pay the price from {} on", clock(*at_ms)),
                None => String::new(),
            };
            format!(
                "on the cheapest model that it accepts it would cost {}, and its cap is {}{when}",
                usd(*least_micro_usd),
                usd(*cap_micro_usd)
            )
        }
        other => unreachable!("{other:?} is said elsewhere"),
    }
}

/// What a gang wishes to be in.
fn one_place(topology: Topology) -> &'static str {
    match topology {
        Topology::SameNode => "node",
        Topology::SameGroup => "topology group",
        Topology::None => "pool",
    }
}

/// `1 drains, 2 are unhealthy`.
fn out_of_service(draining: i64, unhealthy: i64) -> String {
    let drain = match draining {
        0 => None,
        1 => Some("1 drains".to_owned()),
        count => Some(format!("{count} drain")),
    };
    let broken = match unhealthy {
        0 => None,
        1 => Some("1 is unhealthy".to_owned()),
        count => Some(format!("{count} are unhealthy")),
    };
    drain.into_iter().chain(broken).collect::<Vec<_>>().join(", ")
}
