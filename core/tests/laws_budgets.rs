//! Budgets: what leases reserve is what the log says, and no grant takes more than is left.

mod common;

use common::{Stream, config, streams, streams_of_budgets, walk};
use conclave_core::budget::GPU_HOUR;
use conclave_core::command::TariffSpan;
use conclave_core::decision::{
    BudgetToppedUp, Decision, Event, LeaseEnded, LeaseGranted, LeasePreempted, LeaseRenewed,
    LeaseShrunk, PreemptionNoticed,
};
use conclave_core::state::budget::BudgetWindow;
use conclave_core::state::{State, TimerKind};
use conclave_core::units::{GpuModel, NodeId, PoolId, RequestId, TenantId};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;

/// GPU time that somebody is to pay for: so many GPU milli from one time to another, at the sum of
/// milli times price.
#[derive(Clone, Copy, Debug)]
struct Piece {
    from: i64,
    until: i64,
    milli: i64,
    cost: i128,
}

/// A live lease as the decisions tell of it.
struct Held {
    tenant: TenantId,
    milli_each: i64,
    prices: Vec<i128>,
    from: i64,
    until: i64,
}

/// A tenant's budget as the decisions tell of it, from when its windows were last set.
#[derive(Default)]
struct Told {
    gpu_hours: i64,
    width: i64,
    /// What ended leases, and parts of them, have held since.
    pieces: Vec<Piece>,
    /// By window.
    top_ups: BTreeMap<i64, i64>,
}

type Name = (PoolId, TenantId);

/// A log as far as budgets go.
#[derive(Default)]
struct Books {
    prices: BTreeMap<PoolId, BTreeMap<GpuModel, i128>>,
    tariffs: BTreeMap<PoolId, Vec<TariffSpan>>,
    models: BTreeMap<(PoolId, NodeId), GpuModel>,
    asked: BTreeMap<(PoolId, RequestId), (TenantId, i64)>,
    leases: BTreeMap<(PoolId, RequestId), Held>,
    budgets: BTreeMap<Name, Told>,
}

impl Held {
    fn part(&self, first: usize, count: usize, until: i64) -> Piece {
        let prices = self.prices.iter().skip(first).take(count);
        let milli = i64::try_from(count).expect("a gang is bounded") * self.milli_each;
        let cost = prices.sum::<i128>() * i128::from(self.milli_each);
        Piece { from: self.from, until, milli, cost }
    }
}

impl Books {
    fn read(&mut self, decision: &Decision, event: &Event) {
        let now = decision.time_ms.0;
        match event {
            Event::NodeRegistered(joined) => {
                let name = (joined.pool.clone(), joined.node.node.clone());
                self.models.insert(name, joined.node.gpu_model.clone());
            }
            Event::PoolPolicySet(set) => {
                let prices = set.policy.prices.iter();
                let prices = prices
                    .map(|price| (price.gpu_model.clone(), i128::from(price.micro_usd_per_hour.0)));
                self.prices.insert(set.pool.clone(), prices.collect());
            }
            Event::TariffSet(set) => {
                self.tariffs.insert(set.pool.clone(), set.tariff.spans.clone());
            }
            Event::QuotaSet(set) => {
                let name = (set.pool.clone(), set.quota.tenant.clone());
                let Some(gpu_hours) = set.quota.gpu_hour_budget else {
                    self.budgets.remove(&name);
                    return;
                };
                let width = set.quota.budget_window_ms.0;
                let told = self.budgets.entry(name).or_default();
                if told.width != width {
                    *told = Told { width, ..Told::default() };
                }
                told.gpu_hours = gpu_hours;
            }
            Event::BudgetToppedUp(BudgetToppedUp {
                pool,
                tenant,
                gpu_hours,
                window_start_ms,
                ..
            }) => {
                let told = self.budgets.get_mut(&(pool.clone(), tenant.clone()));
                let told = told.expect("a budget is topped up");
                let index = window_start_ms.0 / told.width;
                assert_eq!(index * told.width, window_start_ms.0, "a window begins there");
                *told.top_ups.entry(index).or_default() += gpu_hours;
            }
            Event::RequestAdmitted(admitted) => {
                let ask = &admitted.request;
                let name = (admitted.pool.clone(), ask.request.clone());
                self.asked.insert(name, (ask.tenant.clone(), ask.gpu_count * ask.gpu_milli.0));
            }
            Event::LeaseGranted(granted) => self.grant(granted, now),
            Event::LeaseRenewed(LeaseRenewed { pool, request, ends_at_ms, .. }) => {
                let lease = self.leases.get_mut(&(pool.clone(), request.clone()));
                lease.expect("a live lease").until = ends_at_ms.0;
            }
            Event::PreemptionNoticed(PreemptionNoticed { pool, request, ends_at_ms, .. }) => {
                let lease = self.leases.get_mut(&(pool.clone(), request.clone()));
                lease.expect("a live lease").until = ends_at_ms.0;
            }
            Event::LeasePreempted(LeasePreempted { pool, request, .. }) => {
                self.give_back(pool, request, 0, now);
                self.leases.remove(&(pool.clone(), request.clone()));
            }
            Event::LeaseShrunk(LeaseShrunk { pool, request, replicas, .. }) => {
                let keep = usize::try_from(*replicas).expect("replicas are counted");
                self.give_back(pool, request, keep, now);
            }
            Event::LeaseEnded(LeaseEnded { pool, request, .. }) => {
                self.give_back(pool, request, 0, now);
                self.leases.remove(&(pool.clone(), request.clone()));
            }
            _ => {}
        }
    }

    fn grant(&mut self, granted: &LeaseGranted, now: i64) {
        let name = (granted.pool.clone(), granted.request.clone());
        let (tenant, milli_each) = self.asked[&name].clone();
        let price = |node: &NodeId| {
            let model = &self.models[&(granted.pool.clone(), node.clone())];
            let minute = now / 60_000 % 1_440;
            let is_now = |span: &&TariffSpan| {
                span.gpu_model == *model && span.from_minute <= minute && minute < span.until_minute
            };
            let mut spans = self.tariffs.get(&granted.pool).into_iter().flatten();
            if let Some(span) = spans.find(is_now) {
                return i128::from(span.micro_usd_per_hour.0);
            }
            self.prices[&granted.pool].get(model).copied().unwrap_or(0)
        };
        let prices = granted.replicas.iter().map(|replica| price(&replica.node)).collect();
        let until = granted.ends_at_ms.0;
        self.leases.insert(name, Held { tenant, milli_each, prices, from: now, until });
    }

    fn give_back(&mut self, pool: &PoolId, request: &RequestId, keep: usize, now: i64) {
        let lease = self.leases.get_mut(&(pool.clone(), request.clone())).expect("a live lease");
        let gone = lease.prices.len() - keep;
        let piece = lease.part(keep, gone, now.min(lease.until));
        lease.prices.truncate(keep);
        if let Some(told) = self.budgets.get_mut(&(pool.clone(), lease.tenant.clone())) {
            told.pieces.push(piece);
        }
    }

    /// GPU milli times milliseconds, and cost, of a window of a tenant.
    fn window(&self, name: &Name, index: i64) -> (i128, i128) {
        let told = &self.budgets[name];
        let live = self
            .leases
            .iter()
            .filter(|((pool, _), lease)| (pool, &lease.tenant) == (&name.0, &name.1));
        let live = live.map(|(_, lease)| lease.part(0, lease.prices.len(), lease.until));
        let (start, end) = (index * told.width, (index + 1) * told.width);
        let all = told.pieces.iter().copied().chain(live);
        all.fold((0, 0), |(reserved, cost), piece| {
            let ms = i128::from((piece.until.min(end) - piece.from.max(start)).max(0));
            (reserved + i128::from(piece.milli) * ms, cost + piece.cost * ms)
        })
    }
}

/// The windows that are kept say what the books do; those that are not have nothing.
fn compare(state: &State, books: &Books) {
    let now = state.time_ms.0;
    for (id, pool) in &state.pools {
        for (tenant, told) in &pool.tenants {
            let name = (id.clone(), tenant.clone());
            let Some(allowance) = told.allowance() else {
                assert!(!books.budgets.contains_key(&name), "{name:?} has lost its budget");
                continue;
            };
            let own = &books.budgets[&name];
            assert_eq!((allowance.gpu_hours, allowance.width.0), (own.gpu_hours, own.width));
            let current = now / own.width;
            let kept = allowance.budget.windows().keys().copied();
            let live = books.leases.values().map(|lease| lease.until / own.width);
            for index in kept.chain(live).chain([current, current + 1]) {
                if index < current {
                    continue;
                }
                let window = allowance.budget.window(index);
                let (reserved, cost) = books.window(&name, index);
                assert_eq!((window.reserved, window.cost), (reserved, cost), "{name:?}: {index}");
                let more = own.top_ups.get(&index).copied().unwrap_or(0);
                assert_eq!(window.top_up_gpu_hours, more, "{name:?}: {index}");
                let allowed = (i128::from(own.gpu_hours) + i128::from(more)) * GPU_HOUR;
                assert_eq!(allowance.left(index), (allowed - reserved).max(0));
            }
        }
    }
}

fn any_streams() -> impl Strategy<Value = Stream> {
    prop_oneof![streams(), streams_of_budgets()]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_reserved_is_what_the_log_says(stream in any_streams()) {
        let mut world = stream.begin();
        let mut books = Books::default();
        let mut read = 0;
        for step in &stream.steps {
            world.step(step);
            for decision in &world.decisions[read..] {
                decision.events.iter().for_each(|event| books.read(decision, event));
            }
            read = world.decisions.len();
            compare(&world.state, &books);
        }
    }

    /// Neither a grant nor a renewal: whatever is over a budget was so before it was set.
    #[test]
    fn nothing_is_added_to_a_window_that_has_no_room_for_it(stream in any_streams()) {
        let world = stream.run();
        let mut books = Books::default();
        let mut read = 0;
        walk(&world.decisions, 0, |state, decision, event| {
            read += 1;
            let (pool, request) = match event {
                Event::LeaseGranted(granted) => (&granted.pool, &granted.request),
                Event::LeaseRenewed(renewed) => (&renewed.pool, &renewed.request),
                _ => return books.read(decision, event),
            };
            let tenant = state.pools[pool].requests[request].ask.tenant.clone();
            let name = (pool.clone(), tenant);
            let windows = |books: &Books| -> Vec<i128> {
                let Some(told) = books.budgets.get(&name) else { return vec![] };
                let current = decision.time_ms.0 / told.width;
                (current..current + 401).map(|index| books.window(&name, index).0).collect()
            };
            let before = windows(&books);
            books.read(decision, event);
            let Some(told) = books.budgets.get(&name) else { return };
            let current = decision.time_ms.0 / told.width;
            for ((before, after), index) in before.iter().zip(windows(&books)).zip(current..) {
                let more = told.top_ups.get(&index).copied().unwrap_or(0);
                let allowed = i128::from(told.gpu_hours + more) * GPU_HOUR;
                let is_over = after > *before && after > allowed;
                assert!(!is_over, "{event:?} brings window {index} to {after} of {allowed}");
            }
        });
        assert!(read > 0);
    }

    /// And at most one such timer per pool.
    #[test]
    fn a_timer_for_budgets_is_set_only_where_one_is_kept(stream in streams()) {
        let world = stream.run();
        let mut pools = std::collections::BTreeSet::new();
        for timer in &world.state.timers {
            if timer.kind == TimerKind::BudgetFits {
                prop_assert!(pools.insert(&timer.pool), "{:?} is the second one", timer);
                prop_assert_eq!(world.state.pools[&timer.pool].budget_look_ms, Some(timer.at_ms));
            }
        }
    }
}

/// Streams enough for everything about budgets to happen; the same ones each time.
const STREAMS: usize = 300;

#[test]
fn the_streams_have_everything_that_these_laws_are_about() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..STREAMS {
        let stream =
            streams_of_budgets().new_tree(&mut runner).expect("every stream will do").current();
        let world = stream.run();
        walk(&world.decisions, world.begun, |state, decision, event| {
            let mut note = |what| *seen.entry(what).or_default() += 1;
            let allowance = |pool: &PoolId, request: &RequestId| {
                let pool = &state.pools[pool];
                pool.tenants[&pool.requests[request].ask.tenant].allowance()
            };
            match event {
                Event::BudgetAwaited(awaited) => match awaited.until_ms {
                    Some(until) if until.0 % 60_000 == 0 => note("a boundary is awaited"),
                    Some(_) => note("the middle of a window is awaited"),
                    None if decision.kind == "Tick" => note("a tick finds what was awaited"),
                    None => note("somebody finds what was awaited"),
                },
                Event::LeaseGranted(granted) => {
                    let own = &granted.request;
                    let Some(allowance) = allowance(&granted.pool, own) else { return };
                    let ends = granted.ends_at_ms.0 / allowance.width.0;
                    let is_own = decision.request == *own;
                    note(if is_own { "a newcomer fits" } else { "a waiter fits" });
                    if ends > decision.time_ms.0 / allowance.width.0 {
                        note("a lease touches several windows");
                    }
                }
                Event::LeaseRenewed(renewed) => {
                    let (pool, own) = (&renewed.pool, &renewed.request);
                    if allowance(pool, own).is_none() {
                        return;
                    }
                    let before = state.pools[pool].requests[own].lease().expect("it runs");
                    let is_later = renewed.ends_at_ms > before.ends_at_ms;
                    note(if is_later { "an end moves back" } else { "an end moves forth" });
                }
                Event::LeaseShrunk(shrunk)
                    if allowance(&shrunk.pool, &shrunk.request).is_some() =>
                {
                    note("a part is given back");
                }
                _ => {}
            }
        });
        for pool in world.state.pools.values() {
            for tenant in pool.tenants.values() {
                let Some(allowance) = tenant.allowance() else { continue };
                let over = |window: &BudgetWindow| window.reserved > allowance.allowed(window);
                if allowance.budget.windows().values().any(over) {
                    *seen.entry("a budget is lowered under what is reserved").or_default() += 1;
                }
                if allowance.budget.windows().values().any(|window| window.cost > 0) {
                    *seen.entry("a window costs money").or_default() += 1;
                }
            }
        }
    }
    assert_eq!(seen.len(), 12, "{seen:#?}");
}
