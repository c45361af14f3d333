//! What members earn by outcomes: who is weighed for what, and that nobody ever counts too much.

mod members;
mod networks;
mod story;

use conclave_core::command::*;
use conclave_core::council::factor::*;
use conclave_core::decision::*;
use conclave_core::units::Offset;
use members::*;
use networks::{MODEL, OTHER};
use proptest::prelude::*;
use story::{HOUR, MINUTE, POOL, Story, node, policy, set};

/// Each its own verdict, 800 per mille sure, and the last one quite sure.
fn said(vote: i64, members: &mut [MemberVote]) {
    use Verdict::{Approve, Defer, Deny};
    behave(vote, members);
    for (member, verdict) in members.iter_mut().zip([Approve, Deny, Defer, Approve, Approve]) {
        member.verdict = verdict;
    }
    members[4].confidence_per_mille = 1_000;
}

fn advised() -> Story {
    pool(CouncilMode::Advise, Scripted::votes(said))
}

fn end(pool: &Story, name: &str, outcome: WorkOutcome) -> Payload {
    Payload::ReleaseLease(ReleaseLease {
        request: name.into(),
        fencing: Offset(pool.fencing(name)),
        outcome,
        utilisation_bp: None,
    })
}

fn weighed(decision: &Decision) -> Vec<&CouncilWeighed> {
    let weighed = decision.events.iter().filter_map(|event| match event {
        Event::CouncilWeighed(weighed) => Some(weighed),
        _ => None,
    });
    weighed.collect()
}

fn decide(pool: &mut Story, at_ms: i64, payload: Payload) -> Decision {
    let command = pool.command(payload);
    pool.decide(at_ms, vec![command]).remove(0)
}

#[test]
fn a_loss_is_the_square_of_what_a_stated_chance_was_off_by() {
    for (chance, well, loss) in [
        (1_000, true, 0),
        (1_000, false, 65_536),
        (0, false, 0),
        (0, true, 65_536),
        (500, true, 16_384),
        (500, false, 16_384),
        (800, true, 2_621),
        (800, false, 41_943),
        (200, true, 41_943),
    ] {
        assert_eq!(Loss::of(chance, well), Loss(loss), "{chance} {well}");
    }
}

#[test]
fn work_that_succeeds_pays_those_who_said_so() {
    let mut pool = advised();
    pool.send(MINUTE, request(1).into());
    let release = end(&pool, "r1", WorkOutcome::Succeeded);
    let decision = decide(&mut pool, HOUR, release);
    let [weighed] = weighed(&decision)[..] else { panic!("{decision:?}") };
    assert_eq!((weighed.seq, weighed.ended_well), (1, true));
    let losses: Vec<Option<i64>> = weighed.members.iter().map(|member| member.loss).collect();
    // Approve: 800 of 1000; deny: 200; defer: 500; the last one was sure.
    assert_eq!(losses, [Some(2_621), Some(41_943), Some(16_384), Some(2_621), Some(0)]);
    // Each pays a sixteenth of its loss, and gets a fifth of what all paid.
    let paid = [163, 2_621, 1_024, 163, 0];
    let pot: i64 = paid.iter().sum();
    let part = pot / 5;
    let rest = pot - 5 * part;
    let expected: Vec<i64> =
        (0..).zip(paid).map(|(at, paid)| 65_536 - paid + part + i64::from(at < rest)).collect();
    let factors: Vec<i64> = weighed.members.iter().map(|member| member.factor).collect();
    assert_eq!(factors, expected);
    assert_eq!(pool.state.bench.members.each_ref().map(|member| member.factor.0), *factors);
}

#[test]
fn a_vote_says_which_weights_held_when_its_round_opened() {
    let mut pool = advised();
    pool.send(MINUTE, request(1).into());
    let release = pool.command(end(&pool, "r1", WorkOutcome::Failed));
    let mut asked = pool.command(request(2).into());
    asked.command_id = "another".into();
    let decisions = pool.decide(HOUR, vec![release, asked]);
    assert_eq!(weighed(&decisions[0]).len(), 1);
    let seq = |decision: &Decision| {
        decision.events.iter().find_map(|event| match event {
            Event::CouncilVoted(voted) => Some(voted.weights_seq),
            _ => None,
        })
    };
    assert_eq!(seq(&decisions[1]), Some(0), "the round was open");
    let later = decide(&mut pool, 2 * HOUR, request(3).into());
    assert_eq!(seq(&later), Some(1));
}

/// Whether the end of a lease teaches anything.
#[track_caller]
fn check(what: &str, teaches: bool, act: impl FnOnce(&mut Story) -> Decision) {
    let mut pool = advised();
    pool.send(MINUTE, request(1).into());
    let decision = act(&mut pool);
    let ended = decision.events.iter().any(|event| matches!(event, Event::LeaseEnded(_)));
    assert!(ended, "{what}: {decision:?}");
    assert_eq!(weighed(&decision).len(), usize::from(teaches), "{what}");
}

#[test]
fn only_work_of_which_its_holder_says_how_it_ended_teaches_anything() {
    use WorkOutcome::{Failed, Stopped, Succeeded, Unknown};
    for (outcome, teaches) in
        [(Succeeded, true), (Failed, true), (Stopped, false), (Unknown, false)]
    {
        check(&format!("{outcome:?}"), teaches, |pool| {
            let release = end(pool, "r1", outcome);
            decide(pool, HOUR, release)
        });
    }
    check("it expires", false, |pool| decide(pool, 99 * HOUR, Payload::Tick));
    check("an operator ends it", false, |pool| {
        let order = OverrideDecision {
            request: "r1".into(),
            action: OverrideAction::End,
            reason: "enough".to_owned(),
            ask: None,
        };
        decide(pool, HOUR, Payload::OverrideDecision(order))
    });
}

#[test]
fn only_the_council_in_the_seat_learns_and_only_where_it_is_listened_to() {
    let succeed = |pool: &mut Story| {
        let release = end(pool, "r1", WorkOutcome::Succeeded);
        decide(pool, HOUR, release)
    };
    check("the pool's council is off", false, |pool| {
        pool.send(2 * MINUTE, set(SetPoolPolicy { council: CouncilMode::Off, ..policy() }));
        succeed(pool)
    });
    check("another council sits", false, |pool| {
        pool.send(2 * MINUTE, seated(OTHER));
        succeed(pool)
    });
    check("the rules sit", false, |pool| {
        pool.send(2 * MINUTE, seated(""));
        succeed(pool)
    });
    check("the same council sits again", true, |pool| {
        pool.send(2 * MINUTE, seated(""));
        pool.send(2 * MINUTE, seated(MODEL));
        succeed(pool)
    });
}

#[test]
fn a_member_in_quarantine_is_not_weighed() {
    let mut pool = pool(
        CouncilMode::Advise,
        Scripted::votes(|vote, members| {
            said(vote, members);
            freeze(&mut members[0]);
        }),
    );
    assert_eq!(changes(&mut pool, 0..64), [(63, "goes", 0)]);
    pool.send(9 * HOUR, node("b", 16, "A100"));
    pool.send(9 * HOUR, request(100).into());
    let release = end(&pool, "r100", WorkOutcome::Failed);
    let decision = decide(&mut pool, 10 * HOUR, release);
    let [weighed] = weighed(&decision)[..] else { panic!("{decision:?}") };
    assert_eq!(weighed.members[0], MemberWeight { loss: None, factor: 65_536 });
    assert!(weighed.members[1..].iter().all(|member| member.loss.is_some()));
    assert_eq!(pool.state.pools[POOL].requests.len(), 0);
}

fn losses() -> impl Strategy<Value = [Option<Loss>; 5]> {
    let loss = prop_oneof![Just(0), Just(65_536), 0..=65_536_i64].prop_map(Loss);
    prop::array::uniform5(prop::option::weighted(0.8, loss))
}

proptest! {
    /// Bounds and sum hold for any stream of losses, and whoever said nothing keeps what it had.
    #[test]
    fn weights_stay_within_their_bounds(stream in prop::collection::vec(losses(), 1..400)) {
        let mut factors = [Factor::ONE; 5];
        for losses in &stream {
            let next = weigh(factors, losses);
            prop_assert_eq!(next.iter().map(|factor| factor.0).sum::<i64>(), FACTORS_SUM);
            for (at, factor) in next.iter().enumerate() {
                prop_assert!((Factor::MIN..=Factor::MAX).contains(factor), "{:?}", next);
                prop_assert!(losses[at].is_some() || *factor == factors[at], "it was asleep");
            }
            factors = next;
        }
    }

    #[test]
    fn whoever_is_right_for_long_counts_most(right in 0..5_usize, wrong in 0..5_usize) {
        let mut losses = [Some(Loss(16_384)); 5];
        losses[wrong] = Some(Loss::MAX);
        losses[right] = Some(Loss(0));
        let mut factors = [Factor::ONE; 5];
        (0..200).for_each(|_| factors = weigh(factors, &losses));
        prop_assert_eq!(factors[right], Factor::MAX);
        let least = factors.iter().min().copied();
        prop_assert!(wrong == right || least == Some(factors[wrong]), "{:?}", factors);
        // As soon as it is right, it comes back.
        if wrong != right {
            let before = factors[wrong];
            let mut turned = [Some(Loss(16_384)); 5];
            turned[wrong] = Some(Loss(0));
            factors = weigh(factors, &turned);
            prop_assert!(factors[wrong] > before, "{:?}", factors);
        }
    }
}

#[test]
fn a_tenant_is_heard_once_an_hour_however_many_leases_it_ends() {
    let mut pool = advised();
    for number in 1..=3 {
        pool.send(MINUTE, request(number).into());
    }
    let mut seqs = vec![];
    for (name, at_ms) in [("r1", HOUR), ("r2", 2 * HOUR - 1), ("r3", 2 * HOUR)] {
        let release = end(&pool, name, WorkOutcome::Failed);
        let decision = decide(&mut pool, at_ms, release);
        seqs.push(weighed(&decision).iter().map(|weighed| weighed.seq).collect::<Vec<_>>());
    }
    assert_eq!(seqs, [vec![1], vec![], vec![2]]);
}
