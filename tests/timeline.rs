//! The timeline says of every request at every moment what the state said then.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave::demo::{Scale, Source, feed_to_the_end};
use conclave::engine::Engine;
use conclave::fold::Folded;
use conclave::log::LogReader;
use conclave::log::memory::MemoryLog;
use conclave::timeline::{KINDS, Options, Timeline, UNTIL_OPEN};
use conclave_core::blocker::{Blocker, Blockers};
use conclave_core::command::PlacementPolicy;
use conclave_core::seat::RuleSeat;
use conclave_core::state::{Request, Stage, State};
use conclave_core::units::{Offset, PoolId, TenantId};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A workload with waiting, deferrals and ends of every kind.
static LOG: LazyLock<MemoryLog> = LazyLock::new(|| {
    let placement = PlacementPolicy::BestFit;
    let scale = Scale { nodes_permille: 10, time_permille: None, placement };
    let workload = scale.apply(&Source::synthetic(7, 700));
    let (engine, _) = Engine::open(MemoryLog::new(), RuleSeat, 1_000_000).unwrap();
    feed_to_the_end(&workload, engine, |_, _| {}).unwrap().1
});

fn timeline(options: Options) -> Timeline {
    Timeline::of(&*LOG, &options).unwrap()
}

/// The segments of each request, by the offset that it was asked with.
fn segments(timeline: &Timeline) -> BTreeMap<i64, Vec<usize>> {
    let requests = &timeline.requests;
    let ends = requests.first_segment.iter().skip(1).map(|first| *first as usize);
    let ends = ends.chain([timeline.segments.kind.len()]);
    let firsts = requests.first_segment.iter().map(|first| *first as usize);
    let spans = firsts.zip(ends).map(|(first, end)| (first..end).collect());
    requests.received_at.iter().copied().zip(spans).collect()
}

fn kind(timeline: &Timeline, segment: usize) -> &'static str {
    KINDS[usize::from(timeline.segments.kind[segment])]
}

/// What the state says of a request, in the words of the timeline.
fn stands(state: &State, pool: &PoolId, request: &Request) -> &'static str {
    match (&request.stage, Blockers::of(state, pool).blocker(request)) {
        (Stage::Running(_), _) => "running",
        (_, Some(Blocker::Deferred { .. })) => "deferred",
        (_, Some(Blocker::VoteDue)) => "vote_due",
        (_, Some(Blocker::CarriedOver)) => "carried_over",
        (
            _,
            Some(
                Blocker::TenantLimit { .. }
                | Blocker::BudgetUsedUp { .. }
                | Blocker::TooManyWindows { .. }
                | Blocker::OverCap { .. }
                | Blocker::BorrowLimit { .. },
            ),
        ) => "limit",
        (_, Some(Blocker::HeldForOthers { .. } | Blocker::Reserved { .. })) => "held",
        (_, Some(Blocker::BehindProtected { .. })) => "behind",
        (_, Some(Blocker::PoolTooSmall | Blocker::NodesOutOfService { .. })) => "too_small",
        (_, Some(Blocker::TopologyTooSmall { .. })) => "too_small",
        (_, Some(Blocker::NoRoom { .. } | Blocker::RoomIsMade { .. })) => "no_room",
        (_, Some(Blocker::Topology { .. })) => "topology",
        (stage, None) => panic!("{stage:?} has no reason"),
    }
}

/// What lasts after the decision at `offset`.
fn lasts(timeline: &Timeline, segments: &[usize], offset: i64) -> Option<&'static str> {
    let columns = &timeline.segments;
    let is_span = |at: usize| {
        matches!(kind(timeline, at), "running" | "deferred" | "vote_due" | "carried_over")
            || matches!(kind(timeline, at), "limit" | "held" | "behind" | "too_small" | "no_room")
            || kind(timeline, at) == "topology"
    };
    let begun = segments.iter().copied().filter(|at| is_span(*at) && columns.offset[*at] <= offset);
    begun.max().map(|at| kind(timeline, at))
}

#[test]
fn after_every_decision_it_says_what_the_state_says() {
    let timeline = timeline(Options::default());
    let segments = segments(&timeline);
    let mut folded = Folded::nothing(0);
    let (mut compared, mut seen) = (0, BTreeMap::new());
    for record in LOG.decisions(Offset(0), usize::MAX).unwrap() {
        let decision = folded.add_one(&record).unwrap();
        if decision.events.is_empty() {
            continue;
        }
        for (pool_id, pool) in &folded.state.pools {
            for request in pool.requests.values() {
                let said = lasts(&timeline, &segments[&request.arrival.0], decision.offset.0);
                let stands = stands(&folded.state, pool_id, request);
                let (id, at) = (&request.ask.request, decision.offset);
                assert_eq!(said, Some(stands), "{id} after decision {at}");
                compared += 1;
                *seen.entry(stands).or_insert(0) += 1;
            }
        }
    }
    assert!(compared > 10_000, "{compared}");
    assert!(
        ["running", "deferred", "no_room"].iter().all(|kind| seen.contains_key(kind)),
        "{seen:?}"
    );
}

#[test]
fn spans_follow_each_other_from_the_asking_to_the_end() {
    let timeline = timeline(Options::default());
    let columns = &timeline.segments;
    for (row, segments) in segments(&timeline).values().enumerate() {
        let mut at_ms = timeline.requests.received_ms[row];
        let (last, before) = segments.split_last().unwrap();
        for segment in before {
            assert!(columns.from_ms[*segment] >= at_ms || columns.until_ms[*segment] == at_ms);
            assert_ne!(columns.until_ms[*segment], UNTIL_OPEN, "only the last one lasts");
            at_ms = columns.until_ms[*segment];
        }
        assert!(columns.from_ms[*last] >= timeline.requests.received_ms[row]);
    }
}

#[test]
fn a_later_beginning_ends_alike() {
    let whole = timeline(Options::default());
    let from = Offset(whole.until / 2);
    let part = timeline(Options { from, ..Options::default() });
    let (of_whole, of_part) = (segments(&whole), segments(&part));
    assert!(of_part.len() < of_whole.len() && !of_part.is_empty());
    for (received, segments) in &of_part {
        let last = |timeline: &Timeline, segments: &[usize]| {
            let at = *segments.last().unwrap();
            (kind(timeline, at), timeline.segments.until_ms[at])
        };
        assert_eq!(last(&part, segments), last(&whole, &of_whole[received]), "{received}");
    }
    // How full nodes were does not depend on where one begins to look.
    assert_eq!(part.heat.node.len(), whole.heat.node.len());
    let shares = whole.heat.share_permille.iter().flatten();
    assert!(shares.clone().all(|share| (-1..=1_000).contains(share)));
    assert!(shares.clone().any(|share| *share > 900), "some node was nearly full");
}

#[test]
fn bounds_leave_out_the_oldest_and_say_so() {
    let whole = timeline(Options::default());
    let few = timeline(Options { requests_max: 100, nodes_max: 1, ..Options::default() });
    assert_eq!(few.requests.name.len(), 100);
    assert_eq!(few.requests_left_out, whole.requests.name.len() as i64 - 100);
    assert_eq!(few.heat.node.len(), 1);
    assert_eq!(few.nodes_left_out, whole.heat.node.len() as i64 - 1);
    assert_eq!(few.requests.received_at.last(), whole.requests.received_at.last());
    let sampled = timeline(Options { looks_max: 10, ..Options::default() });
    assert!(sampled.sampled_from.is_some() && whole.sampled_from.is_none());
    assert_eq!(sampled.requests.name.len(), whole.requests.name.len());
}

#[test]
fn whoever_sees_its_own_requests_only_meets_no_other_name() {
    let whole = timeline(Options::default());
    let tenant = whole.names[whole.requests.tenant[0] as usize].clone();
    let viewer = Some(TenantId::from(tenant.as_str()));
    let own = timeline(Options { viewer, ..Options::default() });
    assert!(!own.requests.name.is_empty());
    let is_of_others = |row: &usize| whole.names[whole.requests.tenant[*row] as usize] != tenant;
    let others = (0..whole.requests.name.len()).filter(is_of_others);
    let others: Vec<_> =
        others.map(|row| &whole.names[whole.requests.name[row] as usize]).collect();
    assert!(!others.is_empty());
    for name in &own.names {
        // Names of the demo are of one length: none is part of another.
        assert!(!others.iter().any(|other| name.contains(other.as_str())), "{name}");
    }
}

#[test]
fn it_survives_its_journey_as_json() {
    let sent = timeline(Options::default());
    let text = serde_json::to_string(&sent).unwrap();
    assert_eq!(serde_json::from_str::<Timeline>(&text).unwrap(), sent);
}
