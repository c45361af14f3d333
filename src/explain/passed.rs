//! Who starts while a request waits, and by which rule: noted grant by grant, without a look at
//! anybody else who waits, so that it costs the same however many do.

use super::history::{PassRule, WentAhead, WentFirst};
use super::report::Moment;
use crate::report::event::Subject;
use crate::report::viewer::{ANOTHER_TENANT, Viewer};
use conclave_core::blocker::Blocker;
use conclave_core::command::RequestAllocation;
use conclave_core::decision::Event;
use conclave_core::fairness::{FairKey, WHOLE_SHARE};
use conclave_core::state::{Amounts, Pool, Request};
use conclave_core::units::{Offset, RequestId, TenantId, TimeMs};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Requests that are named one by one, in an interval and over a whole wait.
const NAMED_MAX: usize = 5;
/// Starts of one request of which each is told.
const STARTS_NAMED_MAX: usize = 3;

/// Those who started during some time.
#[derive(Clone, Debug, Default)]
pub(super) struct Passed {
    starts: usize,
    by_rule: BTreeMap<PassRule, usize>,
    first: Vec<Named>,
}

#[derive(Clone, Debug)]
struct Named {
    start: Start,
    at: Vec<Moment>,
    times: usize,
}

/// Somebody started.
#[derive(Clone, Debug)]
pub(super) struct Start {
    request: RequestId,
    tenant: TenantId,
    rule: PassRule,
    /// By fair share: what the one who started had used for its weight, and what the one who waits.
    uses: Option<(i64, i64)>,
}

/// What has to be remembered between decisions.
#[derive(Clone, Debug, Default)]
pub(super) struct Passing {
    /// Whether the request stands in the queue.
    is_queued: bool,
    /// Requests for whom others' leases were told to end, and who have not started since.
    rooms: BTreeSet<RequestId>,
}

impl Passed {
    pub(super) fn add(&mut self, start: &Start, at: Moment) {
        self.starts += 1;
        *self.by_rule.entry(start.rule).or_default() += 1;
        if let Some(named) = self.first.iter_mut().find(|one| one.start.request == start.request) {
            named.times += 1;
            if named.at.len() < STARTS_NAMED_MAX {
                named.at.push(at);
            }
        } else if self.first.len() < NAMED_MAX {
            self.first.push(Named { start: start.clone(), at: vec![at], times: 1 });
        }
    }

    /// As `viewer` may read it; none when nobody started.
    pub(super) fn shown_to(&self, viewer: &Viewer) -> Option<WentAhead> {
        let counted = self.by_rule.iter().map(|(rule, count)| (rule.as_str().to_owned(), *count));
        (self.starts > 0).then(|| WentAhead {
            starts: self.starts,
            by_rule: counted.collect(),
            first: self.first.iter().map(|named| named.shown_to(viewer)).collect(),
        })
    }
}

impl Named {
    fn shown_to(&self, viewer: &Viewer) -> WentFirst {
        let Start { request, tenant, rule, uses } = &self.start;
        let is_seen = viewer.sees(tenant);
        // What another tenant has used is that tenant's to know.
        let its = uses.map(|(its, _)| its).filter(|_| is_seen);
        WentFirst {
            request: match is_seen {
                true => request.to_string(),
                false => format!("a request of {ANOTHER_TENANT}"),
            },
            tenant: viewer.name_of(tenant),
            rule: *rule,
            at: self.at.clone(),
            times: self.times,
            its_use_per_billion: its,
            own_use_per_billion: uses.map(|(_, own)| own),
        }
    }
}

impl Passing {
    /// Begins to follow a request of `pool`.
    pub(super) fn begin(pool: Option<&Pool>) -> Self {
        let mut rooms = BTreeSet::new();
        if let Some(pool) = pool {
            rooms.extend(pool.preemption.claims.keys().cloned());
            rooms.extend(pool.preemption.served.iter().cloned());
        }
        Self { is_queued: false, rooms }
    }

    /// Whether the request stands in the queue.
    pub(super) fn is_queued(&self) -> bool {
        self.is_queued
    }

    /// Takes note of the events of a decision about the request's pool, in order. Returns whom they
    /// start while it waits. `pool` is what the decision left.
    pub(super) fn see(
        &mut self,
        own: &Own<'_>,
        events: &[&Event],
        pool: &Pool,
        now: TimeMs,
    ) -> Vec<Start> {
        let mut starts = vec![];
        let mut still = StillGranted::of(events, pool);
        for event in events {
            match event {
                Event::LeaseGranted(granted) if granted.request != *own.id => {
                    let had_room_made = self.rooms.remove(&granted.request);
                    if self.is_queued {
                        let order = Order { pool, now, still: &still };
                        starts.extend(order.start(own, &granted.request, had_room_made));
                    }
                }
                Event::PreemptionNoticed(notice) if notice.by != *own.id => {
                    self.rooms.insert(notice.by.clone());
                }
                Event::RequestEnded(ended) if ended.request != *own.id => {
                    self.rooms.remove(&ended.request);
                }
                event if Subject::of(event).request == Some(own.id) => self.note_own(event),
                _ => {}
            }
            still.pass(event, pool);
        }
        starts
    }

    fn note_own(&mut self, event: &Event) {
        match event {
            Event::RequestQueued(_) | Event::LeasePreempted(_) => self.is_queued = true,
            Event::LeaseGranted(_)
            | Event::RequestEnded(_)
            | Event::RequestDeferred(_)
            | Event::DeferralDue(_) => self.is_queued = false,
            _ => {}
        }
    }
}

/// What each tenant is granted by the rest of a decision, where the order of the queue asks for it.
#[derive(Debug)]
struct StillGranted(BTreeMap<TenantId, Amounts>);

impl StillGranted {
    fn of(events: &[&Event], pool: &Pool) -> Self {
        let mut still = Self(BTreeMap::new());
        if pool.half_life_ms.is_some() {
            events.iter().for_each(|event| still.change(event, pool, 1));
        }
        still
    }

    fn pass(&mut self, event: &Event, pool: &Pool) {
        if !self.0.is_empty() {
            self.change(event, pool, -1);
        }
    }

    fn change(&mut self, event: &Event, pool: &Pool, times: i128) {
        let Event::LeaseGranted(granted) = event else { return };
        let Some(request) = pool.request(&granted.request) else { return };
        let replicas = i64::try_from(granted.replicas.len()).expect("a gang is bounded");
        let sum = self.0.entry(request.ask.tenant.clone()).or_default();
        for (sum, more) in sum.0.iter_mut().zip(Amounts::of(&request.ask, replicas).0) {
            *sum += times * more;
        }
    }
}

/// The order of a queue at a grant, told from what its decision left.
#[derive(Debug)]
struct Order<'a> {
    pool: &'a Pool,
    now: TimeMs,
    /// This grant and those after it.
    still: &'a StillGranted,
}

impl Order<'_> {
    /// By which rule `id` starts while `own` waits; none when it wants nothing that `own` could
    /// want, or is gone at the end of the decision.
    fn start(&self, own: &Own<'_>, id: &RequestId, had_room_made: bool) -> Option<Start> {
        let other = self.pool.request(id).filter(|other| share_a_model(own.ask, &other.ask))?;
        let (rule, uses) = match own.blocker {
            _ if had_room_made => (PassRule::RoomMade, None),
            Some(Blocker::BehindProtected { protected }) if protected == id => {
                (PassRule::Protection, None)
            }
            _ => self.rule(own, other),
        };
        let tenant = other.ask.tenant.clone();
        Some(Start { request: id.clone(), tenant, rule, uses })
    }

    fn rule(&self, own: &Own<'_>, other: &Request) -> (PassRule, Option<(i64, i64)>) {
        match other.ask.priority.cmp(&own.ask.priority) {
            Ordering::Greater => return (PassRule::Priority, None),
            Ordering::Less => return (PassRule::Overtaking, None),
            Ordering::Equal => {}
        }
        if self.pool.half_life_ms.is_some() {
            let (its, own) = (self.key(&other.ask.tenant), self.key(&own.ask.tenant));
            match its.cmp(&own) {
                Ordering::Less => {
                    let (its, own) = its.against(&own);
                    return (PassRule::FairShare, Some((billionths(its), billionths(own))));
                }
                Ordering::Greater => return (PassRule::Overtaking, None),
                Ordering::Equal => {}
            }
        }
        let is_earlier = other.arrival < own.arrival;
        (if is_earlier { PassRule::Arrival } else { PassRule::Overtaking }, None)
    }

    /// Where a tenant stood just before the grant, with so much less held as was granted since.
    fn key(&self, name: &TenantId) -> FairKey {
        self.pool.fair_key_without(name, self.now, &self.still.0)
    }
}

/// What was used, in billionths of all of a pool.
pub(super) fn billionths(used: i128) -> i64 {
    i64::try_from(used / (WHOLE_SHARE / 1_000_000_000)).unwrap_or(i64::MAX)
}

/// The request that waits.
#[derive(Debug)]
pub(super) struct Own<'a> {
    pub(super) id: &'a RequestId,
    pub(super) ask: &'a RequestAllocation,
    pub(super) arrival: Offset,
    /// What kept it from running before the decision.
    pub(super) blocker: Option<&'a Blocker>,
}

/// Whether both could want the same GPU; one that wants none could be anywhere.
fn share_a_model(one: &RequestAllocation, other: &RequestAllocation) -> bool {
    let anywhere = |ask: &RequestAllocation| ask.gpu_count == 0 || ask.gpu_models.is_empty();
    anywhere(one)
        || anywhere(other)
        || one.gpu_models.iter().any(|model| other.gpu_models.contains(model))
}
