//! Stage 1: what every command has to pass before its own rules look at it. Broken fields, the
//! wrong place, the wrong sender, seen before, too many.

use super::{
    activate_council, activate_decider, appeal, cancel_reservation, drain_node, open_log,
    override_decision, register_node, release_lease, renew_lease, request_allocation, reserve,
    set_fair_share, set_pool_policy, set_preemption, set_quota, set_tariff, set_tenant_parent,
    shrink_lease, top_up_budget,
};
use crate::command::{Command, Payload, Role};
use crate::decision::{Rejected, Remembered};
use crate::input::Input;
use crate::limits::{ID_BYTES_MAX, TEXT_BYTES_MAX};
use crate::partition::home_partition;
use crate::rejection::{RejectionCode as Code, refuse};
use crate::state::{Request, State};
use crate::units::{DurationMs, Offset, PoolId, RequestId, TenantId, TimeMs};

/// Whether a command's fields are within their bounds for the rules of `version`, whatever else the
/// state is: what a producer can check before sending.
///
/// # Errors
/// `out_of_range` or `unsupported`, naming the field.
pub fn is_within_bounds(command: &Command, version: i64) -> Result<(), Rejected> {
    let Command { command_id, pool, actor, submitted_at_ms: _, payload } = command;
    Bounds::id("command_id", &command_id.0)?;
    Bounds::id_or_empty("pool", &pool.0)?;
    Bounds::id_or_empty("actor.tenant", &actor.tenant.0)?;
    Bounds::id_or_empty("actor.user", &actor.user.0)?;
    match payload {
        Payload::OpenLog(open) => open_log::check(open),
        Payload::ActivateDecider(activate) => activate_decider::check(activate),
        Payload::ActivateCouncil(activate) => activate_council::check(activate),
        Payload::Tick => Ok(()),
        Payload::RegisterNode(register) => register_node::check(register, version),
        Payload::DrainNode(drain) => drain_node::check(&drain.node, &drain.reason),
        Payload::RemoveNode(remove) => drain_node::check(&remove.node, &remove.reason),
        Payload::SetQuota(quota) => set_quota::check(quota, version),
        Payload::SetPoolPolicy(policy) => set_pool_policy::check(policy, version),
        Payload::SetFairShare(share) => set_fair_share::check(share),
        Payload::SetPreemption(set) => set_preemption::check(set),
        Payload::TopUpBudget(top_up) => top_up_budget::check(top_up),
        Payload::SetTariff(tariff) => set_tariff::check(tariff),
        Payload::SetTenantParent(set) => set_tenant_parent::check(set),
        Payload::Reserve(reserve) => reserve::check(reserve),
        Payload::CancelReservation(cancel) => cancel_reservation::check(cancel),
        Payload::RequestAllocation(ask) => request_allocation::check(ask, version),
        Payload::CancelRequest(cancel) => {
            Bounds::id("request", &cancel.request.0)?;
            Bounds::text("reason", &cancel.reason)
        }
        Payload::RenewLease(renew) => renew_lease::check(renew),
        Payload::ShrinkLease(shrink) => shrink_lease::check(shrink),
        Payload::ReleaseLease(release) => release_lease::check(release),
        Payload::ReportNodeHealth(report) => drain_node::check(&report.node, &report.reason),
        Payload::OverrideDecision(order) => override_decision::check(order, version),
        Payload::Appeal(appeal) => appeal::check(appeal, version),
    }
}

/// Field bounds, as rejections that name the field.
#[derive(Debug)]
pub struct Bounds;

impl Bounds {
    /// 1 to [`ID_BYTES_MAX`] bytes.
    pub(super) fn id(field: &str, text: &str) -> Result<(), Rejected> {
        if text.is_empty() {
            return Err(refuse(Code::OutOfRange, format!("{field} is empty")));
        }
        Self::id_or_empty(field, text)
    }

    /// At most [`ID_BYTES_MAX`] bytes.
    pub(super) fn id_or_empty(field: &str, text: &str) -> Result<(), Rejected> {
        Self::bytes(field, text, ID_BYTES_MAX)
    }

    /// At most [`TEXT_BYTES_MAX`] bytes.
    pub(super) fn text(field: &str, text: &str) -> Result<(), Rejected> {
        Self::bytes(field, text, TEXT_BYTES_MAX)
    }

    /// `min` to `max`.
    pub(super) fn number(field: &str, value: i64, min: i64, max: i64) -> Result<(), Rejected> {
        if (min..=max).contains(&value) {
            return Ok(());
        }
        Err(refuse(Code::OutOfRange, format!("{field} is {value}, not within {min}..={max}")))
    }

    /// At most `max` entries.
    pub(super) fn count(field: &str, count: usize, max: usize) -> Result<(), Rejected> {
        if count <= max {
            return Ok(());
        }
        Err(refuse(Code::OutOfRange, format!("{field} has {count} entries, more than {max}")))
    }

    /// A field whose rule is not built yet has to be neutral.
    pub(super) fn neutral(field: &str, is_neutral: bool) -> Result<(), Rejected> {
        if is_neutral {
            return Ok(());
        }
        let detail = format!("the rule behind {field} is not built yet: leave it at its default");
        Err(refuse(Code::Unsupported, detail))
    }

    fn bytes(field: &str, text: &str, max: usize) -> Result<(), Rejected> {
        if text.len() <= max {
            return Ok(());
        }
        let length = text.len();
        Err(refuse(Code::OutOfRange, format!("{field} has {length} bytes, more than {max}")))
    }
}

/// Whether the ids that a decision repeats are short enough to be repeated.
pub(super) fn has_sound_ids(command: &Command) -> bool {
    let request = subject_request(&command.payload).map_or("", |request| &request.0);
    [&command.command_id.0, &command.pool.0, &subject_tenant(command).0, request]
        .iter()
        .all(|id| id.len() <= ID_BYTES_MAX)
}

/// Whose command it is: the tenant that a request is for, otherwise the actor's.
pub(super) fn subject_tenant(command: &Command) -> &TenantId {
    match &command.payload {
        Payload::RequestAllocation(ask) => &ask.tenant,
        Payload::SetQuota(_)
        | Payload::OpenLog(_)
        | Payload::ActivateDecider(_)
        | Payload::ActivateCouncil(_)
        | Payload::Tick
        | Payload::RegisterNode(_)
        | Payload::DrainNode(_)
        | Payload::RemoveNode(_)
        | Payload::SetPoolPolicy(_)
        | Payload::SetFairShare(_)
        | Payload::SetPreemption(_)
        | Payload::TopUpBudget(_)
        | Payload::SetTariff(_)
        | Payload::SetTenantParent(_)
        | Payload::Reserve(_)
        | Payload::CancelReservation(_)
        | Payload::CancelRequest(_)
        | Payload::RenewLease(_)
        | Payload::ShrinkLease(_)
        | Payload::ReleaseLease(_)
        | Payload::ReportNodeHealth(_)
        | Payload::OverrideDecision(_)
        | Payload::Appeal(_) => &command.actor.tenant,
    }
}

/// Which request a command is about; none when it is about no single one.
#[must_use]
pub fn subject_request(payload: &Payload) -> Option<&RequestId> {
    match payload {
        Payload::RequestAllocation(ask) => Some(&ask.request),
        Payload::CancelRequest(cancel) => Some(&cancel.request),
        Payload::RenewLease(renew) => Some(&renew.request),
        Payload::ShrinkLease(shrink) => Some(&shrink.request),
        Payload::ReleaseLease(release) => Some(&release.request),
        Payload::OverrideDecision(order) => Some(&order.request),
        Payload::Appeal(appeal) => Some(&appeal.request),
        Payload::OpenLog(_)
        | Payload::ActivateDecider(_)
        | Payload::ActivateCouncil(_)
        | Payload::Tick
        | Payload::RegisterNode(_)
        | Payload::DrainNode(_)
        | Payload::RemoveNode(_)
        | Payload::SetQuota(_)
        | Payload::SetPoolPolicy(_)
        | Payload::SetFairShare(_)
        | Payload::SetPreemption(_)
        | Payload::TopUpBudget(_)
        | Payload::SetTariff(_)
        | Payload::SetTenantParent(_)
        | Payload::Reserve(_)
        | Payload::CancelReservation(_)
        | Payload::ReportNodeHealth(_) => None,
    }
}

/// Whether a command passes what depends on nothing that other commands of its round change: no
/// other one is asked about, so nobody steps a tenant's state but the tenant.
pub(crate) fn passes(state: &State, input: &Input, command: &Command) -> bool {
    check(state, &input.key, command).is_ok()
}

/// Place, bounds, sender and names, in this order.
pub(super) fn check(state: &State, key: &[u8], command: &Command) -> Result<(), Rejected> {
    check_open(state, &command.payload)?;
    check_place(state, key, command)?;
    is_within_bounds(command, state.decide_version)?;
    check_permission(command)?;
    check_names(state, command)
}

fn check_open(state: &State, payload: &Payload) -> Result<(), Rejected> {
    match (payload, &state.log) {
        (Payload::OpenLog(_), Some(log)) => {
            let detail = format!("this partition belongs to log {} already", log.log_id);
            Err(refuse(Code::LogAlreadyOpen, detail))
        }
        (Payload::OpenLog(_), None) | (_, Some(_)) => Ok(()),
        (_, None) => Err(refuse(Code::LogNotOpen, "send OpenLog first")),
    }
}

fn check_place(state: &State, key: &[u8], command: &Command) -> Result<(), Rejected> {
    let pool = &command.pool;
    if key != pool.0.as_bytes() {
        let key = String::from_utf8_lossy(key);
        let detail = format!("the record's key has to be the pool, '{pool}': it is '{key}'");
        return Err(refuse(Code::WrongKey, detail));
    }
    if command.payload.is_log_command() != pool.0.is_empty() {
        let detail = format!(
            "{} about pool '{pool}': only log commands have an empty pool and key",
            command.payload.name()
        );
        return Err(refuse(Code::WrongKey, detail));
    }
    let Some(log) = state.log.as_ref().filter(|_| !pool.0.is_empty()) else { return Ok(()) };
    let home = home_partition(pool, log.partition_count);
    if home == state.partition {
        return Ok(());
    }
    let detail = format!(
        "pool '{pool}' lives in partition {home}, not {}: let the producer \
        partition by key with murmur2_random",
        state.partition
    );
    Err(refuse(Code::WrongPartition, detail))
}

fn check_permission(command: &Command) -> Result<(), Rejected> {
    let actor = &command.actor;
    let least = super::table::row(&command.payload).least_role;
    if actor.role < least {
        let name = command.payload.name();
        let detail = format!("{name} needs the role {least:?}, and {:?} sent it", actor.role);
        return Err(refuse(Code::NotPermitted, detail));
    }
    if actor.role == Role::Tenant && subject_tenant(command) != &actor.tenant {
        let tenant = subject_tenant(command);
        let detail = format!("'{}' may not ask for '{tenant}'", actor.tenant);
        return Err(refuse(Code::NotPermitted, detail));
    }
    Ok(())
}

/// A pool exists from its first policy, a tenant from its first quota there.
fn check_names(state: &State, command: &Command) -> Result<(), Rejected> {
    let payload = &command.payload;
    if payload.is_log_command() || matches!(payload, Payload::SetPoolPolicy(_)) {
        return Ok(());
    }
    let Some(pool) = state.pools.get(&command.pool) else {
        let detail = format!("pool '{}' has no policy yet: send SetPoolPolicy", command.pool);
        return Err(refuse(Code::UnknownPool, detail));
    };
    let tenant = subject_tenant(command);
    let acts_for_a_tenant =
        matches!(payload, Payload::RequestAllocation(_)) || command.actor.role == Role::Tenant;
    if acts_for_a_tenant && !pool.tenants.contains_key(tenant) {
        let detail = format!("tenant '{tenant}' has no quota in '{}': send SetQuota", command.pool);
        return Err(refuse(Code::UnknownTenant, detail));
    }
    Ok(())
}

/// The answer to a command whose id is remembered: the first decision, or a refusal when the id was
/// used for something else.
pub(super) fn seen_before(
    state: &State,
    command: &Command,
    digests: Remembered,
    now: TimeMs,
) -> Option<Result<Offset, Rejected>> {
    let seen = state.pools.get(&command.pool)?.duplicates.find(digests.id_hash, now)?;
    if seen.digests.payload_hash == digests.payload_hash {
        return Some(Ok(seen.offset));
    }
    let first = seen.offset;
    let detail = format!("the id was used at offset {first} for another command: choose a new one");
    Some(Err(refuse(Code::IdReused, detail)))
}

/// The per-tenant rate limit, on log time.
pub(super) fn check_rate(state: &State, command: &Command, now: TimeMs) -> Result<(), Rejected> {
    let Some(pool) = state.pools.get(&command.pool) else { return Ok(()) };
    let Some(tenant) = pool.tenants.get(subject_tenant(command)) else { return Ok(()) };
    match tenant.rate_wait_ms(now) {
        DurationMs(0) => Ok(()),
        wait => Err(refuse(Code::RateLimited, format!("send it again in {wait} ms"))),
    }
}

/// Whether the rate limit refuses a command, whatever else its round holds: a tenant only pays more
/// by the commands before it.
pub(crate) fn is_too_fast(state: &State, command: &Command, now: TimeMs) -> bool {
    check_rate(state, command, now).is_err()
}

/// The live request that a command names, when its actor may touch it.
pub(super) fn own_request<'a>(
    state: &'a State,
    command: &Command,
    request: &RequestId,
) -> Result<&'a Request, Rejected> {
    let pool: &PoolId = &command.pool;
    let Some(found) = state.pool(pool).request(request) else {
        let detail = format!("no live request '{request}' in '{pool}': it ended or never was");
        return Err(refuse(Code::UnknownRequest, detail));
    };
    let actor = &command.actor;
    if actor.role == Role::Tenant && found.ask.tenant != actor.tenant {
        let detail = format!("request '{request}' is not of tenant '{}'", actor.tenant);
        return Err(refuse(Code::NotPermitted, detail));
    }
    // Its timer may be carried over; that must not lengthen the lease.
    if let Some(lease) = found.lease().filter(|lease| lease.ends_at_ms <= state.time_ms) {
        let detail = format!("the lease of '{request}' ended at {}", lease.ends_at_ms);
        return Err(refuse(Code::UnknownRequest, detail));
    }
    Ok(found)
}
