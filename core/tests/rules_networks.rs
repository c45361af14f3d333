//! A council of networks in the seat: who may put one there, what it is asked, what it remembers.

mod networks;
mod story;

use conclave_core::command::*;
use conclave_core::council::features::{Asked, Ended};
use conclave_core::council::*;
use conclave_core::decision::*;
use conclave_core::limits::{DEFERRALS_MAX, OUTCOMES_MAX};
use conclave_core::rejection::RejectionCode;
use conclave_core::round::{Votes, open_round};
use conclave_core::seat::{RuleSeat, Seat};
use conclave_core::state::Memory;
use conclave_core::units::*;
use networks::{MODEL, Networks, OTHER, council, digest};
use story::{Ask, HOUR, MINUTE, POOL, Story, ask, node, policy, quota, set};

fn activate(model: &str) -> Payload {
    Payload::ActivateCouncil(ActivateCouncil { model: model.to_owned() })
}

fn version(version: i64) -> Payload {
    Payload::ActivateDecider(ActivateDecider { version })
}

fn mode(council: CouncilMode) -> Payload {
    set(SetPoolPolicy { council, ..policy() })
}

/// A pool of 16 GPUs under a council of networks that is listened to.
fn pool() -> Story {
    let mut pool = under(CouncilMode::Advise);
    pool.check(0, version(2), &["version 2 decides"]);
    pool.check(0, activate(MODEL), &["council 0707 sits"]);
    pool
}

fn under(council: CouncilMode) -> Story {
    let given = [mode(council), node("a", 16, "A100"), quota("t", 0, 99), quota("u", 0, 99)];
    let mut pool = Story::given(given);
    pool.seat = Box::new(Networks);
    pool
}

fn memory(pool: &Story, tenant: &str) -> Memory {
    pool.state.pools[POOL].tenants[tenant].memory.clone()
}

/// The events of the decisions about a round of payloads at `at_ms`.
fn round(pool: &mut Story, at_ms: i64, payloads: Vec<Payload>) -> Vec<Decision> {
    let next = pool.state.covered.0 + 1;
    let named = |(at, payload)| {
        let command = pool.command(payload);
        Command { command_id: CommandId::from(format!("c{at}")), ..command }
    };
    let commands = (next..).zip(payloads).map(named).collect();
    pool.decide(at_ms, commands)
}

fn votes(decision: &Decision) -> Vec<&CouncilVoted> {
    let voted = decision.events.iter().filter_map(|event| match event {
        Event::CouncilVoted(voted) => Some(voted),
        _ => None,
    });
    voted.collect()
}

fn remembered(decision: &Decision) -> Vec<&CouncilRemembered> {
    let remembered = decision.events.iter().filter_map(|event| match event {
        Event::CouncilRemembered(remembered) => Some(remembered),
        _ => None,
    });
    remembered.collect()
}

fn one(name: &str, tenant: &str) -> Payload {
    ask(name, tenant).into()
}

#[test]
fn a_council_sits_from_version_2_on_and_forgets_nothing_when_it_is_called_again() {
    let mut pool = under(CouncilMode::Enforce);
    pool.check(0, activate(MODEL), &["refused: unknown_version"]);
    pool.check(0, version(2), &["version 2 decides"]);
    for wrong in ["07", &MODEL.replace('7', "g"), &format!("{MODEL}07"), " "] {
        pool.check(0, activate(wrong), &["refused: out_of_range"]);
    }
    pool.check(0, activate(MODEL), &["council 0707 sits"]);
    pool.send(1, one("r", "t"));
    let before = memory(&pool, "t");
    assert_ne!(before, Memory::default());
    pool.check(2, activate(MODEL), &[]);
    assert_eq!(memory(&pool, "t"), before);
    pool.check(2, activate(OTHER), &["council 0808 sits"]);
    assert_eq!(memory(&pool, "t"), Memory::default(), "what another council remembers");
    pool.check(3, activate(""), &["the rules sit"]);
    let mut told = pool.send(4, ask("s", "t").priority(10).preemptible().into());
    assert_eq!(told.remove(0), "Rules on s: Approve with 100");
    assert_eq!(memory(&pool, "t"), Memory::default());
}

#[test]
fn only_an_administrator_activates() {
    let mut pool = under(CouncilMode::Enforce);
    pool.send(0, version(2));
    let mut command = pool.command_of(Role::Operator, "", activate(MODEL));
    command.pool = PoolId::default();
    pool.check_command(0, &command, &["refused: not_permitted"]);
}

/// The whole vote, computed by hand with the reference.
#[test]
fn a_vote_is_what_the_reference_makes_of_the_features_and_the_state() {
    let mut pool = pool();
    let council = council();
    let (mut state, mut stepped_at) = (HiddenState::new(council), None);
    for (at, name) in [(MINUTE, "r1"), (3 * MINUTE, "r2"), (HOUR, "r3")] {
        let Payload::RequestAllocation(wish) = one(name, "t") else { panic!("it asks") };
        let now = TimeMs(at);
        let asked = Asked { ask: &wish, attempt: 1, arrived_at_ms: now };
        let features = Features::of_request(&pool.state.pools[POOL], &asked, now);
        let elapsed = stepped_at.map_or(DurationMs(0), |last| now.since(last));
        let before = digest(&state);
        let logits = council.step(&mut state, &features, council.parts().time.code(elapsed));
        stepped_at = Some(now);

        let decision = round(&mut pool, at, vec![one(name, "t")]).remove(0);
        let [voted] = votes(&decision)[..] else { panic!("{decision:?}") };
        let told: Vec<i64> = features.values().iter().map(|value| i64::from(*value)).collect();
        assert_eq!(voted.features, told);
        assert_eq!((voted.elapsed_ms, voted.memory), (elapsed, before));
        assert_eq!((voted.attempt, voted.mode), (1, CouncilMode::Advise));
        for (member, logits) in voted.members.iter().zip(logits.members()) {
            let said = [member.approve, member.deny, member.defer];
            assert_eq!(said, logits.0.map(i64::from));
            assert_eq!(member.verdict, logits.verdict());
        }
        assert_eq!(voted.members.len(), 5);
        assert_eq!(memory(&pool, "t").words, state.words());
        assert_eq!(memory(&pool, "t").stepped_at_ms, stepped_at);
    }
}

#[test]
fn a_rounds_steps_follow_each_other_and_the_last_decision_of_a_tenant_records_them() {
    let mut pool = pool();
    let asks = vec![one("r1", "t"), one("r2", "u"), one("r3", "t"), Payload::Tick];
    let decisions = round(&mut pool, MINUTE, asks);
    let recorded: Vec<Vec<&str>> = decisions
        .iter()
        .map(|one| remembered(one).iter().map(|memory| &*memory.tenant.0).collect())
        .collect();
    assert_eq!(recorded, [vec![], vec!["u"], vec!["t"], vec![]]);
    let (first, third) = (votes(&decisions[0])[0], votes(&decisions[2])[0]);
    assert_ne!(first.memory, third.memory, "the third step goes on from the first");
    assert_eq!(first.memory, votes(&decisions[1])[0].memory, "u begins like t");
    // All features are those of the state when the round opened.
    assert_eq!(first.features, third.features);
}

/// Whoever is refused for what no other command of the round changes is not asked about: nobody
/// steps another tenant's state.
#[test]
fn nobody_steps_the_state_of_somebody_else() {
    let mut pool = pool();
    let forged = pool.command_of(Role::Tenant, "u", one("r", "t"));
    let elsewhere = Command { pool: PoolId::from("nowhere"), ..pool.command(one("s", "t")) };
    let nobody = pool.command(one("v", "nobody"));
    for command in [forged, elsewhere, nobody] {
        let decision = pool.decide(MINUTE, vec![command]).remove(0);
        assert!(matches!(decision.outcome, Outcome::Rejected(_)), "{decision:?}");
        assert_eq!(decision.events, []);
    }
    assert_eq!(memory(&pool, "t"), Memory::default());
}

#[test]
fn what_hard_rules_refuse_is_a_step_without_a_vote() {
    let mut pool = pool();
    let decision = round(&mut pool, MINUTE, vec![ask("r", "t").gpus(16).replicas(7).into()]);
    let Outcome::Rejected(rejected) = &decision[0].outcome else { panic!("{decision:?}") };
    assert_eq!(rejected.code, RejectionCode::ExceedsLimit);
    assert_eq!((votes(&decision[0]).len(), remembered(&decision[0]).len()), (0, 1));
}

#[test]
fn leases_that_ended_are_steps_before_the_next_vote_as_the_pool_stood_then() {
    let mut pool = pool();
    pool.send(MINUTE, one("r1", "t"));
    let before = pool.state.clone();
    let release = pool.release("r1");
    pool.send(5 * MINUTE, release);
    let told = memory(&pool, "t");
    let [outcome] = told.outcomes().copied().collect::<Vec<_>>()[..] else { panic!("{told:?}") };
    let request = before.pools[POOL].request(&RequestId::from("r1")).expect("it runs");
    let ended = LeaseEnded {
        pool: PoolId::from(POOL),
        request: RequestId::from("r1"),
        reason: LeaseEnd::Released,
        outcome: WorkOutcome::Succeeded,
        utilisation_bp: Some(5_000),
    };
    let now = TimeMs(5 * MINUTE);
    let ended = Ended::of(request, &ended, now).expect("it runs");
    assert_eq!(outcome.at_ms, now);
    assert_eq!(outcome.features.values()[31], 64);
    assert_eq!(outcome.features, Features::of_outcome(&before.pools[POOL], &ended, now));

    let decision = round(&mut pool, 7 * MINUTE, vec![one("r2", "t")]).remove(0);
    let voted = votes(&decision)[0];
    assert_eq!(voted.elapsed_ms, DurationMs(2 * MINUTE), "since the lease ended");
    assert_eq!(remembered(&decision)[0].heard, 1);
    assert_eq!(memory(&pool, "t").outcomes().count(), 0);
    assert_eq!(memory(&pool, "u"), Memory::default());
}

#[test]
fn of_many_leases_that_ended_the_oldest_are_never_heard_of() {
    let mut pool = pool();
    let many = OUTCOMES_MAX + 3;
    let names: Vec<String> = (0..many).map(|at| format!("r{at}")).collect();
    names.iter().for_each(|name| drop(pool.send(MINUTE, one(name, "t"))));
    for (at, name) in (2..).zip(&names) {
        let release = pool.release(name);
        pool.send(at * MINUTE, release);
    }
    let kept: Vec<i64> = memory(&pool, "t").outcomes().map(|outcome| outcome.at_ms.0).collect();
    let all: Vec<i64> = (2..).take(many).map(|at| at * MINUTE).collect();
    assert_eq!(kept, all[3..]);
    // In the round that hears of them, one more ends before their steps are recorded.
    pool.send(HOUR, one("late", "t"));
    let release = pool.release("late");
    let decision = round(&mut pool, HOUR, vec![release, one("s", "t")]);
    let [remembered] = remembered(&decision[1])[..] else { panic!("{decision:?}") };
    let many = i64::try_from(many).expect("a small number");
    assert_eq!(remembered.heard, many);
    assert_eq!(memory(&pool, "t").outcomes().count(), 1, "the next vote hears of it");
    assert_eq!(memory(&pool, "t").ended(), many + 1);
}

#[test]
fn a_pool_without_a_council_tells_it_nothing() {
    let mut pool = under(CouncilMode::Off);
    pool.send(0, version(2));
    pool.send(0, activate(MODEL));
    pool.send(MINUTE, one("r", "t"));
    let release = pool.release("r");
    pool.send(2 * MINUTE, release);
    assert_eq!(memory(&pool, "t"), Memory::default());
}

#[test]
fn the_last_attempt_is_the_rules_and_no_step() {
    let mut pool = under(CouncilMode::Enforce);
    pool.seat = Box::new(RuleSeat);
    let fair: Ask = ask("r", "t").priority(5).hours(25);
    pool.send(0, fair.into());
    for attempt in 1..DEFERRALS_MAX {
        pool.send(attempt * 30 * MINUTE, Payload::Tick);
        pool.send(attempt * 30 * MINUTE, Payload::Tick);
    }
    pool.seat = Box::new(Networks);
    let last = DEFERRALS_MAX * 30 * MINUTE;
    pool.send(last - 1, version(2));
    pool.send(last - 1, activate(MODEL));
    pool.send(last, Payload::Tick);
    let told = pool.send(last, Payload::Tick);
    assert_eq!(told[0], "RulesFinal on r: Approve with 60");
    assert_eq!(memory(&pool, "t"), Memory::default());
}

#[test]
fn rules_do_not_answer_for_networks() {
    let mut pool = pool();
    let input = pool.input(MINUTE, pool.command(one("r", "t")));
    let ballot = open_round(&pool.state, &[input]);
    let absent = RuleSeat.vote(&ballot).expect_err("networks sit here");
    assert_eq!(absent.model, ModelId(Hash32([7; 32])));
    let nothing = RuleSeat.vote(&open_round(&pool.state, &[])).expect("nothing is asked");
    assert_eq!(nothing, Votes::default());
}
