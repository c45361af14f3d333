//! Members that do not behave: who is not listened to, for how long, and that the quorum holds.

mod members;
mod networks;
mod story;

use conclave_core::command::*;
use conclave_core::council::health::*;
use conclave_core::council::quorum::Ground;
use conclave_core::decide::decide;
use conclave_core::decision::*;
use conclave_core::evolve::evolve;
use conclave_core::invariants;
use conclave_core::round::{Grounds, Round, open_round};
use conclave_core::seat::{Seat, score};
use conclave_core::state::Bench;
use members::*;
use networks::{Networks, OTHER};
use story::{MINUTE, POOL, ask};

/// A member says the same from vote `from` to vote `to`.
fn stuck(member: usize, from: i64, to: i64) -> impl FnMut(i64, &mut [MemberVote]) + 'static {
    move |vote, members| {
        behave(vote, members);
        if (from..to).contains(&vote) {
            freeze(&mut members[member]);
        }
    }
}

fn advised(script: impl FnMut(i64, &mut [MemberVote]) + 'static) -> story::Story {
    pool(CouncilMode::Advise, Scripted::votes(script))
}

#[test]
fn whoever_behaves_stays() {
    let mut pool = advised(behave);
    assert_eq!(changes(&mut pool, 0..700), []);
    assert_eq!(pool.state.bench.votes, 700);
}

#[test]
fn a_stuck_member_goes_with_its_64th_vote_and_returns_after_256_good_ones() {
    let mut pool = advised(stuck(3, 10, 200));
    assert_eq!(changes(&mut pool, 0..73), []);
    let decision = vote(&mut pool, 73);
    let gone = decision.events.iter().find_map(|event| match event {
        Event::MemberQuarantined(gone) => Some(gone),
        _ => None,
    });
    let gone = gone.expect("64 votes are enough");
    let expected = (4, Cause::Stuck, 64, 64, 74);
    assert_eq!((gone.member, gone.cause, gone.found, gone.bound, gone.votes), expected);
    // It votes on, and nobody listens.
    let decision = vote(&mut pool, 74);
    let voted = decision.events.iter().find_map(|event| match event {
        Event::CouncilVoted(voted) => Some(voted),
        _ => None,
    });
    let counted: Vec<bool> = voted.unwrap().members.iter().map(|member| member.counted).collect();
    assert_eq!(counted, [true, true, true, false, true]);
    assert_eq!(changes(&mut pool, 75..600), [(200 + CALM_VOTES - 1, "returns", 3)]);
}

#[test]
fn whoever_relapses_before_it_returned_begins_its_time_anew() {
    let mut pool = advised(|vote, members| {
        behave(vote, members);
        if (10..80).contains(&vote) || (300..340).contains(&vote) {
            freeze(&mut members[0]);
        }
    });
    let seen = changes(&mut pool, 0..700);
    assert_eq!(seen, [(73, "goes", 0), (340 + CALM_VOTES - 1, "returns", 0)]);
}

#[test]
fn the_same_answer_to_the_same_question_is_no_sign() {
    let mut pool = advised(stuck(3, 0, 200));
    // A round is told what stood when it opened: all of its requests are the same to the council.
    let same = |number| ask(&format!("r{number}"), "t").into();
    pool.send_round(MINUTE, (0..130).map(same).collect());
    assert_eq!(pool.state.bench.votes, 130);
    assert!(pool.state.bench.weights().members[3].is_some());
}

#[test]
fn two_members_at_most_are_in_quarantine_and_the_third_waits_for_a_place() {
    let mut pool = advised(|vote, members| {
        behave(vote, members);
        let until = [100, 700, 700, 700, 0];
        for (member, until) in members.iter_mut().zip(until) {
            if vote < until {
                freeze(member);
            }
        }
    });
    let seen = changes(&mut pool, 0..600);
    let back = 100 + CALM_VOTES - 1;
    assert_eq!(
        seen,
        [(63, "goes", 0), (63, "goes", 1), (back, "returns", 0), (back, "goes", 2)],
        "one returns and makes a place"
    );
    // Three are left, so there is a quorum.
    let counts = pool.state.bench.weights().members.map(|factor| factor.is_some());
    assert_eq!(counts, [true, false, false, true, true]);
}

#[test]
fn a_member_whose_state_is_at_the_rails_is_saturated() {
    let each = networks::council().words() / 5;
    let mut pool = pool(
        CouncilMode::Advise,
        Scripted::words(move |words| {
            let member = &mut words[2 * each..3 * each];
            member[..each / 2].fill(RAIL);
            member[each / 2..].fill(RAIL - 1);
            // One word less than half of them.
            words[3 * each..][..each / 2 - 1].fill(-16_384);
        }),
    );
    let seen = changes(&mut pool, 0..300);
    assert_eq!(seen, [(WINDOW_STATES - 1, "goes", 2)]);
}

#[test]
fn a_member_that_approves_far_more_than_at_first_drifts() {
    let mut pool = advised(|vote, members| {
        behave(vote, members);
        if (300..900).contains(&vote) {
            members[1].verdict = Verdict::Approve;
        }
    });
    // Half of its first votes were to approve: each one is a quarter of a vote too much.
    let goes = 300 + DRIFT_BOUND / 64;
    let seen = changes(&mut pool, 0..1_000);
    let [(when, "goes", 1)] = seen[..] else { panic!("{seen:?}") };
    assert!((goes - 4..goes).contains(&when), "at its vote {when}");
    assert_eq!(pool.state.bench.members[1].quarantined, Some(Cause::Drifting));
    // It votes as at first again, and so its sums fall.
    let back = changes(&mut pool, 1_000..1_700);
    assert_eq!(back.len(), 1, "{back:?}");
    assert_eq!((back[0].1, back[0].2), ("returns", 1));
}

/// To deny more than at first only puts off, and a pool that fills is a reason to: whoever sees it
/// has to be listened to.
#[test]
fn a_member_that_turns_against_everything_is_listened_to() {
    let mut pool = advised(|vote, members| {
        behave(vote, members);
        if vote >= 300 {
            members[1].verdict = Verdict::Deny;
            members[2].verdict = Verdict::Defer;
        }
    });
    assert_eq!(changes(&mut pool, 0..1_000), []);
}

#[test]
fn another_council_begins_with_a_clean_slate() {
    let mut pool = advised(stuck(3, 0, 900));
    assert_eq!(changes(&mut pool, 0..70).len(), 1);
    pool.send(9 * story::HOUR, seated(OTHER));
    assert_eq!(pool.state.bench, Bench::default());
}

#[test]
fn with_two_members_left_the_rule_score_decides_and_says_so() {
    let mut pool = pool(CouncilMode::Enforce, Networks);
    for (hours, priority) in [(1, 9), (30, 5), (30, 1)] {
        let asked = ask("r", "t").priority(priority).hours(hours).no_cpu();
        let input = pool.input(MINUTE, pool.command(asked.into()));
        let mut ballot = open_round(&pool.state, &[input]);
        let (offset, question) = ballot.newcomers.first_key_value().unwrap();
        let (offset, expected) = (*offset, score(question).verdict);
        ballot.hearing.as_mut().unwrap().weights.members[..3].fill(None);
        let votes = Networks.vote(&ballot).unwrap();
        let vote = &votes.newcomers[&offset];
        let Grounds::Council(spoken) = &vote.grounds else { panic!("{vote:?}") };
        assert_eq!((vote.verdict, spoken.ground), (expected, Ground::Fallback));
        assert_eq!(spoken.members.iter().filter(|member| member.counted).count(), 2);
    }
}

/// The laws, where members go and come back and weights move: the decisions are all there is, and
/// with the votes given it makes no difference where rounds are cut.
#[test]
fn the_bench_is_a_fold_and_does_not_depend_on_where_rounds_are_cut() {
    let mut pool = advised(stuck(3, 10, 120));
    let (mut folded, mut alone) = (pool.state.clone(), pool.state.clone());
    let (mut number, mut seen) = (0, [false; 3]);
    for minute in 1..90 {
        let running = pool.state.pools[POOL].requests.values();
        let running: Vec<_> = running.filter(|one| one.lease().is_some()).collect();
        let names: Vec<String> = running.iter().map(|one| one.ask.request.to_string()).collect();
        let releases = names.iter().map(|name| pool.release(name));
        let asks = (number..number + 5).map(|number| request(number).into());
        number += 5;
        let payloads: Vec<Payload> = releases.chain(asks).collect();
        let inputs = payloads.into_iter().map(|payload| {
            let command = pool.command(payload);
            pool.input(minute * MINUTE, command)
        });
        let round = Round { inputs: inputs.collect() };
        let votes = pool.seat.vote(&open_round(&pool.state, &round.inputs)).unwrap();
        let decisions = decide(&mut pool.state, &round, &votes);
        invariants::check(&pool.state);
        for (input, decision) in round.inputs.iter().zip(&decisions) {
            let one = Round { inputs: vec![input.clone()] };
            let again = decide(&mut alone, &one, &votes).remove(0);
            assert_eq!(again.events, decision.events, "{}", decision.offset);
            evolve(&mut folded, decision);
            for event in &decision.events {
                match event {
                    Event::MemberQuarantined(_) => seen[0] = true,
                    Event::MemberReturned(_) => seen[1] = true,
                    Event::CouncilWeighed(_) => seen[2] = true,
                    _ => {}
                }
            }
        }
        assert_eq!(alone.bench, pool.state.bench, "minute {minute}");
    }
    assert_eq!(folded, pool.state);
    assert_eq!(seen, [true; 3], "all of it happened");
}

/// Constructed councils: whatever one bad member says, what the four others would do by themselves
/// is at worst put off.
#[test]
fn one_bad_member_only_puts_off() {
    use Verdict::{Approve, Defer, Deny};
    for honest in [Approve, Deny, Defer] {
        for bad in [Approve, Deny, Defer] {
            let council = with_members(|at, member| {
                always(member, if at == 4 { bad } else { honest });
            });
            let mut pool = pool(CouncilMode::Enforce, Real(council));
            let decision = vote(&mut pool, 1);
            let verdict = decision.events.iter().find_map(|event| match event {
                Event::CouncilVoted(voted) => Some(voted.verdict),
                _ => None,
            });
            assert!([honest, Defer].contains(&verdict.unwrap()), "{honest:?} {bad:?} {verdict:?}");
            assert_eq!(verdict, Some(honest), "the veto of this council is out of reach");
        }
    }
}

/// A member all of whose weights are zero says the same for ever, and is found out.
#[test]
fn a_member_without_weights_is_stuck() {
    let council = with_members(|at, member| {
        if at == 2 {
            silence(member);
        }
    });
    let mut pool = pool(CouncilMode::Advise, Real(council));
    let seen = changes(&mut pool, 0..80);
    assert!(seen.contains(&(63, "goes", 2)), "{seen:?}");
}

/// Those who came before failed open: every error was three approvals. Here a council whose members
/// are all silent denies or defers, and one without a quorum defers.
#[test]
fn silence_is_no_approval() {
    let silent = with_members(|_, member| silence(member));
    let split = with_members(|at, member| {
        always(member, [Verdict::Approve, Verdict::Deny, Verdict::Defer][at % 3]);
    });
    for council in [silent, split] {
        let mut pool = pool(CouncilMode::Enforce, Real(council));
        for number in 0..100 {
            let decision = vote(&mut pool, number);
            let approves = |event: &Event| match event {
                Event::CouncilVoted(voted) => voted.verdict == Verdict::Approve,
                event => matches!(event, Event::LeaseGranted(_)),
            };
            assert!(!decision.events.iter().any(approves), "{decision:?}");
        }
    }
}
