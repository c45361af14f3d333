//! What is promised and idle is lent to work that makes room again.

mod story;

use conclave_core::blocker::Blocker;
use conclave_core::command::{Payload, SetPreemption};
use conclave_core::explain::{Field, Value, smallest_changes};
use conclave_core::state::Tenant;
use conclave_core::units::{GpuMilli, TenantId};
use story::{
    Ask, HOUR, MINUTE, POOL, Story, activate, ask, below, borrower, lending, node, preemption,
    quota, shrink,
};

/// Work that may be preempted.
fn low(name: &str, tenant: &str) -> Ask {
    ask(name, tenant).priority(2).preemptible()
}

/// Eight GPUs on two nodes, six of them guaranteed to the owner; `s` borrows up to `borrow`.
fn given(borrow: i64) -> Story {
    let nodes = [activate(3), node("a", 4, "A100"), node("b", 4, "A100")];
    let rest = [preemption(0, 0, 2), quota("owner", 6, 99), borrower("s", 0, 99, borrow)];
    Story::given(nodes.into_iter().chain(rest))
}

fn tenant<'a>(story: &'a Story, name: &str) -> &'a Tenant {
    &story.state.pools[POOL].tenants[name]
}

/// GPUs that one lent, and another borrowed.
fn lent_and_borrowed(story: &Story, lender: &str, borrower: &str) -> (i64, i64) {
    let lent = tenant(story, lender).branch.lent_gpu_milli;
    (lent.0 / 1_000, tenant(story, borrower).borrowed_with_below().0 / 1_000)
}

#[test]
fn an_idle_guarantee_is_lent_and_called_back() {
    let mut pool = given(4);
    // Two belong to nobody, the next four are the owner's.
    pool.check(0, low("s1", "s").gpus(3), &["s1 runs on a"]);
    assert_eq!(lent_and_borrowed(&pool, "owner", "s"), (1, 1));
    pool.check(1, low("s2", "s").gpus(3), &["s2 runs on b"]);
    assert_eq!(lent_and_borrowed(&pool, "owner", "s"), (4, 4));
    pool.check(1, low("s3", "s"), &["s3 waits"]);
    let limit = Blocker::BorrowLimit {
        tenant: TenantId::from("s"),
        borrowed_gpu_milli: GpuMilli(4_000),
        limit_gpu_milli: GpuMilli(4_000),
        needed_gpu_milli: GpuMilli(1_000),
    };
    assert_eq!(pool.blocker("s3"), Some(limit));
    pool.check(1, ask("o1", "owner"), &["o1 runs on a"]);
    // The one that ran for the shortest time, and it is enough.
    let told = ["s2 ends at 2 for o2 by Guarantee", "s2 makes room for o2", "o2 runs on b"];
    pool.check(2, ask("o2", "owner").gpus(3).priority(1), &[&told[..], &["s3 runs on b"]].concat());
    assert_eq!(lent_and_borrowed(&pool, "owner", "s"), (2, 2));
    let told = pool.send(3, ask("o3", "owner").gpus(2).priority(1).into());
    assert_eq!(told[0], "s1 ends at 3 for o3 by Guarantee");
    assert_eq!(lent_and_borrowed(&pool, "owner", "s"), (1, 1));
}

#[test]
fn nobody_borrows_whose_work_does_not_make_room() {
    let mut pool = given(4);
    pool.check(0, ask("fixed", "s").gpus(3), &["fixed waits"]);
    let held = Blocker::HeldForOthers {
        free_gpu_milli: GpuMilli(8_000),
        held_gpu_milli: GpuMilli(6_000),
        wanted_gpu_milli: GpuMilli(3_000),
    };
    assert_eq!(pool.blocker("fixed"), Some(held));
    assert_eq!(changes(&pool, "fixed", Field::Preemptible), Some(Value::Flag(true)));
    pool.send(0, quota("t", 0, 99));
    pool.check(0, low("t1", "t").gpus(3), &["t1 waits"]);
    assert_eq!(changes(&pool, "t1", Field::BorrowGpuMilli), Some(Value::Number(1_000)));
}

/// What a field would have to become for a request to start.
fn changes(story: &Story, request: &str, field: Field) -> Option<Value> {
    let changes = smallest_changes(&story.state, &POOL.into(), &request.into());
    changes.into_iter().find(|change| change.field == field).map(|change| change.to)
}

#[test]
fn without_rules_of_preemption_nothing_is_lent() {
    let nodes = [activate(3), node("a", 4, "A100")];
    let mut pool = Story::given(nodes.into_iter().chain([quota("owner", 4, 9)]));
    pool.check(0, borrower("s", 0, 9, 4), &["s has a quota"]);
    pool.check(0, low("s1", "s"), &["s1 waits"]);
    pool.check(1, preemption(0, 0, 1), &["the rules of preemption are set", "s1 runs on a"]);
}

#[test]
fn whoever_was_preempted_as_often_as_may_be_borrows_no_more() {
    let mut pool = given(4);
    pool.check(0, ask("o1", "owner").gpus(2), &["o1 runs on a"]);
    pool.check(0, low("s1", "s").gpus(4), &["s1 runs on b"]);
    for (name, at) in [("o2", 1), ("o3", 3)] {
        let told = pool.send(at, ask(name, "owner").gpus(4).into());
        assert_eq!(told.last(), Some(&format!("{name} runs on b")), "{told:?}");
        let released = pool.release(name);
        let told = pool.send(at + 1, released);
        let starts_again = told.contains(&"s1 runs on b".to_owned());
        assert_eq!(starts_again, name == "o2", "{told:?}");
    }
    // A later one that was never preempted may.
    pool.check(5, low("s2", "s").gpus(4), &["s2 runs on b"]);
}

#[test]
fn an_owner_lends_no_more_than_it_said() {
    let mut pool = given(9);
    pool.check(0, lending("owner", "", Some(2)), &["owner stands at the top"]);
    pool.check(0, low("s1", "s").gpus(3), &["s1 runs on a"]);
    pool.check(0, low("s2", "s").gpus(2), &["s2 waits"]);
    pool.check(0, low("s3", "s"), &["s3 runs on a"]);
    assert_eq!(lent_and_borrowed(&pool, "owner", "s"), (2, 2));
    pool.check(0, lending("owner", "", Some(0)), &["owner stands at the top"]);
    assert_eq!(lent_and_borrowed(&pool, "owner", "s"), (2, 2));
    let released = pool.release("s3");
    pool.check(1, released, &["s3 is released"]);
    pool.check(1, low("s4", "s"), &["s4 waits"]);
    pool.check(
        2,
        lending("owner", "", None),
        &["owner stands at the top", "s2 runs on b", "s4 runs on a"],
    );
}

#[test]
fn a_parent_caps_what_all_below_it_borrow() {
    let mut pool = given(9);
    for payload in [borrower("lab", 0, 99, 3), below("s", "lab"), borrower("t", 0, 99, 9)] {
        pool.send(0, payload);
    }
    pool.send(0, below("t", "lab"));
    pool.check(0, low("s1", "s").gpus(4), &["s1 runs on a"]);
    pool.check(0, low("t1", "t").gpus(2), &["t1 waits"]);
    assert!(matches!(
        pool.blocker("t1"),
        Some(Blocker::BorrowLimit { tenant, .. }) if tenant.0 == "lab"
    ));
    pool.check(0, low("t2", "t"), &["t2 runs on b"]);
    assert_eq!(lent_and_borrowed(&pool, "owner", "lab"), (3, 3));
    // Without a limit of the parent's own, only theirs count.
    pool.check(1, borrower("lab", 0, 99, 0), &["lab has a quota", "t1 runs on b"]);
}

#[test]
fn what_is_borrowed_goes_first_even_where_others_are_lower() {
    let nodes = [activate(3), node("a", 4, "A100"), quota("owner", 3, 9), quota("t", 0, 9)];
    let mut pool = Story::given(nodes.into_iter().chain([preemption(0, 0, 3)]));
    pool.send(0, borrower("s", 0, 9, 9));
    pool.check(0, low("t1", "t").priority(1), &["t1 runs on a"]);
    pool.check(0, low("s1", "s").gpus(3).priority(9), &["s1 runs on a"]);
    let told = ["s1 ends at 1 for o1 by Guarantee", "s1 makes room for o1", "o1 runs on a"];
    pool.check(1, ask("o1", "owner").gpus(3).priority(1), &told);
}

#[test]
fn a_lease_that_borrowed_a_part_is_called_back_whole() {
    let nodes = [activate(3), node("a", 4, "A100"), quota("owner", 2, 9)];
    let mut pool = Story::given(nodes.into_iter().chain([preemption(0, 0, 3)]));
    pool.send(0, borrower("s", 2, 9, 2));
    pool.check(0, low("s1", "s").gpus(4), &["s1 runs on a"]);
    assert_eq!(lent_and_borrowed(&pool, "owner", "s"), (2, 2));
    let told = ["s1 ends at 1 for o1 by Guarantee", "s1 makes room for o1", "o1 runs on a"];
    pool.check(1, ask("o1", "owner").gpus(2), &told);
    // What it is guaranteed it has again at once, with less.
    pool.check(2, low("s2", "s").gpus(2), &["s2 runs on a"]);
}

#[test]
fn an_owner_is_looked_at_however_many_wait_before_it() {
    let mut pool = given(6);
    pool.check(0, low("s1", "s").gpus(4), &["s1 runs on a"]);
    pool.check(0, low("s2", "s").gpus(4), &["s2 runs on b"]);
    pool.send(0, Payload::SetPreemption(SetPreemption { rules: None }));
    for index in 0..6 {
        let name = format!("q{index}");
        pool.send(0, quota(&name, 0, 9));
        pool.check(0, low(&name, &name), &[&format!("{name} waits")]);
    }
    pool.check(1, ask("o1", "owner").gpus(4).priority(1), &["o1 waits"]);
    // Its turn is last, and nobody before it has a right to anything.
    let told = pool.send(2, preemption(HOUR, 0, 3));
    assert_eq!(told[1], format!("s1 ends at {HOUR} for o1 by Guarantee"));
}

#[test]
fn what_is_given_back_early_is_repaid_first() {
    let mut pool = given(4);
    pool.check(0, low("s1", "s").replicas(3), &["s1 runs on a+a+a"]);
    assert_eq!(lent_and_borrowed(&pool, "owner", "s"), (1, 1));
    let fencing = pool.fencing("s1");
    pool.check(MINUTE, shrink("s1", fencing, 1), &["s1 keeps 1"]);
    assert_eq!(lent_and_borrowed(&pool, "owner", "s"), (0, 0));
}

#[test]
fn of_several_lenders_whoever_can_lend_most_lends_first() {
    let nodes = [activate(3), node("a", 8, "A100"), preemption(0, 0, 3)];
    let quotas = [quota("one", 2, 9), quota("two", 4, 9), borrower("s", 0, 9, 9)];
    let mut pool = Story::given(nodes.into_iter().chain(quotas));
    pool.check(0, low("s1", "s").gpus(7), &["s1 runs on a"]);
    let lent = |name: &str| tenant(&pool, name).branch.lent_gpu_milli.0 / 1_000;
    assert_eq!((lent("one"), lent("two")), (1, 4));
}

#[test]
fn borrowing_comes_with_version_3() {
    let mut pool = Story::given([activate(2), node("a", 1, "A100")]);
    pool.check(0, borrower("s", 0, 9, 1), &["refused: unsupported"]);
    pool.check(0, activate(3), &["version 3 decides"]);
    pool.check(0, borrower("s", 0, 9, -1), &["refused: out_of_range"]);
    pool.check(0, borrower("s", 0, 9, 1), &["s has a quota"]);
}
