//! Who started before a request and by which rule, and who made room for whom: what is said is
//! what happened, and nothing of another tenant.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "../core/tests/common/mod.rs"]
mod common;
#[path = "../core/tests/story/send.rs"]
#[allow(dead_code, reason = "this file uses a part of the vocabulary")]
mod words;

use common::{config, streams_of_rules};
use conclave::engine::Engine;
use conclave::explain::history::PassRule;
use conclave::explain::{ExplainReport, Follower, explain, explain_at, text};
use conclave::log::memory::MemoryLog;
use conclave::log::{CommandRecord, Headers};
use conclave::report::event::Subject;
use conclave::report::viewer::Viewer;
use conclave::wire::encode_command;
use conclave_core::command::{Actor, Command, Payload, Role};
use conclave_core::decision::{Decision, Event};
use conclave_core::seat::RuleSeat;
use conclave_core::state::{Pool, State};
use conclave_core::units::{PoolId, RequestId, TenantId, TimeMs};
use proptest::prelude::*;
use std::collections::BTreeMap;

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

struct Told {
    engine: Engine<MemoryLog, RuleSeat>,
    sent: usize,
}

impl Told {
    /// One node of two GPUs; tenants `a` and `b` may hold all of it.
    fn new(rules: impl IntoIterator<Item = Payload>) -> Self {
        let (engine, _) = Engine::open(MemoryLog::new(), RuleSeat, 1_000_000).unwrap();
        let mut told = Self { engine, sent: 0 };
        told.send(0, "", words::open_log());
        told.send(0, "", words::activate(3));
        told.send(0, "p", words::set(words::policy()));
        for payload in rules {
            told.send(0, "p", payload);
        }
        told.send(0, "p", words::node("n1", 2, "A100"));
        told.send(0, "p", words::quota("a", 0, 9));
        told.send(0, "p", words::quota("b", 0, 9));
        told
    }

    fn send(&mut self, at_ms: i64, pool: &str, payload: impl Into<Payload>) {
        self.sent += 1;
        let actor =
            Actor { tenant: TenantId::default(), user: "op".into(), role: Role::Administrator };
        let command = Command {
            command_id: format!("c{}", self.sent).into(),
            pool: pool.into(),
            actor,
            submitted_at_ms: TimeMs(0),
            payload: payload.into(),
        };
        let record = CommandRecord {
            time_ms: TimeMs(at_ms),
            key: pool.as_bytes().to_vec(),
            value: encode_command(&command),
            headers: Headers::default(),
        };
        self.engine.accept(&[record]).unwrap();
        self.engine.run_to_end(|_| {}).unwrap();
    }

    fn release(&mut self, at_ms: i64, request: &str) {
        let pool = &self.engine.folded().state.pools["p"];
        let fencing = pool.requests[request].lease().unwrap().fencing.0;
        self.send(at_ms, "p", words::release(request, fencing));
    }

    fn explain(&self, request: &str, viewer: &Viewer) -> ExplainReport {
        let pool = PoolId::from("p");
        explain_at(self.engine.log(), Some(&pool), &request.into(), None, viewer).unwrap()
    }

    #[track_caller]
    fn check(&self, request: &str, says: &[&str]) -> ExplainReport {
        let report = self.explain(request, &Viewer::Everything);
        let json = serde_json::to_string(&report).unwrap();
        let read: ExplainReport = serde_json::from_str(&json).unwrap();
        assert_eq!(read, report);
        let told = text(&read);
        for line in says {
            assert!(told.contains(line), "'{line}' is missing in\n{told}");
        }
        report
    }
}

#[test]
fn who_went_ahead_is_counted_by_rule_and_named_with_the_decision() {
    let mut told = Told::new([]);
    told.send(0, "p", words::ask("b-0", "b").gpus(2).hours(9));
    told.send(MINUTE, "p", words::ask("b-1", "b").gpus(1).hours(9));
    told.send(2 * MINUTE, "p", words::ask("a-1", "a").gpus(2).hours(1));
    told.send(3 * MINUTE, "p", words::ask("b-2", "b").gpus(2).priority(9).hours(1));
    told.send(4 * MINUTE, "p", words::ask("b-3", "b").gpus(1).priority(1).hours(1));
    told.send(5 * MINUTE, "p", words::ask("b-4", "b").gpus(1).on(&["T4"]).hours(1));
    told.release(20 * MINUTE, "b-0");
    told.release(21 * MINUTE, "b-2");
    let report = told.check(
        "a-1",
        &["behind 3 starts: 1 by earlier arrival, 1 by fitting where it could not, 1 by priority \
           (b-2 at 12; b-1 at 13; b-3 at 13)"],
    );
    let all = report.went_ahead.unwrap();
    assert_eq!(all.starts, 3);
    assert_eq!(report.waited.len(), 1);
    assert_eq!(report.waited[0].went_ahead.as_ref(), Some(&all));
    assert_eq!(all.first[0].at[0].time_ms, 20 * MINUTE);
    let hidden = told.explain("a-1", &Viewer::Tenant("a".into()));
    let json = serde_json::to_string(&hidden).unwrap();
    assert!(!json.contains("b-"), "{json}");
    assert_eq!(hidden.went_ahead.unwrap().by_rule, all.by_rule, "counts are for everybody");
}

#[test]
fn a_fair_share_is_told_with_both_keys() {
    let mut told = Told::new([words::fair_share(Some(HOUR))]);
    told.send(0, "p", words::ask("a-0", "a").gpus(2).hours(9));
    told.send(MINUTE, "p", words::ask("a-1", "a").gpus(2).hours(1));
    told.send(2 * MINUTE, "p", words::ask("b-1", "b").gpus(2).hours(1));
    told.release(HOUR, "a-0");
    let report = told.check(
        "a-1",
        &["behind 1 start: 1 by fair share (b-1 at 10, its tenant at 0.0000 % to 25.0000 %)"],
    );
    let first = &report.went_ahead.unwrap().first[0];
    assert_eq!((first.rule, first.its_use_per_billion), (PassRule::FairShare, Some(0)));
    // An hour of all of it, halved at the window's end; another half would have been held on.
    assert_eq!(first.own_use_per_billion, Some(250_000_000));
    let hidden = told.explain("a-1", &Viewer::Tenant("a".into()));
    let first = &hidden.went_ahead.unwrap().first[0];
    assert_eq!((first.its_use_per_billion, first.own_use_per_billion), (None, Some(250_000_000)));
}

#[test]
fn whoever_is_protected_goes_ahead_by_that() {
    let mut told = Told::new([]);
    told.send(0, "p", words::ask("b-0", "b").gpus(1).hours(9));
    told.send(0, "p", words::ask("b-x", "b").gpus(1).hours(9));
    told.send(MINUTE, "p", words::ask("b-1", "b").gpus(2).priority(1).hours(1));
    told.send(90 * MINUTE, "p", words::ask("a-1", "a").gpus(1).priority(9).hours(20));
    told.release(2 * HOUR, "b-0");
    told.release(3 * HOUR, "b-x");
    let wanted = "behind 1 start: 1 by protection (b-1 at 11)";
    let report = told.check("a-1", &["b-1 came before it", wanted, "in all behind"]);
    let ahead: Vec<_> = report.waited.iter().map(|one| one.went_ahead.is_some()).collect();
    assert_eq!(ahead.iter().filter(|went| **went).count(), 1, "in one interval: {ahead:?}");
}

#[test]
fn who_preempted_whom_is_told_to_both() {
    let mut told = Told::new([words::preemption(0, 2 * MINUTE, 3)]);
    let low = words::ask("a-low", "a").gpus(2).priority(2).preemptible().hours(9);
    told.send(0, "p", low);
    told.send(MINUTE, "p", words::ask("a-next", "a").gpus(1).priority(2).hours(1));
    told.send(2 * MINUTE, "p", words::ask("b-high", "b").gpus(2).priority(8).hours(1));
    let told_of = "made room for b-high of b by priority: told at decision 9, ";
    told.check("a-low", &[told_of, "; ends at "]);
    told.send(10 * MINUTE, "", Payload::Tick);
    let report = told.check("a-low", &[told_of, "; preempted at decision ", "waits again since"]);
    let [room] = &report.preempted[..] else { panic!("{:?}", report.preempted) };
    assert_eq!((room.noticed.offset, room.ends_at_ms), (9, 4 * MINUTE));
    assert_eq!((room.by.as_str(), room.right.as_str()), ("b-high", "priority"));
    assert_eq!((room.ended, room.how.as_deref()), (room.waits_again, Some("preempted")));
    let report = told.check("b-high", &["had a-low of a make room by priority: told at decision"]);
    assert_eq!(report.made_room.len(), 1);
    told.check("a-next", &["behind 1 start: 1 by room made for it (b-high at "]);
    let own = told.explain("a-low", &Viewer::Tenant("a".into()));
    assert_eq!(own.preempted[0].by, "a request of another tenant");
    assert!(!serde_json::to_string(&own).unwrap().contains("b-high"));
    let other = told.explain("b-high", &Viewer::Tenant("b".into()));
    assert_eq!(other.made_room[0].request, "a request of another tenant");
    assert!(!serde_json::to_string(&other).unwrap().contains("a-low"));
}

/// Whether a request stands in the queue.
fn waits(state: &State, pool: &PoolId, id: &RequestId) -> bool {
    let request = state.pools.get(pool).and_then(|pool| pool.request(id));
    request.is_some_and(|request| request.waits_since().is_some())
}

fn share_a_model(pool: &Pool, one: &RequestId, other: &RequestId) -> bool {
    let need = |id| pool.request(id).map(|request| pool.group_of(request).need);
    match (need(one), need(other)) {
        (Some(one), Some(other)) => one.shares_a_model_with(&other),
        _ => false,
    }
}

/// Whom a decision starts while `own` waits, from what was before it and after it.
fn starts(
    (before, after): (&State, &State),
    decision: &Decision,
    id: &PoolId,
    own: &RequestId,
) -> Vec<RequestId> {
    let admits = |event: &Event| match event {
        Event::RequestAdmitted(one) => one.request.request == *own && one.pool == *id,
        _ => false,
    };
    // What stands before its admission is of an earlier life under the same name.
    let admission = decision.events.iter().position(admits);
    let mut is_queued = admission.is_none() && waits(before, id, own);
    let mut starts = vec![];
    for event in &decision.events[admission.unwrap_or(0)..] {
        if Subject::of(event).pool != Some(id) {
            continue;
        }
        match event {
            Event::RequestQueued(event) if event.request == *own => is_queued = true,
            Event::LeasePreempted(event) if event.request == *own => is_queued = true,
            Event::RequestEnded(event) if event.request == *own => is_queued = false,
            Event::RequestDeferred(event) if event.request == *own => is_queued = false,
            Event::LeaseGranted(event) if event.request == *own => is_queued = false,
            Event::LeaseGranted(event)
                if is_queued && share_a_model(&after.pools[id], own, &event.request) =>
            {
                starts.push(event.request.clone());
            }
            _ => {}
        }
    }
    starts
}

/// The rule by the order that the core itself gives before the decision, where that is all there
/// is to it: one grant to somebody who stood in the queue, and nothing else.
fn rule(before: &State, decision: &Decision, pool: &PoolId, own: &RequestId) -> Option<bool> {
    let [Event::LeaseGranted(granted)] = &decision.events[..] else { return None };
    let pool = before.pools.get(pool).filter(|_| granted.pool == *pool)?;
    let order: Vec<_> = pool.in_order(decision.time_ms).map(|(.., one)| &one.request).collect();
    let place = |id: &RequestId| order.iter().position(|one| **one == *id);
    Some(place(&granted.request)? < place(own)?)
}

fn report_of(follower: &Follower, state: &State) -> Option<ExplainReport> {
    explain(&MemoryLog::new(), follower, state, &Viewer::Everything).ok()
}

proptest! {
    #![proptest_config(config())]

    /// Every start is told once, in the interval in which it happened, and whoever stood before by
    /// the core's own order did not overtake.
    #[test]
    fn who_went_ahead_is_who_was_granted_meanwhile(stream in streams_of_rules()) {
        let mut world = stream.begin();
        let mut before = world.state.clone();
        let mut lives: BTreeMap<RequestId, (Follower, usize)> = BTreeMap::new();
        for step in &stream.steps {
            world.step(step);
            let decision = world.decisions.last().unwrap();
            if decision.kind == "RequestAllocation" {
                let fresh = Follower::new(decision.request.clone(), Some(decision.pool.clone()));
                lives.entry(decision.request.clone()).or_insert((fresh, 0));
            }
            for (id, (follower, expected)) in &mut lives {
                let was = report_of(follower, &before).and_then(|report| report.went_ahead);
                follower.see(decision, &world.state);
                let Some(report) = report_of(follower, &world.state) else { continue };
                if report.asked.offset == decision.offset.0 {
                    *expected = 0;
                }
                if report.refused_code.is_some() {
                    continue;
                }
                let pool = PoolId::from(report.pool.as_str());
                let started = starts((&before, &world.state), decision, &pool, id);
                let sum = |report: &ExplainReport| -> usize {
                    let all = report.waited.iter().filter_map(|one| one.went_ahead.as_ref());
                    all.map(|ahead| ahead.starts).sum()
                };
                let all = report.went_ahead.clone().unwrap_or_default();
                prop_assert_eq!(sum(&report), all.starts);
                prop_assert_eq!(all.by_rule.values().sum::<usize>(), all.starts);
                let is_new = report.asked.offset == decision.offset.0;
                let waited = !is_new && waits(&before, &pool, id);
                if waited || waits(&world.state, &pool, id) {
                    *expected += started.len();
                    prop_assert_eq!(all.starts, *expected, "{:?} at {}", id, decision.offset);
                }
                let Some(stood_before) = rule(&before, decision, &pool, id) else { continue };
                let count = |ahead: &Option<conclave::explain::history::WentAhead>, rule: &str| {
                    ahead.as_ref().and_then(|one| one.by_rule.get(rule)).copied().unwrap_or(0)
                };
                let overtook = count(&report.went_ahead, "overtaking") > count(&was, "overtaking");
                prop_assert!(!(overtook && stood_before), "{:?} at {}", id, decision.offset);
                let by_order = ["priority", "fair_share", "arrival"];
                let is_ahead = |rule: &&str| count(&report.went_ahead, rule) > count(&was, rule);
                let went = by_order.iter().any(is_ahead);
                prop_assert!(stood_before || !went, "{:?} at {}", id, decision.offset);
            }
            before = world.state.clone();
        }
    }
}
