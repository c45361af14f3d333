//! Tenants below tenants: whose limit holds, what is kept for whom, and who comes first.

mod story;

use conclave_core::blocker::Blocker;
use conclave_core::command::{Payload, SetQuota};
use conclave_core::limits::TREE_DEPTH_MAX;
use conclave_core::state::Pool;
use conclave_core::units::{GpuMilli, TenantId};
use story::{
    HOUR, MINUTE, POOL, Story, activate, ask, below, fair_share, lending, node, preemption, quota,
    share, weighted,
};

/// A pool of `gpus` GPUs on one node, and what else is set.
fn given(gpus: i64, rest: impl IntoIterator<Item = Payload>) -> Story {
    let first = [activate(3), node("a", gpus, "A100")];
    Story::given(first.into_iter().chain(rest))
}

fn pool(story: &Story) -> &Pool {
    &story.state.pools[POOL]
}

/// GPUs that others are promised.
fn held_for_others(story: &Story, tenant: &str) -> i64 {
    pool(story).held_for_others(&TenantId::from(tenant)).0 / 1_000
}

fn limit_of(tenant: &str, used: i64, limit: i64, wanted: i64) -> Option<Blocker> {
    let [used_gpu_milli, limit_gpu_milli, wanted_gpu_milli] =
        [used, limit, wanted].map(|gpus| GpuMilli(gpus * 1_000));
    let tenant = TenantId::from(tenant);
    Some(Blocker::TenantLimit { tenant, used_gpu_milli, limit_gpu_milli, wanted_gpu_milli })
}

#[test]
fn the_limit_of_a_parent_holds_for_all_below_it_together() {
    let tree = [quota("lab", 0, 4), quota("nlp", 0, 9), quota("vision", 0, 9)];
    let tree = tree.into_iter().chain([below("nlp", "lab"), below("vision", "lab")]);
    let mut pool = given(8, tree);
    pool.check(0, ask("n1", "nlp").gpus(3), &["n1 runs on a"]);
    pool.check(0, ask("v1", "vision").gpus(2), &["v1 waits"]);
    assert_eq!(pool.blocker("v1"), limit_of("lab", 3, 4, 2));
    pool.check(0, ask("own", "lab"), &["own runs on a"]);
    assert_eq!(pool.blocker("v1"), limit_of("lab", 4, 4, 2));
    pool.check(0, ask("v2", "vision").gpus(5), &["refused: exceeds_limit"]);
    let released = pool.release("n1");
    pool.check(MINUTE, released, &["n1 is released", "v1 runs on a"]);
}

#[test]
fn what_a_sibling_is_promised_is_kept_for_it_within_the_guarantee_of_the_parent() {
    let tree = [quota("lab", 6, 9), quota("nlp", 0, 9), quota("vision", 0, 9), quota("out", 0, 9)];
    let tree = tree.into_iter().chain([below("nlp", "lab"), below("vision", "lab")]);
    let mut pool = given(8, tree.chain([quota("vision", 2, 9)]));
    // Six for all of the lab, two of which are for vision alone.
    assert_eq!(held_for_others(&pool, "out"), 6);
    assert_eq!(held_for_others(&pool, "nlp"), 2);
    assert_eq!(held_for_others(&pool, "vision"), 0);
    pool.check(0, ask("o1", "out").gpus(3), &["o1 waits"]);
    pool.check(0, ask("o2", "out").gpus(2), &["o2 runs on a"]);
    pool.check(0, ask("n1", "nlp").gpus(5), &["n1 waits"]);
    pool.check(0, ask("n2", "nlp").gpus(4), &["n2 runs on a"]);
    // What the lab has used of its guarantee counts, whoever of it did.
    assert_eq!(held_for_others(&pool, "out"), 2);
    pool.check(0, ask("n3", "nlp"), &["n3 waits"]);
    pool.check(0, ask("own", "lab"), &["own waits"]);
    pool.check(0, ask("v1", "vision").gpus(2), &["v1 runs on a"]);
}

#[test]
fn a_child_that_uses_more_than_the_parent_has_left_leaves_its_siblings_promise_alone() {
    let tree = [quota("lab", 4, 9), quota("nlp", 0, 9), quota("vision", 0, 9), quota("out", 0, 9)];
    let tree = tree.into_iter().chain([below("nlp", "lab"), below("vision", "lab")]);
    let mut pool = given(8, tree.chain([quota("vision", 3, 9)]));
    pool.check(0, ask("n1", "nlp").gpus(5), &["n1 runs on a"]);
    // The lab uses more than it is guaranteed, and vision is still promised its three.
    assert_eq!(held_for_others(&pool, "out"), 3);
    pool.check(0, ask("o1", "out"), &["o1 waits"]);
    pool.check(0, ask("v1", "vision").gpus(3), &["v1 runs on a"]);
}

#[test]
fn a_tree_has_no_cycle_and_an_end() {
    let names: Vec<String> = (0..=TREE_DEPTH_MAX).map(|level| format!("t{level}")).collect();
    let mut pool = given(8, names.iter().map(|name| quota(name, 0, 9)));
    pool.check(0, below("t0", "t0"), &["refused: tenant_cycle"]);
    for pair in names.windows(2).take(TREE_DEPTH_MAX - 1) {
        let told = format!("{} stands below {}", pair[1], pair[0]);
        pool.check(0, below(&pair[1], &pair[0]), &[&told]);
    }
    pool.check(0, below("t0", "t7"), &["refused: tenant_cycle"]);
    pool.check(0, below("t8", "t7"), &["refused: tree_too_deep"]);
    pool.check(0, below("t0", "t8"), &["refused: tree_too_deep"]);
    pool.check(0, below("t8", "t6"), &["t8 stands below t6"]);
    pool.check(0, below("t8", "t6"), &[]);
    pool.check(0, below("t8", "nobody"), &["refused: unknown_tenant"]);
    pool.check(0, below("nobody", "t8"), &["refused: unknown_tenant"]);
    pool.check(0, below("t4", ""), &["t4 stands at the top"]);
    pool.check(0, below("t0", "t7"), &["t0 stands below t7"]);
}

#[test]
fn nobody_guarantees_more_than_there_is() {
    let mut pool = given(8, [quota("lab", 6, 9), quota("nlp", 2, 9), quota("vision", 0, 9)]);
    pool.check(0, quota("vision", 1, 9), &["refused: overpromised"]);
    pool.check(0, below("nlp", "lab"), &["nlp stands below lab"]);
    // What a child is guaranteed is a part of what its parent is.
    pool.check(0, quota("vision", 2, 9), &["vision has a quota"]);
    pool.check(0, below("vision", "lab"), &["vision stands below lab"]);
    pool.check(0, quota("vision", 5, 9), &["refused: exceeds_parent"]);
    pool.check(0, quota("vision", 4, 9), &["vision has a quota"]);
    pool.check(0, quota("lab", 5, 9), &["refused: exceeds_parent"]);
    pool.check(0, quota("lab", 9, 9), &["refused: overpromised"]);
    pool.check(0, quota("lab", 8, 9), &["lab has a quota"]);
    pool.check(0, below("vision", ""), &["refused: overpromised"]);
    pool.check(0, quota("small", 0, 9), &["small has a quota"]);
    pool.check(0, below("vision", "small"), &["refused: exceeds_parent"]);
}

#[test]
fn a_pool_without_nodes_promises_what_it_likes_and_lowers_it_later() {
    let mut pool = Story::given([activate(3), quota("s", 9, 9), quota("t", 9, 9)]);
    pool.check(0, node("a", 8, "A100"), &["a joins"]);
    pool.check(0, weighted("u", 9, 2), &["u has a quota"]);
    pool.check(0, quota("u", 1, 9), &["refused: overpromised"]);
    pool.check(0, quota("s", 10, 10), &["refused: overpromised"]);
    pool.check(0, quota("s", 8, 10), &["s has a quota"]);
}

#[test]
fn whoever_moves_takes_what_it_holds_and_has_used_along() {
    let tree = [quota("lab", 0, 4), quota("shop", 0, 3), quota("nlp", 0, 9), quota("cv", 0, 9)];
    let tree = tree.into_iter().chain([below("nlp", "lab"), below("cv", "nlp")]);
    let mut story = given(8, tree);
    story.check(0, ask("c1", "cv").gpus(3).hours(9), &["c1 runs on a"]);
    story.check(0, ask("l1", "lab").gpus(2), &["l1 waits"]);
    story.check(0, ask("c2", "cv"), &["c2 runs on a"]);
    let used = |story: &Story, name: &str| pool(story).tenants[name].used_with_below().0 / 1_000;
    assert_eq!(["lab", "nlp", "cv", "shop"].map(|name| used(&story, name)), [4, 4, 4, 0]);
    // More than the shop's limit: it stays, and nothing more starts there.
    story.check(HOUR, below("nlp", "shop"), &["nlp stands below shop", "l1 runs on a"]);
    assert_eq!(["lab", "nlp", "cv", "shop"].map(|name| used(&story, name)), [2, 4, 4, 4]);
    story.check(HOUR, ask("s1", "shop"), &["s1 waits"]);
    assert_eq!(story.blocker("s1"), limit_of("shop", 4, 3, 1));
    let settled = |story: &Story, name: &str| {
        pool(story).tenants[name].ledger_with_below().settled_gpu_milli_ms()
    };
    let released = story.release("c1");
    story.check(2 * HOUR, released, &["c2 expires", "c1 is released", "s1 runs on a"]);
    assert_eq!(settled(&story, "lab"), 0);
    assert_eq!(settled(&story, "shop"), settled(&story, "cv"));
    story.check(2 * HOUR, below("nlp", ""), &["nlp stands at the top"]);
    assert_eq!(settled(&story, "shop"), 0);
    assert_eq!(settled(&story, "nlp"), settled(&story, "cv"));
}

#[test]
fn siblings_are_compared_where_their_ways_part() {
    let tree = [quota("lab", 0, 9), quota("shop", 0, 9), quota("nlp", 0, 9), quota("cv", 0, 9)];
    let more = [quota("bakery", 0, 9), quota("till", 0, 9), fair_share(Some(24 * HOUR))];
    let ways = [("nlp", "lab"), ("cv", "lab"), ("bakery", "shop"), ("till", "shop")];
    let ways = ways.map(|(name, above)| below(name, above));
    let mut pool = given(4, tree.into_iter().chain(more).chain(ways));
    pool.check(0, ask("t1", "till").gpus(3), &["t1 runs on a"]);
    pool.check(0, ask("n1", "nlp"), &["n1 runs on a"]);
    for (name, tenant) in [("b2", "bakery"), ("s2", "shop"), ("n2", "nlp"), ("c2", "cv")] {
        pool.check(0, ask(name, tenant), &[&format!("{name} waits")]);
    }
    let released = pool.release("t1");
    // The shop holds nothing now: of it the bakery, which came before the shop itself. Then the
    // lab, which has used less of late, and of it cv. Then the shop: the till has used more.
    let told = ["t1 is released", "b2 runs on a", "c2 runs on a", "s2 runs on a"];
    pool.check(MINUTE, released, &told);
}

#[test]
fn what_is_guaranteed_above_is_taken_back_from_others_and_not_within_the_family() {
    let tree = [quota("lab", 4, 9), quota("nlp", 0, 9), quota("cv", 0, 9), quota("out", 0, 9)];
    let tree = tree.into_iter().chain([below("nlp", "lab"), below("cv", "lab")]);
    let mut pool = given(4, tree.chain([preemption(0, 0, 3)]));
    pool.send(0, quota("lab", 0, 9));
    pool.check(0, ask("n1", "nlp").gpus(2).preemptible(), &["n1 runs on a"]);
    pool.check(0, ask("o1", "out").gpus(2).preemptible(), &["o1 runs on a"]);
    pool.send(0, quota("lab", 4, 9));
    // Both have the priority of cv: only the one beyond a guarantee goes.
    let told = ["o1 ends at 1 for c1 by Guarantee", "o1 makes room for c1", "c1 runs on a"];
    pool.check(1, ask("c1", "cv").gpus(2), &told);
    pool.check(2, ask("c2", "cv").gpus(2), &["c2 waits"]);
}

#[test]
fn within_a_family_a_priority_may_take_what_the_parent_is_guaranteed() {
    let tree = [quota("lab", 4, 9), quota("nlp", 0, 9), quota("cv", 0, 9), quota("out", 0, 9)];
    let tree = tree.into_iter().chain([below("nlp", "lab"), below("cv", "lab")]);
    let mut pool = given(4, tree.chain([preemption(0, 0, 3), quota("nlp", 2, 9)]));
    pool.check(0, ask("n1", "nlp").gpus(2).preemptible(), &["n1 runs on a"]);
    pool.check(0, ask("n2", "nlp").gpus(2).preemptible(), &["n2 runs on a"]);
    pool.check(1, ask("o1", "out").gpus(2).priority(9), &["o1 waits"]);
    let told = ["n2 ends at 2 for c1 by Priority", "n2 makes room for c1", "c1 runs on a"];
    pool.check(2, ask("c1", "cv").gpus(2).priority(9), &told);
    // What nlp itself is guaranteed is not cv's to take.
    pool.check(3, ask("c2", "cv").gpus(2).priority(9), &["c2 waits"]);
}

#[test]
fn trees_come_with_version_3() {
    let mut pool = Story::given([activate(2), node("a", 1, "A100"), quota("s", 0, 9)]);
    pool.check(0, quota("t", 99, 99), &["t has a quota"]);
    pool.check(0, below("s", "t"), &["refused: unknown_version"]);
    pool.check(0, activate(3), &["version 3 decides"]);
    // What was promised before stays, and is not raised.
    let share = SetQuota { weight: 2, ..share("t", 99, 99) };
    pool.check(0, Payload::SetQuota(share), &["t has a quota"]);
    pool.check(0, quota("t", 100, 100), &["refused: overpromised"]);
    pool.check(0, lending("s", "t", Some(-1)), &["refused: out_of_range"]);
    pool.check(0, lending("s", "t", Some(1)), &["s stands below t"]);
}
