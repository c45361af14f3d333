//! Requests that would have been answered otherwise: what was planted is found, in the request's
//! own units, and nothing else.

use crate::explain::mild;
use crate::story::{Ask, HOUR, POOL, Story, ask, node, quota};
use conclave_core::command::RequestAllocation;
use conclave_core::council::explain::{EVALUATIONS_PER_FIELD_MAX, Flip, Step, flips};
use conclave_core::council::features::{Asked, FEATURES};
use conclave_core::council::member::Head;
use conclave_core::council::*;
use conclave_core::decision::Verdict;
use conclave_core::explain::{Field, Value};
use conclave_core::placement::draw::Draw;
use conclave_core::units::{CpuMilli, DurationMs, GpuMilli, MemoryMib, TimeMs};
use std::cell::Cell;

const NOW: TimeMs = TimeMs(5 * HOUR);

/// A pool of 32 GPUs, of which `t` may hold 24.
fn pool() -> Story {
    Story::given([node("a", 16, "A100"), node("b", 16, "T4"), quota("t", 4, 24)])
}

fn features_of(pool: &Story, ask: &RequestAllocation) -> Features {
    let asked = Asked { ask, attempt: 1, arrived_at_ms: NOW };
    Features::of_request(&pool.state.pools[POOL], &asked, NOW)
}

fn index(name: &str) -> usize {
    FEATURES.iter().find(|row| row.name == name).unwrap().index
}

/// A council of one that denies when feature `name` is `threshold` or more, and approves otherwise:
/// the logit to deny rises with the feature and is 0 at the threshold, that to approve falls.
fn reads(name: &str, threshold: i32) -> Council {
    let mut parts = mild(1, 1);
    let (member, hidden) = (&mut parts.members[0], parts.hidden);
    for rows in [&mut member.heads, &mut member.readout] {
        rows.weights.fill(0);
        rows.multipliers.fill(512);
        rows.shifts.fill(9);
    }
    for head in [Head::Early, Head::Late] {
        let row = head.row(hidden, 0);
        member.heads.weights[row * hidden.operands() + index(name)] = 100;
        member.heads.biases[row] = -100 * threshold;
    }
    (member.readout.weights[0], member.readout.weights[hidden.units()]) = (-127, 127);
    member.readout.biases[2] = -4_000_000;
    Council::new(parts).unwrap()
}

/// The flips of a first vote on `ask`.
fn found(
    council: &Council,
    ask: &RequestAllocation,
    verdict_of: impl Fn(&CouncilLogits) -> Verdict,
) -> Vec<Flip> {
    let pool = pool();
    let (state, features) = (HiddenState::new(council), features_of(&pool, ask));
    let step = Step { state: &state, features: &features, time: TimeCode::default() };
    let count = Cell::new(0);
    let verdict_of = |logits: &CouncilLogits| {
        count.set(count.get() + 1);
        verdict_of(logits)
    };
    let found = flips(council, &step, (ask, NOW), |ask| features_of(&pool, ask), verdict_of);
    assert!(count.get() <= 1 + 10 * EVALUATIONS_PER_FIELD_MAX);
    found
}

fn of_first(logits: &CouncilLogits) -> Verdict {
    logits.members()[0].verdict()
}

fn numbers(flips: &[Flip]) -> Vec<(Field, i64, i64, Verdict)> {
    let number = |value: &Value| match value {
        Value::Number(number) => *number,
        Value::Flag(is_so) => i64::from(*is_so),
        Value::Models(_) | Value::Word(_) => panic!("{value:?} is never changed"),
    };
    let numbers = flips.iter();
    numbers.map(|flip| (flip.field, number(&flip.from), number(&flip.to), flip.verdict)).collect()
}

#[track_caller]
fn check((name, threshold): (&str, i32), ask: Ask, expected: &[(Field, i64, i64, Verdict)]) {
    let found = found(&reads(name, threshold), &ask.0, of_first);
    assert_eq!(numbers(&found), expected, "{name} from {threshold} on");
}

#[test]
fn a_planted_threshold_is_found_in_the_units_of_the_request() {
    use Verdict::{Approve, Deny};
    // Three hours are 53 on the scale, which begins at 10,239 s; a logit of 0 denies.
    let long = [(Field::ExpectedDurationMs, 3 * HOUR, 10_238_999, Approve)];
    check(("duration", 53), ask("r", "t").hours(3), &long);
    let calm = [(Field::Priority, 5, 6, Deny)];
    check(("priority", 38), ask("r", "t"), &calm);
    let urgent = [(Field::Priority, 5, 4, Approve)];
    check(("priority", 32), ask("r", "t"), &urgent);
    check(("preemptible", 64), ask("r", "t"), &[(Field::Preemptible, 0, 1, Deny)]);
    let many = [(Field::Replicas, 9, 7, Approve)];
    check(("replicas", 12), ask("r", "t").replicas(9), &many);
    let slack = [(Field::DeadlineMs, 6 * HOUR, 5 * HOUR + 4_095_000, Deny)];
    check(("slack", 48), ask("r", "t").deadline(6 * HOUR), &slack);
}

#[test]
fn whatever_makes_it_smaller_is_found_the_smallest_change_first() {
    use Verdict::Approve;
    // 8 GPUs are 8,000 milli and 51; 47 ends before 4,095.
    let smaller = [(Field::GpuMilli, 1_000, 511, Approve), (Field::Replicas, 8, 4, Approve)];
    check(("gpus", 48), ask("r", "t").replicas(8), &smaller);
    let gpus = [(Field::Replicas, 8, 5, Approve), (Field::GpuCount, 2, 1, Approve)];
    check(("gpus", 53), ask("r", "t").replicas(8).gpus(2), &gpus);
}

#[test]
fn a_verdict_that_no_field_moves_has_no_flip() {
    check(("age", 1), ask("r", "t"), &[]);
    check(("duration", 0), ask("r", "t").hours(3), &[]);
    check(("priority", 127), ask("r", "t"), &[]);
    let always = |_: &CouncilLogits| Verdict::Defer;
    assert_eq!(found(&reads("priority", 32), &ask("r", "t").0, always), []);
}

/// Further on the same way there can be another verdict, which may be the one that is wished for.
#[test]
fn each_other_verdict_has_its_nearest_change() {
    let verdict_of = |logits: &CouncilLogits| match logits.members()[0].0[1] {
        ..0 => Verdict::Approve,
        0..6_000 => Verdict::Defer,
        6_000.. => Verdict::Deny,
    };
    let found = found(&reads("priority", 32), &ask("r", "t").priority(7).0, verdict_of);
    let expected =
        [(Field::Priority, 7, 6, Verdict::Defer), (Field::Priority, 7, 4, Verdict::Approve)];
    assert_eq!(numbers(&found), expected);
}

/// How a test sets a field by a number.
type Set = fn(&mut RequestAllocation, i64);

/// All values of one field, the nearest first, tried one by one.
fn tried(
    council: &Council,
    ask: &RequestAllocation,
    values: &[i64],
    set: Set,
) -> Vec<(Verdict, i64)> {
    let pool = pool();
    let verdict = |ask: &RequestAllocation| {
        let features = features_of(&pool, ask);
        of_first(&council.step(&mut HiddenState::new(council), &features, TimeCode::default()))
    };
    let own = verdict(ask);
    let mut first: Vec<(Verdict, i64)> = vec![];
    for value in values {
        let mut changed = ask.clone();
        set(&mut changed, *value);
        let said = verdict(&changed);
        if said != own && first.iter().all(|(known, _)| *known != said) {
            first.push((said, *value));
        }
    }
    first
}

/// Against trying every value: councils that nobody trained, and a request with few of them.
#[test]
fn nothing_nearer_is_missed() {
    let mut ask = ask("r", "t").replicas(12).slice(700).0;
    (ask.cpu_milli, ask.memory_mib) = (CpuMilli(900), MemoryMib(700));
    ask.expected_duration_ms = DurationMs(9_000);
    let down = |from: i64, last: i64| (last..from).rev().collect::<Vec<_>>();
    let fields: [(Field, Vec<i64>, Set); 7] = [
        (Field::Replicas, down(12, 1), |ask, to| ask.replicas = to),
        (Field::GpuCount, vec![], |ask, to| ask.gpu_count = to),
        (Field::GpuMilli, down(700, 1), |ask, to| ask.gpu_milli = GpuMilli(to)),
        (Field::CpuMilli, down(900, 0), |ask, to| ask.cpu_milli = CpuMilli(to)),
        (Field::MemoryMib, down(700, 0), |ask, to| ask.memory_mib = MemoryMib(to)),
        (Field::ExpectedDurationMs, down(9_000, 1), |ask, to| {
            ask.expected_duration_ms = DurationMs(to);
        }),
        (Field::Priority, vec![6, 4, 7, 3, 8, 2, 9, 1, 10], |ask, to| ask.priority = to),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..24 {
        let council = Council::new(mild(seed, 1)).unwrap();
        let found = numbers(&found(&council, &ask, of_first));
        for (field, values, set) in &fields {
            let mut of_field: Vec<_> = found.iter().filter(|flip| flip.0 == *field).collect();
            of_field.sort_by_key(|(_, from, to, _)| (to - from).abs());
            let of_field: Vec<_> = of_field.iter().map(|flip| (flip.3, flip.2)).collect();
            let expected = tried(&council, &ask, values, *set);
            assert_eq!(of_field, expected, "{field:?} with seed {seed}");
            seen.extend(of_field.iter().map(|_| *field));
        }
    }
    assert!(seen.len() >= 4, "hardly anything turned: {seen:?}");
}

/// What the search for the nearest value rests on, and its bound: every field walked along, with
/// all values of replicas and of a GPU's milli, and some of the others.
#[test]
fn each_feature_only_rises_or_only_falls_with_each_field() {
    let pool = pool();
    let draw = &mut Draw::new(2);
    let fields: [(Set, i64); 7] = [
        (|ask, at| ask.replicas = 1 + at, 1_023),
        (|ask, at| (ask.gpu_count, ask.gpu_milli) = (1, GpuMilli(1 + at)), 999),
        (|ask, at| ask.gpu_count = 1 + at, 15),
        (|ask, at| ask.cpu_milli = CpuMilli(at * 16_000), 1_024),
        (|ask, at| ask.memory_mib = MemoryMib(at * 65_536), 1_024),
        (|ask, at| ask.expected_duration_ms = DurationMs(1 + at * 300_000_000), 1_051),
        (|ask, at| ask.deadline_ms = Some(TimeMs(at * 200_000_000_000)), 1_267),
    ];
    for _ in 0..20 {
        for (set, last) in fields {
            let mut below = |bound| i64::try_from(draw.below(bound)).unwrap();
            let mut ask = ask("r", "t").replicas(1 + below(1_024)).gpus(1 + below(16)).0;
            (ask.cpu_milli, ask.memory_mib) = (CpuMilli(below(1 << 24)), MemoryMib(below(1 << 26)));
            ask.expected_duration_ms = DurationMs(1 + below(1 << 38));
            let told = (0..=last).map(|at| {
                set(&mut ask, at);
                *features_of(&pool, &ask).values()
            });
            let told: Vec<_> = told.collect();
            for row in &FEATURES {
                let is_sorted = told.is_sorted_by_key(|values| values[row.index])
                    || told.iter().rev().is_sorted_by_key(|values| values[row.index]);
                assert!(is_sorted, "{} rises and falls: {ask:?}", row.name);
            }
            let steps = told.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(steps <= EVALUATIONS_PER_FIELD_MAX, "{steps} steps: {ask:?}");
        }
    }
}

#[test]
#[should_panic(expected = "the step is a vote on this request")]
fn a_step_of_another_request_is_a_bug() {
    let (council, pool) = (reads("priority", 32), pool());
    let other = features_of(&pool, &ask("r", "t").priority(9).0);
    let state = HiddenState::new(&council);
    let step = Step { state: &state, features: &other, time: TimeCode::default() };
    let found =
        flips(&council, &step, (&ask("r", "t").0, NOW), |ask| features_of(&pool, ask), of_first);
    panic!("found {found:?}");
}
