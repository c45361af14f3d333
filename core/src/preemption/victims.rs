//! Which leases have to end for a request, so that none of them could have stayed.

use crate::command::PreemptionRules;
use crate::decision::PreemptionRight;
use crate::limits::{TIME_MS_MAX, VICTIMS_MAX};
use crate::overtaking::is_guaranteed;
use crate::placement::{GpuSet, Need, Shape};
use crate::queue::preferences;
use crate::state::{Lease, Pool, Request};
use crate::units::{GpuModel, RequestId, TenantId, TimeMs};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A lease that may end for a request.
#[derive(Clone, Debug)]
pub(super) struct Victim<'a> {
    pub(super) request: &'a Request,
    lease: &'a Lease,
    right: PreemptionRight,
}

/// The search for leases to end, in one pool at one moment.
pub(super) struct Victims<'a> {
    pub(super) pool: &'a Pool,
    pub(super) rules: PreemptionRules,
    pub(super) now: TimeMs,
}

/// What is chosen so far, by node and by tenant.
#[derive(Clone, Debug, Default)]
struct Chosen {
    leases: BTreeSet<RequestId>,
    /// By node, what would be given back there.
    given: BTreeMap<usize, Vec<(Need, GpuSet)>>,
    /// By tenant, GPU milli and leases.
    of_tenant: BTreeMap<TenantId, (i64, i64)>,
}

impl<'a> Victims<'a> {
    /// The leases that would have to end for `id`, none of which could be spared; none when there
    /// are not enough.
    pub(super) fn of(&self, id: &RequestId) -> Option<Vec<Victim<'a>>> {
        let by = &self.pool.requests[id];
        let candidates = self.candidates(by);
        if candidates.is_empty() {
            return None;
        }
        let paid = self.pool.affordable(&by.ask, self.now)?;
        preferences(&paid).find_map(|models| {
            let chosen = self.for_models(by, &candidates, models)?;
            self.leaves_promises(by, &chosen).then_some(chosen)
        })
    }

    /// Whoever may be preempted for `by`: the lowest priority first, then the shortest run, so that
    /// least is lost.
    fn candidates(&self, by: &Request) -> Vec<Victim<'a>> {
        let is_covered = is_guaranteed(self.pool, &by.ask);
        let mut all: Vec<_> = self
            .pool
            .requests
            .values()
            .filter_map(|request| self.candidate(by, is_covered, request))
            .collect();
        all.sort_by_key(|victim| {
            let ask = &victim.request.ask;
            let (began, arrival) = (victim.lease.granted_at_ms, victim.request.arrival);
            (ask.priority, Reverse(began), Reverse(arrival))
        });
        all
    }

    fn candidate(&self, by: &Request, is_covered: bool, v: &'a Request) -> Option<Victim<'a>> {
        let lease = v.lease().filter(|lease| lease.notice.is_none())?;
        let is_fair_game = v.ask.preemptible && v.preemptions < self.rules.per_request;
        if !is_fair_game {
            return None;
        }
        let is_higher = by.ask.priority > v.ask.priority;
        let is_own = by.ask.tenant == v.ask.tenant;
        let right = match (is_own, is_covered, is_higher) {
            (false, true, _) => PreemptionRight::Guarantee,
            (_, _, true) => PreemptionRight::Priority,
            (_, _, false) => return None,
        };
        Some(Victim { request: v, lease, right })
    }

    /// Node by node, where fewest have to go for one replica more, until all fit; then whoever can
    /// be spared is.
    fn for_models(
        &self,
        by: &Request,
        candidates: &[Victim<'a>],
        models: &[GpuModel],
    ) -> Option<Vec<Victim<'a>>> {
        let shape = Shape::of(&by.ask, models);
        let fleet = &self.pool.fleet;
        let mut missing = by.ask.replicas - fleet.room_for(&shape);
        if missing <= 0 {
            return None;
        }
        let by_node = self.by_node(candidates, &shape);
        let (mut chosen, mut order) = (Chosen::default(), Vec::new());
        while missing > 0 {
            let (_, next) = by_node
                .iter()
                .filter_map(|(node, sitting)| {
                    self.fewest(by, (*node, missing), sitting, &shape, &chosen)
                })
                .min_by_key(|(cost, _)| *cost)?;
            missing -= self.gain(&next, &shape, &chosen);
            for victim in next {
                self.choose(&mut chosen, &victim);
                order.push(victim);
            }
            if order.len() > VICTIMS_MAX {
                return None;
            }
        }
        Some(self.spare(by, order, &shape))
    }

    /// Candidates by the nodes that could hold `shape` and where a replica of theirs sits.
    fn by_node(
        &self,
        candidates: &[Victim<'a>],
        shape: &Shape,
    ) -> BTreeMap<usize, Vec<Victim<'a>>> {
        let fleet = &self.pool.fleet;
        let mut by_node: BTreeMap<usize, Vec<Victim<'a>>> = BTreeMap::new();
        for victim in candidates {
            let nodes = victim.lease.replicas.iter().filter_map(|at| fleet.index_of(&at.node));
            for node in nodes.collect::<BTreeSet<_>>() {
                let (at, class) = (fleet.node(node), fleet.node(node).class());
                let holds = at.accepts_work()
                    && shape.accepts(fleet.model_of(at))
                    && class.replicas_when_empty(shape) > 0;
                if holds {
                    by_node.entry(node).or_default().push(victim.clone());
                }
            }
        }
        by_node
    }

    /// The fewest of those on `node` without whom one replica more fits there, and what that costs.
    /// Replicas beyond those that are `missing` are worth nothing.
    fn fewest(
        &self,
        by: &Request,
        (node, missing): (usize, i64),
        sitting: &[Victim<'a>],
        shape: &Shape,
        chosen: &Chosen,
    ) -> Option<(Cost, Vec<Victim<'a>>)> {
        let mut by_size = sitting.to_vec();
        by_size.sort_by_key(|victim| Reverse(victim.request.held_gpu_milli()));
        let orders = [sitting.to_vec(), by_size];
        let found = orders.into_iter().filter_map(|order| {
            let some = self.enough(by, node, &order, shape, chosen)?;
            let gain = self.gain(&some, shape, chosen);
            Some((self.cost(node, gain.min(missing), &some), some))
        });
        found.min_by_key(|(cost, _)| *cost)
    }

    /// The first of `order` that make room for one replica more on `node`, without whom of them
    /// could stay.
    fn enough(
        &self,
        by: &Request,
        node: usize,
        order: &[Victim<'a>],
        shape: &Shape,
        chosen: &Chosen,
    ) -> Option<Vec<Victim<'a>>> {
        let room = |chosen: &Chosen| self.room_on(node, shape, chosen);
        let (before, mut with, mut taken) = (room(chosen), chosen.clone(), Vec::new());
        for victim in order {
            if room(&with) > before {
                break;
            }
            if self.may_still_go(by, victim, &with) {
                self.choose(&mut with, victim);
                taken.push(victim.clone());
            }
        }
        if room(&with) <= before {
            return None;
        }
        // The last one made the room; some before it may have gone for nothing.
        Some(self.needed(taken, chosen, |with| room(with) > before))
    }

    /// Whoever can stay while all replicas still fit does, whose work would be lost the most first.
    fn spare(&self, by: &Request, mut order: Vec<Victim<'a>>, shape: &Shape) -> Vec<Victim<'a>> {
        order.sort_by_key(|victim| {
            (Reverse(victim.request.ask.priority), victim.lease.granted_at_ms)
        });
        let fits = |with: &Chosen| self.room(shape, with) >= by.ask.replicas;
        self.needed(order, &Chosen::default(), fits)
    }

    /// Those of `some` without whom it would not be enough, beside those chosen: the first is the
    /// first who may stay.
    fn needed(
        &self,
        mut some: Vec<Victim<'a>>,
        chosen: &Chosen,
        is_enough: impl Fn(&Chosen) -> bool,
    ) -> Vec<Victim<'a>> {
        let mut at = 0;
        while at < some.len() {
            let mut without = chosen.clone();
            let others = some.iter().enumerate().filter(|(other, _)| *other != at);
            others.for_each(|(_, victim)| self.choose(&mut without, victim));
            if is_enough(&without) {
                some.remove(at);
            } else {
                at += 1;
            }
        }
        some
    }

    /// Whether `victim` may go beside those chosen: it is not chosen yet, its tenant's day allows
    /// it, and what its tenant keeps is no less than what it is guaranteed.
    fn may_still_go(&self, by: &Request, victim: &Victim<'_>, chosen: &Chosen) -> bool {
        let ask = &victim.request.ask;
        let tenant = &self.pool.tenants[&ask.tenant];
        let (milli, leases) = chosen.of_tenant.get(&ask.tenant).copied().unwrap_or_default();
        let goes = victim.request.held_gpu_milli().0;
        let keeps = tenant.used_gpu_milli.0 - milli - goes;
        let is_own = ask.tenant == by.ask.tenant;
        !chosen.leases.contains(&ask.request)
            && tenant.preempted.on(self.now) + leases < self.rules.per_tenant_and_day
            && (is_own || goes == 0 || keeps >= tenant.quota.guarantee_gpu_milli.0)
    }

    fn choose(&self, chosen: &mut Chosen, victim: &Victim<'_>) {
        let ask = &victim.request.ask;
        if !chosen.leases.insert(ask.request.clone()) {
            return;
        }
        for at in &victim.lease.replicas {
            let node = self.pool.fleet.index_of(&at.node).expect("a lease sits on a known node");
            chosen.given.entry(node).or_default().push((Need::of(ask), GpuSet::of(&at.gpus)));
        }
        let (milli, leases) = chosen.of_tenant.entry(ask.tenant.clone()).or_default();
        *milli += victim.request.held_gpu_milli().0;
        *leases += 1;
    }

    fn room_on(&self, node: usize, shape: &Shape, chosen: &Chosen) -> i64 {
        let fleet = &self.pool.fleet;
        let given = chosen.given.get(&node).map_or([].as_slice(), Vec::as_slice);
        let at = fleet.node(node);
        if shape.accepts(fleet.model_of(at)) { at.replicas_after(shape, given) } else { 0 }
    }

    /// How many replicas more fit when `more` go beside those chosen.
    fn gain(&self, more: &[Victim<'_>], shape: &Shape, chosen: &Chosen) -> i64 {
        let mut with = chosen.clone();
        more.iter().for_each(|victim| self.choose(&mut with, victim));
        let changed = more.iter().flat_map(|victim| &victim.lease.replicas);
        let nodes: BTreeSet<_> =
            changed.filter_map(|at| self.pool.fleet.index_of(&at.node)).collect();
        let gain =
            |node: &usize| self.room_on(*node, shape, &with) - self.room_on(*node, shape, chosen);
        nodes.iter().map(gain).sum()
    }

    /// How many replicas would fit, all nodes together.
    fn room(&self, shape: &Shape, chosen: &Chosen) -> i64 {
        let fleet = &self.pool.fleet;
        let changed = chosen.given.keys().map(|node| {
            self.room_on(*node, shape, chosen) - self.room_on(*node, shape, &Chosen::default())
        });
        fleet.room_for(shape).saturating_add(changed.sum::<i64>())
    }

    fn cost(&self, node: usize, gain: i64, victims: &[Victim<'_>]) -> Cost {
        let priority = victims.iter().map(|victim| victim.request.ask.priority).max();
        let lost = victims.iter().map(|victim| {
            let milli = i128::from(victim.request.held_gpu_milli().0);
            milli * i128::from(victim.lease.held_until(self.now).0)
        });
        let (count, gain) = (victims.len(), Reverse(gain));
        Cost { count, gain, priority, lost: lost.sum(), node }
    }

    /// Whether, once they are gone, nothing that is promised to others is granted with it.
    fn leaves_promises(&self, by: &Request, victims: &[Victim<'_>]) -> bool {
        let (pool, ask) = (self.pool, &by.ask);
        let milli = |victim: &Victim<'_>| victim.request.held_gpu_milli().0;
        let own = victims.iter().filter(|victim| victim.request.ask.tenant == ask.tenant);
        let tenant = &pool.tenants[&ask.tenant];
        let used = tenant.used_gpu_milli.0 - own.map(milli).sum::<i64>();
        let unused = (tenant.quota.guarantee_gpu_milli.0 - used).max(0);
        let free = pool.free_gpu_milli().0 + victims.iter().map(milli).sum::<i64>();
        let wanted = ask.total_gpu_milli().0;
        wanted <= unused || wanted <= free - pool.held_for_others(&ask.tenant).0
    }

    /// When all of them end: each has had its minimum and its grace by then.
    pub(super) fn end(&self, victims: &[Victim<'_>]) -> TimeMs {
        let of = |victim: &Victim<'_>| {
            let ran = victim.lease.granted_at_ms.plus(self.rules.min_run_ms);
            ran.max(self.now.plus(self.rules.grace_ms))
        };
        victims.iter().map(of).max().unwrap_or(self.now).min(TIME_MS_MAX)
    }

    /// Whose lease ends by which right, and when: no later than by itself.
    pub(super) fn notice(
        &self,
        victim: &Victim<'_>,
        at: TimeMs,
    ) -> (RequestId, PreemptionRight, TimeMs) {
        let request = victim.request.ask.request.clone();
        (request, victim.right, at.min(victim.lease.ends_at_ms))
    }
}

/// What it costs to have some leases end: less is better, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    count: usize,
    /// How many replicas more fit then.
    gain: Reverse<i64>,
    /// The highest of their priorities.
    priority: Option<i64>,
    /// GPU milli times milliseconds of their runs.
    lost: i128,
    node: usize,
}
