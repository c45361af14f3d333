//! Requests that wait for capacity, grouped so that one answer serves all that are alike.
//!
//! The order is the pool's ([`Pool::in_order`](crate::state::Pool::in_order)). Requests of one
//! group differ in arrival only, and in how long their work takes where neither a budget nor a cap
//! counts that: when the first of a group cannot start, none of the others can, unless it is for
//! the length of its lease.

use super::waiters::Waiters;
use crate::command::{RequestAllocation, Topology};
use crate::state::{Pool, Request};
use crate::units::{
    CpuMilli, DurationMs, GpuMilli, GpuModel, MemoryMib, MicroUsd, Offset, RequestId, TenantId,
    TimeMs,
};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All waiting requests of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "QueueImage")]
pub struct Queue {
    #[serde(with = "group_map")]
    groups: BTreeMap<Arc<Group>, Waiters>,
    count: i64,
    /// When they joined the queue, all groups together: it follows from the groups.
    #[serde(skip)]
    joined: BTreeSet<(TimeMs, Offset)>,
}

/// What of a queue is stored.
#[derive(Deserialize)]
struct QueueImage {
    #[serde(with = "group_map")]
    groups: BTreeMap<Arc<Group>, Waiters>,
    count: i64,
}

impl From<QueueImage> for Queue {
    fn from(QueueImage { groups, count }: QueueImage) -> Self {
        let all = groups.values().flat_map(|waiters| waiters.iter());
        let joined = all.map(|(arrival, waiter)| (waiter.since_ms, *arrival)).collect();
        Self { groups, count, joined }
    }
}

/// What waiting requests have in common when one answer serves them all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Group {
    /// Higher priorities come first.
    pub priority: Reverse<i64>,
    /// Whose quota pays.
    pub tenant: TenantId,
    /// Part of the class of a request.
    pub preemptible: bool,
    /// How often it was preempted by others: whoever may not be any more borrows nothing.
    pub preemptions: i64,
    /// What each replica needs, and how many of them.
    pub need: GangNeed,
    /// What money and budgets make of it; none while neither limits it.
    pub terms: Option<Terms>,
}

/// What a budget, or a request's own cap, is asked about besides its need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Terms {
    /// How long the work should take.
    pub expected_duration_ms: DurationMs,
    /// Most it may cost.
    pub budget_cap_micro_usd: Option<MicroUsd>,
}

/// What a gang needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GangNeed {
    /// Replicas of the gang.
    pub replicas: i64,
    /// GPUs per replica.
    pub gpu_count: i64,
    /// Milli of each GPU.
    pub gpu_milli: GpuMilli,
    /// CPU per replica.
    pub cpu_milli: CpuMilli,
    /// Memory per replica.
    pub memory_mib: MemoryMib,
    /// Acceptable models, preferred first; empty is any.
    pub gpu_models: Vec<GpuModel>,
    /// Where the replicas have to sit; `None` for a single one.
    pub topology: Topology,
}

/// One waiting request within its group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Waiter {
    /// Which request.
    pub request: RequestId,
    /// Since when it waits for capacity.
    pub since_ms: TimeMs,
    /// How long its work should take.
    pub expected_duration_ms: DurationMs,
}

impl Waiter {
    /// A request that waits since `since_ms`.
    #[must_use]
    pub fn of(ask: &RequestAllocation, since_ms: TimeMs) -> Self {
        let expected_duration_ms = ask.expected_duration_ms;
        Self { request: ask.request.clone(), since_ms, expected_duration_ms }
    }
}

impl Group {
    /// The group of a request whose tenant has a budget, or has none.
    #[must_use]
    pub fn of(request: &Request, has_budget: bool) -> Self {
        let (ask, preemptions) = (&request.ask, request.preemptions_by_others());
        let cap = ask.budget_cap_micro_usd;
        let is_limited = ask.gpu_count > 0 && (has_budget || cap.is_some());
        Self {
            priority: Reverse(ask.priority),
            tenant: ask.tenant.clone(),
            preemptible: ask.preemptible,
            preemptions,
            need: GangNeed {
                replicas: ask.replicas,
                gpu_count: ask.gpu_count,
                gpu_milli: ask.gpu_milli,
                cpu_milli: ask.cpu_milli,
                memory_mib: ask.memory_mib,
                gpu_models: ask.gpu_models.clone(),
                topology: ask.topology.of_gang(ask.replicas),
            },
            terms: is_limited.then_some(Terms {
                expected_duration_ms: ask.expected_duration_ms,
                budget_cap_micro_usd: cap,
            }),
        }
    }
}

impl Pool {
    /// Whoever of a group arrived at an offset.
    ///
    /// # Panics
    /// When nobody did who waits.
    pub(crate) fn waiter(&self, group: &Group, arrival: Offset) -> &Request {
        &self.requests[&self.queue.groups[group][&arrival].request]
    }

    /// The group that a request of this pool waits in.
    ///
    /// # Panics
    /// When its tenant has no quota: decide has checked it.
    #[must_use]
    pub fn group_of(&self, request: &Request) -> Group {
        Group::of(request, self.tenants[&request.ask.tenant].budget.is_some())
    }
}

impl GangNeed {
    /// GPUs of the whole gang.
    #[must_use]
    pub fn total_gpu_milli(&self) -> GpuMilli {
        GpuMilli(self.replicas * self.gpu_count * self.gpu_milli.0)
    }

    /// Whether wherever this fits, `other` fits too.
    #[must_use]
    pub fn is_no_easier_than(&self, other: &Self) -> bool {
        let takes_no_more = other.replicas <= self.replicas
            && other.gpu_count <= self.gpu_count
            && other.gpu_milli <= self.gpu_milli
            && other.cpu_milli <= self.cpu_milli
            && other.memory_mib <= self.memory_mib
            && (other.topology == Topology::None || other.topology == self.topology);
        takes_no_more
            && (other.shares_with_everybody()
                || (!self.shares_with_everybody()
                    && self.gpu_models.iter().all(|model| other.gpu_models.contains(model))))
    }

    /// Whether it accepts any model, or only wants CPU, of which every node has some.
    #[must_use]
    pub fn shares_with_everybody(&self) -> bool {
        self.gpu_count == 0 || self.gpu_models.is_empty()
    }

    /// Whether both could want the same GPU.
    #[must_use]
    pub fn shares_a_model_with(&self, other: &Self) -> bool {
        self.shares_with_everybody()
            || other.shares_with_everybody()
            || self.gpu_models.iter().any(|model| other.gpu_models.contains(model))
    }
}

impl Queue {
    /// How many wait.
    #[must_use]
    pub fn len(&self) -> i64 {
        self.count
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// When the first of them joined the queue.
    pub(crate) fn first_joined(&self) -> Option<TimeMs> {
        self.joined.first().map(|(since_ms, _)| *since_ms)
    }

    /// The groups, each with its waiters in order of arrival; never an empty one.
    #[must_use]
    pub fn groups(&self) -> &BTreeMap<Arc<Group>, Waiters> {
        &self.groups
    }

    /// Whether somebody of a group who arrived at an offset waits.
    pub(crate) fn holds(&self, group: &Group, arrival: Offset) -> bool {
        self.groups.get(group).is_some_and(|waiters| waiters.contains_key(&arrival))
    }

    /// Adds a request at the place that its arrival gives it.
    pub(crate) fn join(&mut self, group: Group, arrival: Offset, waiter: Waiter) {
        self.joined.insert((waiter.since_ms, arrival));
        // Most join a group that is there.
        let previous = match self.groups.get_mut(&group) {
            Some(waiters) => waiters.insert(arrival, waiter),
            None => self.groups.entry(Arc::new(group)).or_default().insert(arrival, waiter),
        };
        assert!(previous.is_none(), "two requests arrived at offset {arrival}: {previous:?}");
        self.count += 1;
    }

    /// Takes out all requests of a tenant.
    pub(crate) fn take_all(&mut self, tenant: &TenantId) -> Vec<(Offset, Waiter)> {
        let of_tenant = |group: &Arc<Group>| group.tenant == *tenant;
        let groups: Vec<_> = self.groups.keys().filter(|group| of_tenant(group)).cloned().collect();
        let mut all = Vec::new();
        for group in groups {
            all.extend(self.groups.remove(&group).into_iter().flat_map(Waiters::into_map));
        }
        for (arrival, waiter) in &all {
            self.joined.remove(&(waiter.since_ms, *arrival));
        }
        self.count -= i64::try_from(all.len()).expect("a queue is bounded");
        all
    }

    /// Takes a request out.
    pub(crate) fn leave(&mut self, group: &Group, arrival: Offset) {
        let waiters = self.groups.get_mut(group).expect("a waiting request has a group");
        let waiter = waiters.remove(arrival);
        let waiter = waiter.unwrap_or_else(|| panic!("nobody of {arrival} waits in {group:?}"));
        if waiters.is_empty() {
            self.groups.remove(group);
        }
        self.joined.remove(&(waiter.since_ms, arrival));
        self.count -= 1;
    }
}

/// Groups are shared with whoever goes through the queue, and stored as what they are.
mod group_map {
    use super::{Group, Waiters};
    use serde::{Deserialize, Deserializer, Serializer};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    type Groups = BTreeMap<Arc<Group>, Waiters>;

    pub(super) fn serialize<S: Serializer>(
        groups: &Groups,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(groups.iter().map(|(group, waiters)| (&**group, waiters)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Groups, D::Error> {
        let groups = BTreeMap::<Group, Waiters>::deserialize(deserializer)?;
        Ok(groups.into_iter().map(|(group, waiters)| (Arc::new(group), waiters)).collect())
    }
}
