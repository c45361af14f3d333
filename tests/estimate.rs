//! How long requests wait, learnt from the own log: what is said is the quantile of what had ended
//! by then, nothing uses the future, and on a demo's log it holds as often as it says.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "../core/tests/story/send.rs"]
#[allow(dead_code, reason = "this file uses a part of the vocabulary")]
mod words;

use conclave::demo::{JOBS_DEFAULT, Scale, Source, run};
use conclave::estimate::class::Level;
use conclave::estimate::window::{WAITS_MAX, WAITS_MIN};
use conclave::estimate::{Estimates, Held, Outlook};
use conclave::log::LogReader;
use conclave::log::rocks::{Durability, OpenOptions, RocksReader};
use conclave_core::command::{PlacementPolicy, RequestAllocation};
use conclave_core::decision::{
    Decision, Event, LeaseGranted, LeasePreempted, Outcome, RequestAdmitted, RequestDeferred,
    RequestEnd, RequestEnded, RequestQueued,
};
use conclave_core::units::{GpuModel, Offset, PoolId, RequestId, TimeMs};
use proptest::prelude::*;

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

fn pool() -> PoolId {
    PoolId::from("p")
}

fn ask(name: &str, priority: i64, gpus: i64, models: &[&str]) -> RequestAllocation {
    words::ask(name, "a").priority(priority).gpus(gpus).on(models).0
}

fn asks(ask: RequestAllocation) -> Event {
    Event::RequestAdmitted(RequestAdmitted { pool: pool(), request: ask })
}

fn queued(name: &str) -> Event {
    Event::RequestQueued(RequestQueued { pool: pool(), request: name.into() })
}

fn granted(name: &str) -> Event {
    Event::LeaseGranted(LeaseGranted {
        pool: pool(),
        request: name.into(),
        fencing: Offset(0),
        ends_at_ms: TimeMs(0),
        gpu_model: GpuModel::default(),
        replicas: vec![],
    })
}

fn ended(name: &str) -> Event {
    let reason = RequestEnd::Cancelled;
    Event::RequestEnded(RequestEnded { pool: pool(), request: name.into(), reason })
}

fn preempted(name: &str) -> Event {
    let (by, by_tenant) = ("x".into(), "b".into());
    let (pool, request) = (pool(), name.into());
    Event::LeasePreempted(LeasePreempted { pool, request, by, by_tenant, count: 1 })
}

/// A log of decisions that say nothing but what is needed here.
#[derive(Default)]
struct Log {
    decisions: Vec<Decision>,
}

impl Log {
    fn add(&mut self, at_ms: i64, events: Vec<Event>) -> &mut Self {
        let offset = i64::try_from(self.decisions.len()).unwrap();
        self.decisions.push(Decision {
            decide_version: 1,
            prev_hash: Default::default(),
            partition: 0,
            offset: Offset(offset),
            covered_before: Offset(offset - 1),
            round: Offset(offset),
            round_index: 0,
            round_count: Some(1),
            time_ms: TimeMs(at_ms),
            input_hash: Default::default(),
            command_id: Default::default(),
            kind: "Tick".into(),
            pool: pool(),
            tenant: Default::default(),
            request: Default::default(),
            remembered: None,
            outcome: Outcome::Accepted,
            events,
        });
        self
    }

    /// Waits of these many minutes, one after the other.
    fn waits(&mut self, what: (i64, i64, &[&str]), minutes: impl IntoIterator<Item = i64>) {
        let (priority, gpus, models) = what;
        for minutes in minutes {
            let name = format!("w{}", self.decisions.len());
            let now = self.decisions.last().map_or(0, |last| last.time_ms.0);
            let events = vec![asks(ask(&name, priority, gpus, models)), queued(&name)];
            self.add(now, events).add(now + minutes * MINUTE, vec![granted(&name)]);
        }
    }

    fn estimates(&self) -> Estimates {
        let mut estimates = Estimates::default();
        self.decisions.iter().for_each(|decision| estimates.see(decision));
        estimates
    }

    fn judged_by(&self, priority: i64, gpus: i64, models: &[&str]) -> Option<(usize, Level)> {
        let outlook = self.estimates().outlook(&pool(), &ask("next", priority, gpus, models));
        outlook.estimate.map(|estimate| (estimate.waits, estimate.alike_in))
    }

    fn said(&self, priority: i64, gpus: i64, models: &[&str]) -> Option<(i64, i64, Level)> {
        let outlook = self.estimates().outlook(&pool(), &ask("next", priority, gpus, models));
        let estimate = outlook.estimate?;
        Some((estimate.p50_ms / MINUTE, estimate.p90_ms / MINUTE, estimate.alike_in))
    }
}

#[test]
fn too_few_waits_say_nothing_and_say_so() {
    let mut log = Log::default();
    log.waits((5, 1, &["A"]), 1..20);
    assert_eq!(log.said(5, 1, &["A"]), None);
    let outlook = log.estimates().outlook(&pool(), &ask("next", 5, 1, &["A"]));
    let lines = outlook.lines(TimeMs(0));
    assert!(lines[0].contains("no estimate"), "{lines:?}");
    assert!(lines[0].contains("19 are now; 20 are needed"), "{lines:?}");
    log.waits((5, 1, &["A"]), [20]);
    assert_eq!(log.said(5, 1, &["A"]), Some((11, 19, Level::GpuModels)));
}

#[test]
fn the_finest_class_with_enough_waits_is_asked() {
    let mut log = Log::default();
    log.waits((5, 1, &["A"]), std::iter::repeat_n(10, 20));
    log.waits((5, 1, &["B"]), std::iter::repeat_n(20, 5));
    log.waits((5, 2, &["A"]), std::iter::repeat_n(30, 5));
    log.waits((7, 2, &["A"]), std::iter::repeat_n(40, 5));
    assert_eq!(log.judged_by(5, 1, &["A"]), Some((20, Level::GpuModels)));
    assert_eq!(log.judged_by(5, 1, &["B"]), Some((25, Level::Size)));
    // Sizes are classes, too: 2, 3 and 4 GPUs are one.
    assert_eq!(log.judged_by(5, 4, &["A"]), Some((30, Level::Priority)));
    assert_eq!(log.judged_by(1, 4, &["A"]), Some((35, Level::Pool)));
    let other = log.estimates().outlook(&PoolId::from("q"), &ask("next", 5, 1, &["A"]));
    assert_eq!((other.estimate, other.waits_known), (None, 0));
}

#[test]
fn the_order_of_models_makes_no_class_and_none_is_one_without_gpus() {
    let mut log = Log::default();
    log.waits((5, 1, &["A", "B"]), std::iter::repeat_n(10, 20));
    log.waits((5, 0, &[]), std::iter::repeat_n(2, 20));
    assert_eq!(log.judged_by(5, 1, &["B", "A"]), Some((20, Level::GpuModels)));
    assert_eq!(log.judged_by(5, 0, &["A"]), Some((20, Level::GpuModels)));
}

#[test]
fn what_started_at_once_was_put_off_or_was_preempted_is_no_wait() {
    let mut log = Log::default();
    log.waits((5, 1, &["A"]), std::iter::repeat_n(10, 19));
    let now = 400 * MINUTE;
    // At once, in the decision that queued it.
    log.add(now, vec![asks(ask("once", 5, 1, &["A"])), queued("once"), granted("once")]);
    assert_eq!(log.said(5, 1, &["A"]), None);
    // Put off for an hour, then ten minutes in the queue.
    let retry_at_ms = TimeMs(now + 60 * MINUTE);
    let put_off =
        RequestDeferred { pool: pool(), request: "later".into(), attempt: 1, retry_at_ms };
    log.add(now, vec![asks(ask("later", 5, 1, &["A"])), Event::RequestDeferred(put_off)]);
    log.add(retry_at_ms.0, vec![queued("later")]);
    log.add(retry_at_ms.0 + 10 * MINUTE, vec![granted("later")]);
    assert_eq!(log.said(5, 1, &["A"]), Some((10, 10, Level::GpuModels)));
    // Whoever was preempted stands at its old place: that is another wait.
    let end = retry_at_ms.0 + 20 * MINUTE;
    log.add(end, vec![preempted("later")]);
    assert_eq!(log.estimates().outlook_of(&pool(), &"later".into()), None);
    log.add(end + 900 * MINUTE, vec![granted("later")]);
    assert_eq!(log.said(5, 1, &["A"]), Some((10, 10, Level::GpuModels)));
}

#[test]
fn what_was_withdrawn_counts_where_it_proves_an_estimate_wrong() {
    let mut log = Log::default();
    log.waits((5, 1, &["A"]), std::iter::repeat_n(10, 20));
    let now = 300 * MINUTE;
    log.add(now, vec![asks(ask("soon", 5, 1, &["A"])), queued("soon")]);
    log.add(now, vec![asks(ask("late", 5, 1, &["A"])), queued("late")]);
    log.add(now + 5 * MINUTE, vec![ended("soon")]);
    let held = log.estimates().held(&pool());
    assert_eq!((held.known_p90, held.withdrawn, held.overdue), (0, 1, 0));
    log.add(now + 11 * MINUTE, vec![]);
    let wanted = Held { known_p50: 1, known_p90: 1, withdrawn: 1, overdue: 1, ..Held::default() };
    assert_eq!(log.estimates().held(&pool()), wanted, "wrong as soon as it is over");
    log.add(now + 40 * MINUTE, vec![ended("late")]);
    let held = log.estimates().held(&pool());
    assert_eq!(held, Held { overdue: 0, ..wanted });
    assert!(held.words().contains("of the last 1 such estimates 0 % held"), "{}", held.words());
    // And it was learnt: 21 waits now, of which one is 40 minutes.
    let next = log.estimates().outlook(&pool(), &ask("next", 5, 1, &["A"])).estimate.unwrap();
    assert_eq!(next.waits, 21);
}

#[test]
fn a_hole_in_what_is_seen_begins_anew_and_nothing_is_seen_twice() {
    let mut log = Log::default();
    log.waits((5, 1, &["A"]), std::iter::repeat_n(10, 30));
    let mut twice = Estimates::default();
    for decision in log.decisions.iter().chain(&log.decisions) {
        twice.see(decision);
    }
    assert_eq!(twice, log.estimates());
    let mut holed = Estimates::default();
    for decision in log.decisions.iter().filter(|decision| decision.offset != Offset(20)) {
        holed.see(decision);
    }
    assert_eq!(holed.held(&pool()).learnt_from, 21);
    let outlook = holed.outlook(&pool(), &ask("next", 5, 1, &["A"]));
    assert_eq!((outlook.estimate, outlook.waits_known), (None, 19));
}

/// A step of a random log: after so long, somebody asks, starts, or is withdrawn.
fn steps() -> impl Strategy<Value = Vec<(i64, u8, usize, i64, i64)>> {
    let step = (0..9_i64, 0..6_u8, any::<prop::sample::Index>(), 1..4_i64, 1..4_i64);
    let step = step.prop_map(|(gap, what, whom, priority, gpus)| {
        (gap * MINUTE, what, whom.index(1_000), priority, gpus)
    });
    prop::collection::vec(step, 1..300)
}

fn random_log(steps: &[(i64, u8, usize, i64, i64)]) -> Log {
    let (mut log, mut now, mut waiting) = (Log::default(), 0, Vec::<String>::new());
    for (gap, what, whom, priority, gpus) in steps {
        now += gap;
        let name = format!("r{}", log.decisions.len());
        let event = match what {
            0..=2 => {
                waiting.push(name.clone());
                let mut events = vec![asks(ask(&name, *priority, *gpus, &["A"])), queued(&name)];
                if *what == 2 && whom % 4 == 0 {
                    waiting.pop();
                    events.push(granted(&name));
                }
                events
            }
            _ if waiting.is_empty() => vec![],
            5 if whom % 3 == 0 => vec![ended(&waiting.remove(whom % waiting.len()))],
            _ => vec![granted(&waiting.remove(whom % waiting.len()))],
        };
        log.add(now, event);
    }
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What is said at a moment is what the decisions up to it say: later ones change nothing of
    /// it, and what came of it is counted by what was said then.
    #[test]
    fn nothing_uses_the_future(steps in steps()) {
        let log = random_log(&steps);
        let mut said: Vec<(RequestId, i64, Option<Outlook>)> = vec![];
        let mut growing = Estimates::default();
        let (mut halves, mut nines) = (vec![], vec![]);
        for (at, decision) in log.decisions.iter().enumerate() {
            for event in &decision.events {
                let (id, is_start) = match event {
                    Event::LeaseGranted(granted) => (&granted.request, true),
                    Event::RequestEnded(ended) => (&ended.request, false),
                    _ => continue,
                };
                let found = said.iter().position(|(one, ..)| one == id);
                let Some((_, since, outlook)) = found.map(|at| said.remove(at)) else { continue };
                let waited = decision.time_ms.0 - since;
                let Some(estimate) = outlook.and_then(|outlook| outlook.estimate) else { continue };
                for (outcomes, limit) in
                    [(&mut halves, estimate.p50_ms), (&mut nines, estimate.p90_ms)]
                {
                    if is_start || waited > limit {
                        outcomes.push(waited <= limit);
                    }
                }
            }
            growing.see(decision);
            // The same from nothing, with no decision after this one in sight.
            let mut prefix = Estimates::default();
            if at % 16 == 0 {
                log.decisions[..=at].iter().for_each(|decision| prefix.see(decision));
                prop_assert_eq!(&prefix, &growing);
            }
            let joins = decision.events.iter().find_map(|event| match event {
                Event::RequestQueued(queued) => Some(queued.request.clone()),
                _ => None,
            });
            let is_start = |event: &Event| matches!(event, Event::LeaseGranted(_));
            let starts = decision.events.iter().any(is_start);
            if let Some(id) = joins.filter(|_| !starts) {
                let outlook = growing.outlook_of(&pool(), &id);
                said.push((id, decision.time_ms.0, outlook));
            }
            for (id, _, outlook) in &said {
                let still = growing.outlook_of(&pool(), id).and_then(|outlook| outlook.estimate);
                prop_assert_eq!(still, outlook.and_then(|outlook| outlook.estimate));
            }
        }
        // What is over counts while it waits still.
        let last = log.decisions.last().unwrap().time_ms.0;
        let estimate = |outlook: Option<Outlook>| outlook.and_then(|outlook| outlook.estimate);
        for (_, since, outlook) in &said {
            let Some(estimate) = estimate(*outlook) else { continue };
            halves.extend((last - since > estimate.p50_ms).then_some(false));
            nines.extend((last - since > estimate.p90_ms).then_some(false));
        }
        let over = said.iter().filter(|(_, since, outlook)| {
            estimate(*outlook).is_some_and(|estimate| last - since > estimate.p90_ms)
        });
        let held = growing.held(&pool());
        prop_assert_eq!(held.overdue, over.count());
        let count = |outcomes: &[bool]| outcomes.iter().filter(|held| **held).count();
        prop_assert_eq!((held.known_p50, held.within_p50), (halves.len(), count(&halves)));
        prop_assert_eq!((held.known_p90, held.within_p90), (nines.len(), count(&nines)));
    }
}

#[test]
fn a_hundred_thousand_waiting_are_asked_about_at_once() {
    let mut log = Log::default();
    log.waits((5, 1, &["A"]), std::iter::repeat_n(10, 20));
    let mut estimates = log.estimates();
    let mut crowd = Log::default();
    for n in 0..100_000 {
        let name = format!("c{n}");
        crowd.add(MINUTE, vec![asks(ask(&name, 5, 1, &["A"])), queued(&name)]);
    }
    let after = i64::try_from(log.decisions.len()).unwrap();
    for mut decision in crowd.decisions {
        decision.offset.0 += after;
        decision.covered_before.0 += after;
        decision.time_ms.0 += 1_000 * MINUTE;
        estimates.see(&decision);
    }
    let started = std::time::Instant::now();
    let outlook = estimates.outlook_of(&pool(), &"c77777".into()).unwrap();
    let took = started.elapsed();
    println!("asked in {took:?}");
    assert_eq!(outlook.estimate.unwrap().p90_ms, 10 * MINUTE);
    assert!(took < std::time::Duration::from_millis(50), "{took:?}");
}

/// On the demo's own log, where load is 105 % and the queue grows: how often the estimates held.
#[test]
fn on_a_demos_log_it_holds_about_as_often_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let scale = Scale { nodes_permille: 50, time_permille: None, placement: PlacementPolicy::Fgd };
    let workload = scale.apply(&Source::synthetic(1, JOBS_DEFAULT));
    let options = OpenOptions { durability: Durability::None, accept_loss_at: None };
    run(&workload, folder.path(), &options, |_, _| {}).unwrap();
    let log = RocksReader::open(folder.path()).unwrap();
    let last = Offset(log.ends().unwrap().decisions_next.0 - 1);
    let held = Estimates::of_log(&log, last).unwrap().held(&workload.pool);
    let percent = |count: usize| count * 100 / 500;
    println!("{held:?}: {}", held.words());
    assert_eq!((held.known_p50, held.known_p90), (500, 500), "{held:?}");
    assert!((80..=98).contains(&percent(held.within_p90)), "{held:?}");
    assert!((35..=65).contains(&percent(held.within_p50)), "{held:?}");
    const { assert!(WAITS_MIN < WAITS_MAX) };
}
