//! On Kafka offsets have holes, where transactions left their markers. Nothing may count on the
//! offset after a decision's being the next one's.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave::demo::{Scale, Source, feed_to_the_end};
use conclave::engine::Engine;
use conclave::explain::explain_at;
use conclave::log::memory::MemoryLog;
use conclave::log::{DecisionRecord, LogReader};
use conclave::report::viewer::Viewer;
use conclave::timeline::{Details, Options, Timeline};
use conclave::verify::verify;
use conclave::wire::decode_decision;
use conclave_core::command::PlacementPolicy;
use conclave_core::seat::RuleSeat;
use conclave_core::units::Offset;

fn told(log: MemoryLog) -> MemoryLog {
    let placement = PlacementPolicy::BestFit;
    let scale = Scale { nodes_permille: 5, time_permille: None, placement };
    let workload = scale.apply(&Source::synthetic(3, 120));
    let (engine, _) = Engine::open(log, RuleSeat, 100).unwrap();
    let (summary, log) = feed_to_the_end(&workload, engine, |_, _| {}).unwrap();
    assert_eq!(summary.decisions, i64::try_from(decisions(&log).len()).unwrap());
    assert_eq!(summary.commands, summary.decisions);
    log
}

fn decisions(log: &MemoryLog) -> Vec<DecisionRecord> {
    log.decisions(Offset(0), usize::MAX).unwrap()
}

#[test]
fn a_log_with_holes_is_decided_alike_and_verified() {
    let (dense, sparse) = (told(MemoryLog::new()), told(MemoryLog::with_holes(0, 7)));
    let events = |log| decisions(log).iter().map(names).collect::<Vec<_>>();
    assert_eq!(events(&dense), events(&sparse));
    let (ends, count) = (sparse.ends().unwrap(), decisions(&sparse).len());
    assert!(ends.decisions_next.0 > 2 * i64::try_from(count).unwrap(), "{ends:?}: no holes");
    let report = verify(&sparse, 0, &mut RuleSeat).unwrap();
    assert!(report.is_clean() && report.snapshots_checked > 0, "{report:#?}");
    assert_eq!((report.decisions, report.undecided), (count as u64, 0));
}

/// What a decision says that no offset enters.
fn names(record: &DecisionRecord) -> (String, i64, usize) {
    let decision = decode_decision(&record.body).unwrap();
    (format!("{} {}", decision.kind, decision.request), decision.time_ms.0, decision.events.len())
}

#[test]
fn a_question_about_a_hole_is_answered_as_of_the_decision_before_it() {
    let log = told(MemoryLog::with_holes(0, 7));
    let records = decisions(&log);
    let holes = records.windows(2).filter(|two| two[1].offset.0 > two[0].offset.0 + 1);
    let all = |until| {
        let options = Options { until: Some(until), ..Options::default() };
        let timeline = Timeline::of(&log, &options).unwrap();
        let details = Details::of(&log, &timeline, &options).unwrap();
        (timeline.segments.kind.len(), format!("{details:?}").len())
    };
    for two in holes.step_by(40) {
        let (before, hole) = (two[0].offset, Offset(two[0].offset.0 + 3));
        assert_eq!(all(hole), all(before));
        let request = decode_decision(&two[0].body).unwrap().request;
        if !request.0.is_empty() {
            let ask = |at| explain_at(&log, None, &request, Some(at), &Viewer::Everything);
            let (there, then) = (ask(hole).unwrap(), ask(before).unwrap());
            assert_eq!(there, then);
            assert_eq!(there.as_of.offset, before.0);
        }
    }
}
