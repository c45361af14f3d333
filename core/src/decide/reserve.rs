//! `Reserve`: keeps room free for a tenant from some time on.

use super::check_version;
use super::set_pool_policy::check_gpus;
use super::stage_one::Bounds;
use crate::command::{Command, Reserve};
use crate::decision::{Event, Rejected, ReservationMade};
use crate::draft::Draft;
use crate::limits::{
    CPU_MILLI_MAX, GPU_MODELS_MAX, MEMORY_MIB_MAX, REPLICAS_MAX, RESERVATION_AHEAD_MS_MAX,
    RESERVATION_MS_MAX, RESERVATIONS_MAX, RESERVED_REPLICAS_MAX, TIME_MS_MAX,
};
use crate::placement::Gang;
use crate::queue::preferences;
use crate::rejection::{RejectionCode as Code, refuse};
use crate::state::Pool;
use crate::timers::fire_due_timers;
use crate::units::TimeMs;

/// The first `decide_version` with reservations.
pub(super) const SINCE: i64 = 3;

pub(super) fn check(reserve: &Reserve) -> Result<(), Rejected> {
    Bounds::id("reservation", &reserve.reservation.0)?;
    Bounds::id("tenant", &reserve.tenant.0)?;
    Bounds::number("start_ms", reserve.start_ms.0, 0, TIME_MS_MAX.0)?;
    Bounds::number("end_ms", reserve.end_ms.0, reserve.start_ms.0 + 1, TIME_MS_MAX.0)?;
    let length = reserve.end_ms.0 - reserve.start_ms.0;
    Bounds::number("end_ms - start_ms", length, 1, RESERVATION_MS_MAX.0)?;
    Bounds::count("gpu_models", reserve.gpu_models.len(), GPU_MODELS_MAX)?;
    reserve.gpu_models.iter().try_for_each(|model| Bounds::id("gpu_models", &model.0))?;
    Bounds::number("replicas", reserve.replicas, 1, REPLICAS_MAX)?;
    check_gpus("", reserve.gpu_count, reserve.gpu_milli.0)?;
    Bounds::number("cpu_milli", reserve.cpu_milli.0, 0, CPU_MILLI_MAX)?;
    Bounds::number("memory_mib", reserve.memory_mib.0, 0, MEMORY_MIB_MAX)?;
    if reserve.gpu_count == 0 && reserve.cpu_milli.0 == 0 && reserve.memory_mib.0 == 0 {
        let detail = "it reserves nothing: say gpu_count, cpu_milli or memory_mib";
        return Err(refuse(Code::OutOfRange, detail));
    }
    Bounds::text("reason", &reserve.reason)
}

pub(super) fn decide(
    draft: &mut Draft,
    command: &Command,
    reserve: &Reserve,
) -> Result<(), Rejected> {
    check_version(draft, SINCE, "reservations come")?;
    let pool = draft.state.pool(&command.pool);
    check_start(reserve, draft.now)?;
    check_names(command, pool, reserve)?;
    check_counts(pool, reserve)?;
    check_limit(pool, reserve)?;
    let ask = reserve.as_ask();
    let could_hold =
        preferences(&ask).any(|models| pool.fleet.could_ever_hold(&Gang::of(&ask, models)));
    if !could_hold {
        let detail = format!("{} do not fit even the empty pool", what(reserve));
        return Err(refuse(Code::ExceedsPool, detail));
    }
    let (gpu_model, replicas) = pool.room_for_reservation(reserve).map_err(|short| {
        let from = short.fits_from.map_or_else(
            || "at no later time that was looked at do all of them".to_owned(),
            |at| format!("all of them fit from {at} on"),
        );
        let (start, end, fit) = (reserve.start_ms, reserve.end_ms, short.replicas_fit);
        let detail = format!("{} from {start} to {end}: {fit} replicas fit; {from}", what(reserve));
        refuse(Code::ExceedsCapacity, detail)
    })?;
    let (pool, operator) = (command.pool.clone(), command.actor.user.clone());
    let reserve = reserve.clone();
    let made = ReservationMade { pool, operator, reserve, gpu_model, replicas };
    draft.emit(Event::ReservationMade(Box::new(made)));
    // It may start at once.
    fire_due_timers(draft);
    Ok(())
}

fn what(reserve: &Reserve) -> String {
    let Reserve { replicas, gpu_count, gpu_milli, .. } = reserve;
    format!("{replicas} replicas of {gpu_count} x {gpu_milli} GPU milli")
}

fn check_start(reserve: &Reserve, now: TimeMs) -> Result<(), Rejected> {
    let (start, latest) = (reserve.start_ms, now.plus(RESERVATION_AHEAD_MS_MAX));
    if (now..=latest).contains(&start) {
        return Ok(());
    }
    let detail = format!("it is {now}: a reservation starts from then to {latest}, not at {start}");
    Err(refuse(Code::ReservationTime, detail))
}

fn check_names(command: &Command, pool: &Pool, reserve: &Reserve) -> Result<(), Rejected> {
    let (tenant, id) = (&reserve.tenant, &reserve.reservation);
    if !pool.tenants.contains_key(tenant) {
        let detail = format!("tenant '{tenant}' has no quota in '{}': send SetQuota", command.pool);
        return Err(refuse(Code::UnknownTenant, detail));
    }
    if pool.reservations.get(id).is_some() {
        let detail = format!("reservation '{id}' is not over: choose a new name");
        return Err(refuse(Code::DuplicateReservation, detail));
    }
    Ok(())
}

fn check_counts(pool: &Pool, reserve: &Reserve) -> Result<(), Rejected> {
    let count = pool.reservations.len();
    if count >= RESERVATIONS_MAX {
        let detail = format!("a pool has at most {RESERVATIONS_MAX} reservations");
        return Err(refuse(Code::LogFull, detail));
    }
    let replicas: i64 = pool.reservations.all().map(|one| one.reserve.replicas).sum();
    if replicas + reserve.replicas > RESERVED_REPLICAS_MAX {
        let detail = format!(
            "the pool's {count} reservations have {replicas} replicas and this one {}: together \
             they may have {RESERVED_REPLICAS_MAX}",
            reserve.replicas
        );
        return Err(refuse(Code::LogFull, detail));
    }
    Ok(())
}

/// What is reserved for a tenant at any time is within its limit.
fn check_limit(pool: &Pool, reserve: &Reserve) -> Result<(), Rejected> {
    let limit = pool.tenants[&reserve.tenant].quota.limit_gpu_milli;
    let span = (reserve.start_ms, reserve.end_ms);
    let of_tenant = pool.reservations.all().filter(|one| one.reserve.tenant == reserve.tenant);
    let beside: Vec<_> = of_tenant.filter(|one| one.overlaps(span)).collect();
    let starts = beside.iter().map(|one| one.reserve.start_ms.max(span.0));
    let at = |time: TimeMs| {
        let then = beside.iter().filter(|one| one.overlaps((time, TimeMs(time.0 + 1))));
        then.map(|one| one.gpu_milli().0).sum::<i64>()
    };
    let most = starts.map(at).max().unwrap_or(0);
    let wanted = reserve.gpu_milli_total().0;
    let mut above = pool.path(&reserve.tenant).skip(1);
    if let Some((_, above)) = above.find(|(_, above)| wanted > above.quota.limit_gpu_milli.0) {
        let limit = above.quota.limit_gpu_milli;
        let detail = format!(
            "{wanted} GPU milli are more than the limit of {limit} for all below a tenant above it"
        );
        return Err(refuse(Code::ExceedsLimit, detail));
    }
    if most + wanted <= limit.0 {
        return Ok(());
    }
    let detail = format!(
        "{wanted} GPU milli beside {most} that are reserved at the same time are more than the \
         tenant's limit of {limit}"
    );
    Err(refuse(Code::ExceedsLimit, detail))
}
