//! What is said of a request is what the rules say: intervals, plans, refusals, and nothing of
//! another tenant.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "../core/tests/common/mod.rs"]
mod common;

use common::{World, config, decide_round, streams_of_rules};
use conclave::engine::Engine;
use conclave::explain::plan_text::plan_text;
use conclave::explain::{
    ExplainReport, Follower, PlanReport, explain_at, explain_live, plan, text,
};
use conclave::log::memory::MemoryLog;
use conclave::log::{CommandRecord, EventLog, Headers, LogReader, StoredCommand};
use conclave::report::viewer::Viewer;
use conclave::snapshot;
use conclave::wire::{CommandReader, encode_command};
use conclave_core::blocker::Blockers;
use conclave_core::command::{Command, Payload, PlacementPolicy, SetPoolPolicy};
use conclave_core::decision::{Decision, Event, Outcome};
use conclave_core::input::Content;
use conclave_core::rejection::RejectionCode;
use conclave_core::seat::RuleSeat;
use conclave_core::state::State;
use conclave_core::units::{DurationMs, Offset, PoolId, RequestId, TenantId, TimeMs};
use proptest::prelude::*;

fn names() -> Vec<RequestId> {
    let crowd = ["w0", "d0", "d00", "a0", "a00"].into_iter().map(RequestId::from);
    (0..8).map(|n| RequestId::from(format!("r{n}"))).chain(crowd).collect()
}

/// One follower per pool and name, fed with everything since the log began.
fn followers(world: &World) -> Vec<(PoolId, Follower)> {
    let mut followers = Vec::new();
    for pool in common::POOLS.map(PoolId::from) {
        let live = world.state.pools[&pool].requests.keys().take(3).cloned();
        for name in names().into_iter().chain(live) {
            followers.push((pool.clone(), Follower::new(name, Some(pool.clone()))));
        }
    }
    let mut state = State::new(0);
    for decision in &world.decisions {
        conclave_core::evolve::evolve(&mut state, decision);
        followers.iter_mut().for_each(|(_, follower)| follower.see(decision, &state));
    }
    followers
}

/// The answer without anything that is remembered.
fn check_blocker(state: &State, pool: &PoolId, follower: &Follower) {
    let request = state.pools[pool].request(follower.request());
    let naive = request.and_then(|request| Blockers::of(state, pool).blocker(request));
    let life = follower.life(state);
    let said = life.as_ref().and_then(|life| life.blocker());
    assert_eq!(said, naive.as_ref(), "{:?} at {}", follower.request(), state.covered);
}

/// Whether those who decide by `version` can read it: the stream hands it over as it is, and a plan
/// goes by what would be sent.
fn is_readable(command: &Command, version: i64) -> bool {
    let is_of_3 = match &command.payload {
        Payload::SetPoolPolicy(policy) => policy.placement == PlacementPolicy::Default,
        payload => payload.branch() >= 17,
    };
    version >= 3 || !is_of_3
}

fn check_plan(before: &State, after: &State, decision: &Decision, command: &Command, at: TimeMs) {
    let planned = plan(before, command.clone(), at, &mut RuleSeat, &Viewer::Everything);
    let planned = planned.expect("the rules sit here");
    let said: Vec<&Event> = planned.events.iter().map(|at| &at.event).collect();
    let events: Vec<&Event> = decision.events.iter().collect();
    assert_eq!(said, events, "{command:?}");
    let code = match &decision.outcome {
        Outcome::Rejected(no) => Some(no.code.as_str()),
        Outcome::Accepted | Outcome::Duplicate(_) | Outcome::Failed(_) => None,
    };
    let code = if is_readable(command, before.decide_version) { code } else { Some("unreadable") };
    assert_eq!(planned.code.as_deref(), code);
    let lives = after
        .pools
        .get(&command.pool)
        .and_then(|pool| pool.request(conclave_core::decide::subject_request(&command.payload)?));
    let waits = lives.is_some_and(|request| request.waits_since().is_some());
    if decision.outcome == Outcome::Accepted {
        assert_eq!(planned.ahead.is_some(), waits, "{planned:?}");
    }
    let json = serde_json::to_string(&planned).unwrap();
    let read: PlanReport = serde_json::from_str(&json).unwrap();
    assert_eq!(plan_text(&read), plan_text(&planned));
}

proptest! {
    #![proptest_config(config())]

    /// Whatever is remembered to be quick changes no answer.
    #[test]
    fn a_follower_says_what_the_rules_say(stream in streams_of_rules()) {
        let mut world = stream.begin();
        let mut followers = followers(&world);
        for step in &stream.steps {
            world.step(step);
            let decision = world.decisions.last().unwrap();
            for (pool, follower) in &mut followers {
                follower.see(decision, &world.state);
                check_blocker(&world.state, pool, follower);
            }
        }
    }

    /// Of every payload, in whatever state.
    #[test]
    fn a_plan_is_what_is_decided_then(stream in streams_of_rules()) {
        let mut world = stream.begin();
        for step in &stream.steps {
            let before = world.state.clone();
            let mut trial = world.clone();
            trial.step(step);
            let input = trial.inputs.last().unwrap().clone();
            let Content::Readable { command, .. } = &input.content else {
                world = trial;
                continue;
            };
            let mut after = before.clone();
            let decided = decide_round(&mut after, vec![input.clone()]).remove(0);
            // The log's ids have digests of the wire, these have others.
            if !is_about_its_id(&decided) {
                check_plan(&before, &after, &decided, command, input.time_ms);
            }
            world = trial;
        }
    }
}

fn is_about_its_id(decision: &Decision) -> bool {
    match &decision.outcome {
        Outcome::Accepted | Outcome::Failed(_) => false,
        Outcome::Duplicate(_) => true,
        Outcome::Rejected(no) => no.code == RejectionCode::IdReused,
    }
}

/// A small pool that is always full, so that most of what is asked waits, and some become
/// protected.
struct Crowded {
    state: State,
    asked: i64,
    now: i64,
    followers: Vec<Follower>,
}

/// How much time passes, what is done, and whom or how much it is about.
type Stir = (i64, u8, u8, u8);

impl Crowded {
    fn new() -> Self {
        let mut crowded = Self { state: State::new(0), asked: 0, now: 0, followers: vec![] };
        crowded.send(words::open_log());
        crowded.send(words::set(words::policy()));
        crowded.send(words::node("n1", 4, "A"));
        crowded.send(words::node("n2", 4, "B"));
        for tenant in ["a", "b", "c"] {
            crowded.send(words::quota(tenant, 0, 12));
        }
        crowded
    }

    fn send(&mut self, payload: Payload) {
        let at = self.state.covered.0 + 1;
        let pool = if payload.is_log_command() { "" } else { "p" };
        let command = command(&format!("c{at}"), pool, payload);
        let record = CommandRecord {
            time_ms: TimeMs(self.now),
            key: pool.as_bytes().to_vec(),
            value: encode_command(&command),
            headers: Headers::default(),
        };
        let stored = StoredCommand { offset: Offset(at), record };
        let input = CommandReader::new().read(0, &stored, self.state.decide_version);
        let decision = decide_round(&mut self.state, vec![input]).remove(0);
        for follower in &mut self.followers {
            follower.see(&decision, &self.state);
            check_blocker(&self.state, &"p".into(), follower);
        }
    }

    fn stir(&mut self, (gap_ms, what, one, other): Stir) {
        self.now += gap_ms;
        let tenant = ["a", "b", "c"][usize::from(one) % 3];
        let (one, other) = (i64::from(one), i64::from(other));
        let payload = match what {
            0..10 => self.ask(tenant, one, other),
            10..14 => self.nth(one, true, words::release),
            14 => self.nth(one, false, |id, _| words::cancel(id)),
            15 => words::quota(tenant, other % 3, 3 + one % 9),
            16 => words::set(SetPoolPolicy {
                wait_bound_ms: DurationMs([0, 10, 60][usize::try_from(one % 3).unwrap()] * MINUTE),
                ..words::policy()
            }),
            17 if other % 2 == 0 => words::drain(["n1", "n2"][usize::try_from(one % 2).unwrap()]),
            17 => words::node(&format!("m{one}"), 2, "B"),
            _ => Payload::Tick,
        };
        self.send(payload);
    }

    fn ask(&mut self, tenant: &str, one: i64, other: i64) -> Payload {
        let id = format!("r{}", self.asked);
        self.asked += 1;
        self.followers.push(Follower::new(id.as_str().into(), None));
        let models: &[&str] =
            [&[][..], &["A"], &["B"], &["A", "B"]][usize::try_from(one % 4).unwrap()];
        words::ask(&id, tenant).gpus(1 + other % 4).on(models).priority(1 + one % 3).hours(1).into()
    }

    /// About one of those who run, or who wait.
    fn nth(&self, n: i64, runs: bool, about: impl Fn(&str, i64) -> Payload) -> Payload {
        let requests = self.state.pools["p"].requests.values();
        let meant: Vec<_> = requests.filter(|one| one.lease().is_some() == runs).collect();
        let count = i64::try_from(meant.len()).unwrap();
        let Some(request) = meant.get(usize::try_from(n % count.max(1)).unwrap()) else {
            return Payload::Tick;
        };
        let fencing = request.lease().map_or(0, |lease| lease.fencing.0);
        about(request.ask.request.0.as_str(), fencing)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Where it matters who is protected.
    #[test]
    fn a_follower_in_a_crowd_says_what_the_rules_say(
        stirs in proptest::collection::vec((0..20 * MINUTE, 0..20_u8, 0..12_u8, 0..12_u8), 1..70)
    ) {
        let mut crowded = Crowded::new();
        stirs.into_iter().for_each(|stir| crowded.stir(stir));
    }
}

/// What was sent, decided by the engine.
struct Told {
    engine: Engine<MemoryLog, RuleSeat>,
}

impl Told {
    fn new() -> Self {
        let (engine, _) = Engine::open(MemoryLog::new(), RuleSeat, 1_000_000).unwrap();
        Self { engine }
    }

    fn send(&mut self, at_ms: i64, id: &str, pool: &str, payload: Payload) {
        let command = command(id, pool, payload);
        let record = CommandRecord {
            time_ms: TimeMs(at_ms),
            key: pool.as_bytes().to_vec(),
            value: encode_command(&command),
            headers: Headers::default(),
        };
        self.engine.accept(&[record]).unwrap();
        self.engine.run_to_end(|_| {}).unwrap();
    }

    fn explain(&self, request: &str, viewer: &Viewer) -> conclave::error::Result<ExplainReport> {
        let pool = PoolId::from("p");
        explain_at(self.engine.log(), Some(&pool), &request.into(), None, viewer)
    }

    #[track_caller]
    fn check(&self, request: &str, says: &[&str]) -> ExplainReport {
        let report = self.explain(request, &Viewer::Everything).unwrap();
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

fn command(id: &str, pool: &str, payload: Payload) -> Command {
    use conclave_core::command::{Actor, Role};
    let actor = Actor { tenant: TenantId::default(), user: "op".into(), role: Role::Administrator };
    Command { command_id: id.into(), pool: pool.into(), actor, submitted_at_ms: TimeMs(0), payload }
}

#[path = "../core/tests/story/send.rs"]
#[allow(dead_code, reason = "this file uses a part of the vocabulary")]
mod words;

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

/// A pool of two nodes; `a` may hold 4 GPUs, `b` 16.
fn pool() -> Told {
    let mut told = Told::new();
    told.send(0, "open", "", words::open_log());
    told.send(0, "rules", "p", words::set(words::policy()));
    told.send(0, "n1", "p", words::node("n1", 8, "A100"));
    told.send(0, "n2", "p", words::node("n2", 4, "T4"));
    told.send(0, "qa", "p", words::quota("a", 0, 4));
    told.send(0, "qb", "p", words::quota("b", 0, 16));
    told
}

#[test]
fn a_limit_and_what_would_help() {
    let mut told = pool();
    told.send(1_000, "c1", "p", words::ask("a-1", "a").gpus(3).into());
    told.send(2_000, "c2", "p", words::ask("a-2", "a").gpus(2).into());
    let report = told.check(
        "a-2",
        &[
            "a holds 3 of at most 4 GPUs, and it wants 2",
            "GPUs per replica 1 instead of 2, on n",
            "an operator: the tenant's limit 5 GPUs instead of 4 GPUs, on n",
        ],
    );
    assert_eq!(report.waited_by[0].blocker, "tenant_limit");
    assert_eq!(report.ahead.unwrap().place, 1);
}

#[test]
fn refusals_say_numbers_and_what_would_have_been_let_in() {
    let mut told = pool();
    told.send(1_000, "c1", "p", words::ask("a-1", "a").gpus(5).into());
    told.send(1_000, "c2", "p", words::ask("b-1", "b").gpus(8).on(&["T4"]).into());
    told.send(2_000, "c3", "p", words::ask("b-2", "b").deadline(2_000).into());
    let report = told.check("a-1", &["exceeds_limit", "GPUs per replica 4 instead of 5"]);
    assert_eq!(report.refusal_numbers["limit_gpu_milli"], 4_000);
    let report = told.check("b-1", &["GPU models T4 or A100 instead of T4", "GPUs per replica 4"]);
    assert_eq!(report.refusal_numbers["replicas_in_the_empty_pool"], 0);
    told.check("b-2", &["deadline_passed", "deadline in ms 2001 instead of 2000"]);
}

#[test]
fn what_was_waited_for_by_topology_is_told_apart() {
    let mut told = pool();
    told.send(0, "v3", "", words::activate(3));
    told.send(0, "n3", "p", words::node_in("west", "n3", 4, "T4"));
    for (id, name) in [("c1", "b-1"), ("c2", "b-2"), ("c3", "b-3")] {
        told.send(0, id, "p", words::ask(name, "b").gpus(3).hours(9).on(&["T4", "A100"]).into());
    }
    let gang = words::ask("a-1", "a").replicas(2).on(&["T4"]).hours(3);
    told.send(0, "c4", "p", words::ask("a-0", "a").gpus(3).hours(9).on(&["A100"]).into());
    told.send(0, "c5", "p", gang.on_one_node().into());
    told.send(40 * MINUTE, "c6", "p", words::quota("a", 0, 6));
    told.send(55 * MINUTE, "tick", "", Payload::Tick);
    let report = told.check(
        "a-1",
        &[
            "2 x 1 GPU (T4), 1000 CPU milli, 1024 MiB, all on one node",
            "2 node(s) have room for all of its 2 replicas, and no single node has: the best one \
             holds 1 now",
            "in all 40m00s by tenant_limit, 15m00s by topology",
            "topology none instead of same_node, on n2[3] + n3[3]",
        ],
    );
    assert_eq!(report.blocked_by.len(), 1);
    let wish = words::ask("a-2", "a").replicas(5).on(&["T4"]).on_one_node();
    told.send(55 * MINUTE, "c7", "p", words::quota("a", 0, 16));
    told.send(55 * MINUTE, "c8", "p", wish.into());
    let report = told.check(
        "a-2",
        &[
            "do not fit one node of the empty pool, where the most is 4; without that wish it is 5",
            "topology none instead of same_node",
        ],
    );
    assert_eq!(report.refusal_numbers["replicas_without_the_wish"], 5);
}

#[test]
fn another_tenants_names_are_not_told() {
    let mut told = pool();
    told.send(0, "c1", "p", words::ask("b-secret-1", "b").gpus(8).hours(9).into());
    told.send(0, "c2", "p", words::ask("b-secret-2", "b").gpus(7).on(&["A100"]).into());
    told.send(MINUTE, "c3", "p", words::ask("a-1", "a").gpus(1).on(&["A100"]).into());
    told.send(2 * HOUR, "tick", "", Payload::Tick);
    let own = Viewer::Tenant("a".into());
    let report = told.explain("a-1", &own).unwrap();
    let json = serde_json::to_string(&report).unwrap();
    assert!(!json.contains("secret"), "{json}");
    assert!(json.contains("another tenant"), "{json}");
    let all = told.check("a-1", &["b-secret-2"]);
    assert_eq!(all.ahead.unwrap().in_its_way.len(), 1);
    let refused = told.explain("b-secret-2", &own).unwrap_err();
    assert!(refused.to_string().contains("nobody asked"), "{refused}");
}

#[test]
fn a_snapshot_changes_no_answer() {
    let mut told = pool();
    for n in 0..20 {
        told.send(n * MINUTE, &format!("c{n}"), "p", words::ask(&format!("b-{n}"), "b").into());
    }
    let request = RequestId::from("b-18");
    let state = told.engine.folded().state.clone();
    let before = told.check("b-18", &["the nodes have room for 0 of its 1 replica(s) now"]);
    let arrival = state.pools["p"].requests["b-18"].arrival;
    let (folded, _) = conclave::fold::fold(told.engine.log(), 0, Some(arrival)).unwrap();
    let mut log = told.engine.close().unwrap();
    log.keep_snapshot(arrival, &snapshot::encode(&folded)).unwrap();
    assert_eq!(log.snapshots().unwrap(), [arrival]);
    let pool = PoolId::from("p");
    for viewer in [Viewer::Everything, Viewer::Tenant("b".into())] {
        let live = explain_live(&log, &state, &pool, &request, &viewer).unwrap();
        assert_eq!(live, before, "{viewer:?}");
        let at = Some(state.covered);
        assert_eq!(explain_at(&log, Some(&pool), &request, at, &viewer).unwrap(), before);
    }
    let earlier =
        explain_at(&log, Some(&pool), &request, Some(Offset(arrival.0)), &Viewer::Everything);
    assert_eq!(earlier.unwrap().as_of.offset, arrival.0);
}

#[test]
fn a_plan_says_who_else_starts_and_promises_nothing() {
    let mut told = pool();
    told.send(0, "c1", "p", words::ask("b-1", "b").gpus(8).hours(2).into());
    told.send(0, "c2", "p", words::ask("b-2", "b").gpus(8).into());
    let state = told.engine.folded().state.clone();
    let planned = |id: &str, payload: Payload, viewer: &Viewer| {
        let planned = plan(&state, command(id, "p", payload), TimeMs(5), &mut RuleSeat, viewer);
        let planned = planned.expect("the rules sit here");
        (plan_text(&planned), planned)
    };
    let release = || words::release("b-1", state.pools["p"].requests["b-1"].arrival.0);
    let (told_text, report) = planned("new", release(), &Viewer::Everything);
    assert!(told_text.contains("also     LeaseGranted: b-2 on n1"), "{told_text}");
    assert!(told_text.contains("nothing is reserved"), "{told_text}");
    assert_eq!((report.holds_for.offset, report.holds_for.time_ms), (state.covered.0, 5));
    let (told_text, _) = planned("new", release(), &Viewer::Tenant("a".into()));
    assert!(!told_text.contains("b-2"), "{told_text}");
    let (told_text, report) =
        planned("new", words::ask("b-3", "b").gpus(5).into(), &Viewer::Everything);
    assert_eq!(report.ahead.as_ref().map(|ahead| ahead.place), Some(2));
    assert!(told_text.contains("GPUs per replica 4 instead of 5, on n2"), "{told_text}");
    let (_, report) = planned("c2", words::ask("b-2", "b").gpus(8).into(), &Viewer::Everything);
    assert_eq!((report.outcome.as_str(), report.first_offset), ("duplicate", Some(7)));
    let (_, report) = planned("c2", words::ask("b-4", "b").into(), &Viewer::Everything);
    assert_eq!(report.code.as_deref(), Some("id_reused"));
}
