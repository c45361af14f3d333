//! What verify counts, on logs in memory that are wrong in one way each.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod common;

use common::{STORY, commit_body, commit_changed, decide_all, keep_snapshot, one_more, story};
use conclave::error::{Error, Result};
use conclave::fold::{Folded, fold};
use conclave::log::memory::MemoryLog;
use conclave::log::{
    DeadLetterRecord, DecisionRecord, EventLog, LogEnds, LogReader, StoredCommand,
};
use conclave::snapshot;
use conclave::verify::{Report, Scope, Verdict, chain_head, verify, verify_with_progress};
use conclave::wire::{DecisionHead, body_hash, decode_decision, encode_decision};
use conclave_core::decision::{Decision, Event, Outcome};
use conclave_core::rejection::{RejectionCode, refuse};
use conclave_core::seat::RuleSeat;
use conclave_core::units::{GpuMilli, Hash32, Offset};

/// A log whose records were taken out of another one.
#[derive(Clone)]
struct Records {
    commands: Vec<StoredCommand>,
    decisions: Vec<DecisionRecord>,
    /// Reading decisions from here on finds damage.
    damaged_from: Option<Offset>,
}

impl Records {
    fn of(log: &MemoryLog) -> Self {
        let (commands, decisions) =
            (log.commands(Offset(0), usize::MAX), log.decisions(Offset(0), usize::MAX));
        Self { commands: commands.unwrap(), decisions: decisions.unwrap(), damaged_from: None }
    }

    /// Makes every decision from `index` on continue the chain.
    fn link_from(&mut self, index: usize) {
        for at in index.max(1)..self.decisions.len() {
            let prev_hash = self.decisions[at - 1].hash;
            let body = &self.decisions[at].body;
            let decision = Decision { prev_hash, ..decode_decision(body).unwrap() };
            self.put(at, &decision);
        }
    }

    fn put(&mut self, index: usize, decision: &Decision) {
        let body = encode_decision(decision);
        self.decisions[index].hash = body_hash(&body);
        self.decisions[index].body = body;
    }

    fn decision(&self, index: usize) -> Decision {
        decode_decision(&self.decisions[index].body).unwrap()
    }
}

impl LogReader for Records {
    fn ends(&self) -> Result<LogEnds> {
        let next = |last: Option<Offset>| Offset(last.map_or(0, |last| last.0 + 1));
        Ok(LogEnds {
            commands_next: next(self.commands.last().map(|last| last.offset)),
            decisions_next: next(self.decisions.last().map(|last| last.offset)),
            head: self.decisions.last().map_or_else(Hash32::default, |last| last.hash),
        })
    }

    fn commands(&self, from: Offset, _: usize) -> Result<Vec<StoredCommand>> {
        Ok(self.commands.iter().filter(|stored| stored.offset >= from).cloned().collect())
    }

    fn decisions(&self, from: Offset, _: usize) -> Result<Vec<DecisionRecord>> {
        let damaged = self.damaged_from.unwrap_or(Offset(i64::MAX));
        if from >= damaged {
            return Err(Error::corrupt(format!("unreadable from offset {from} on")));
        }
        let is_there = |record: &&DecisionRecord| (from..damaged).contains(&record.offset);
        Ok(self.decisions.iter().filter(is_there).cloned().collect())
    }

    fn dead_letters(&self, _: Offset, _: usize) -> Result<Vec<DeadLetterRecord>> {
        Ok(vec![])
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        Ok(vec![])
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        Err(Error::corrupt(format!("no snapshot {offset}")))
    }
}

fn told() -> MemoryLog {
    common::told(MemoryLog::new())
}

/// Verifies, and checks that every decision is counted once.
#[track_caller]
fn report_of(log: &dyn LogReader, verdict: Verdict) -> Report {
    let report = verify(log, 0, &mut RuleSeat).unwrap();
    check_sum(&report);
    assert_eq!(report.verdict(), verdict, "{report:#?}");
    assert_eq!(report.is_clean(), verdict == Verdict::Clean);
    report
}

#[track_caller]
fn check_sum(report: &Report) {
    let Report { verified, divergences, duplicates, input_missing, other_version, .. } = report;
    let sum = verified + divergences + duplicates + input_missing + other_version;
    assert_eq!(report.decisions, sum + report.unchecked, "{report:#?}");
}

fn story_count() -> u64 {
    STORY.unsigned_abs()
}

#[test]
fn an_honest_log_is_clean_and_so_are_its_snapshots() {
    let log = told();
    let report = report_of(&log, Verdict::Clean);
    assert_eq!((report.decisions, report.verified), (story_count(), story_count()));
    assert_eq!((report.snapshots_checked, report.undecided), (2, 0));
    assert_eq!(report.chain_head, chain_head(&[log.ends().unwrap().head]).to_string());
}

#[test]
fn an_empty_log_is_clean_and_undecided_commands_are_no_fault() {
    let mut log = MemoryLog::new();
    assert_eq!(report_of(&log, Verdict::Clean).decisions, 0);
    log.accept(&story()).unwrap();
    assert_eq!(report_of(&log, Verdict::Clean).undecided, story_count());
}

#[test]
fn a_decision_of_somebody_else_is_one_divergence_and_does_not_spread() {
    let mut log = told();
    // A refusal instead of a grant: the state goes another way, and what follows follows it.
    commit_changed(&mut log, one_more(0), |decision| {
        decision.events.clear();
        decision.outcome = Outcome::Rejected(refuse(RejectionCode::CouncilDenied, "no"));
    });
    let mut log = decide_all(log, &[one_more(1), one_more(2), one_more(3)]);
    keep_snapshot(&mut log, STORY + 1);
    keep_snapshot(&mut log, STORY + 4);
    let report = report_of(&log, Verdict::Differs);
    assert_eq!((report.divergences, report.verified), (1, story_count() + 3));
    let [first] = report.first_divergences.as_slice() else { panic!("{report:#?}") };
    assert_eq!(first.offset, STORY);
    assert!(first.what.starts_with("outcome: recorded Rejected"), "{}", first.what);
    // Snapshots after it are the fold of what was recorded.
    assert_eq!((report.snapshots_checked, report.snapshots_differing), (2, 0));
}

#[test]
fn several_divergences_are_counted_one_by_one() {
    let mut log = told();
    for index in 0..30 {
        commit_changed(&mut log, one_more(index), |decision| {
            decision.request = format!("{}!", decision.request).into()
        });
    }
    let report = report_of(&log, Verdict::Differs);
    assert_eq!((report.divergences, report.verified), (30, story_count()));
    assert_eq!(report.first_divergences.len(), 20);
}

#[test]
fn a_replaced_body_breaks_the_chain_where_it_is_and_once_behind_it() {
    let mut log = Records::of(&told());
    let mut decision = log.decision(10);
    decision.tenant = format!("{}!", decision.tenant).into();
    log.put(10, &decision);
    let report = report_of(&log, Verdict::Differs);
    let offsets: Vec<i64> = report.first_divergences.iter().map(|found| found.offset).collect();
    assert_eq!(offsets, [10, 11]);
    assert_eq!(report.verified, story_count() - 2);

    // Linked again, only the decision itself is left to notice; and the head is another one.
    log.link_from(11);
    let report = report_of(&log, Verdict::Differs);
    assert_eq!((report.divergences, report.verified), (1, story_count() - 1));
    assert_ne!(report.chain_head, report_of(&told(), Verdict::Clean).chain_head);
}

#[test]
fn a_body_that_is_not_its_digest_is_a_divergence() {
    let mut log = Records::of(&told());
    log.decisions[10].hash = Hash32([7; 32]);
    let report = report_of(&log, Verdict::Differs);
    assert_eq!(report.first_divergences[0].what, "its body is not what its digest says");
}

#[test]
fn bytes_that_are_no_decision_end_the_fold() {
    let mut log = Records::of(&told());
    let cut = log.decisions[10].body.len() - 1;
    log.decisions[10].body.truncate(cut);
    log.decisions[10].hash = body_hash(&log.decisions[10].body);
    let report = report_of(&log, Verdict::Differs);
    assert!(report.stopped.is_some() && report.divergences >= 1, "{report:#?}");
    assert!(report.unchecked > 0, "{report:#?}");
}

#[test]
fn what_cannot_have_happened_is_told_and_not_folded() {
    let mut log = told();
    commit_changed(&mut log, one_more(0), |decision| {
        let again = decision.events.clone();
        decision.events.extend(again);
    });
    let report = report_of(&log, Verdict::Differs);
    assert_eq!(report.divergences, 1);
    assert!(report.stopped.as_ref().unwrap().contains("cannot have happened"), "{report:#?}");
}

#[test]
fn a_state_that_breaks_an_invariant_is_told() {
    let mut log = told();
    commit_changed(&mut log, one_more(0), |decision| {
        // Nobody is left behind to say what follows.
        decision.events.retain(|event| matches!(event, Event::RequestAdmitted(_)));
    });
    let report = report_of(&log, Verdict::Differs);
    assert!(report.broken_invariant.is_some(), "{report:#?}");
}

#[test]
fn commands_that_are_gone_are_told_and_the_rest_is_verified() {
    let mut log = Records::of(&told());
    log.commands.retain(|stored| stored.offset != Offset(8));
    let report = report_of(&log, Verdict::Unchecked);
    // The whole round of decision 8 rests on it.
    let round = (0..log.decisions.len()).map(|index| log.decision(index));
    let of_round = log.decision(8).round;
    let lost = round.filter(|decision| decision.round == of_round).count() as u64;
    assert_eq!((report.input_missing, report.verified), (lost, story_count() - lost));
    log.commands.clear();
    assert_eq!(report_of(&log, Verdict::Unchecked).input_missing, story_count());
}

#[test]
fn another_command_than_the_one_decided_is_a_divergence() {
    let mut log = Records::of(&told());
    log.commands[8].record.key = b"elsewhere".to_vec();
    let report = report_of(&log, Verdict::Differs);
    assert_eq!(report.first_divergences[0].what, "the command is not the one that was decided");
    assert_eq!(report.divergences, 1);
}

#[test]
fn a_gap_is_uncovered_commands_and_a_repetition_is_a_duplicate() {
    let mut log = Records::of(&told());
    log.decisions.drain(10..12);
    let report = report_of(&log, Verdict::Differs);
    assert_eq!((report.uncovered, report.duplicates), (2, 0));
    assert!(report.stopped.is_some());

    let mut log = Records::of(&told());
    let again = log.decisions[10].clone();
    log.decisions.insert(11, again);
    let report = report_of(&log, Verdict::Differs);
    assert_eq!((report.uncovered, report.duplicates), (0, 1));
}

/// The story on a log whose offsets have holes: in the middle of rounds, between them, at places
/// that a decision of the usual log would take.
fn told_with_holes() -> Records {
    let log = story().chunks(5).fold(MemoryLog::with_holes(0, 3), |mut log, commands| {
        log.accept(commands).unwrap();
        log
    });
    Records::of(&decide_all(log, &[]))
}

#[test]
fn a_hole_among_offsets_is_no_gap() {
    let log = told_with_holes();
    let offsets: Vec<i64> = log.decisions.iter().map(|record| record.offset.0).collect();
    assert_eq!(offsets[..12], [0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 16, 17]);
    let report = report_of(&log, Verdict::Clean);
    assert_eq!((report.decisions, report.undecided), (story_count(), 0));
    for until in 0..=offsets[20] {
        let scope = Scope { until: Some(Offset(until)), expected_head: None, schemas: None };
        let report = verify_with_progress(&log, 0, &mut RuleSeat, &scope, |_| {}).unwrap();
        let read = offsets.iter().filter(|offset| **offset <= until).count();
        let is_round_end = log.decision(read - 1).round_count.is_some();
        assert_eq!((report.decisions, report.is_clean()), (read as u64, is_round_end), "{until}");
        let folded = fold(&log, 0, Some(Offset(until + 1))).unwrap().0;
        assert_eq!(folded.state.covered, log.decisions[read - 1].offset);
    }
}

#[test]
fn whatever_is_missing_at_a_hole_is_found() {
    // The decisions on both sides of one, and one in the middle of commands.
    for missing in [4, 5, 7] {
        let mut log = told_with_holes();
        let covered = log.decisions[missing - 1].offset;
        log.decisions.remove(missing);
        let next = log.decisions[missing].offset;
        let report = report_of(&log, Verdict::Differs);
        assert_eq!((report.uncovered, report.divergences), (1, 0), "{missing}: {report:#?}");
        for until in covered.0 + 1..next.0 {
            let scope = Scope { until: Some(Offset(until)), expected_head: None, schemas: None };
            let report = verify_with_progress(&log, 0, &mut RuleSeat, &scope, |_| {}).unwrap();
            assert!(report.stopped.is_some(), "{missing}, {until}: {report:#?}");
            let refused = fold(&log, 0, Some(Offset(until + 1))).unwrap_err();
            assert!(refused.to_string().contains("stands where"), "{refused}");
        }
    }
    // A decision that says that a command which is there was never decided.
    let mut log = told_with_holes();
    log.decisions.remove(7);
    let covered_before = log.decisions[6].offset;
    log.put(7, &Decision { covered_before, ..log.decision(7) });
    log.link_from(7);
    assert_eq!(report_of(&log, Verdict::Differs).uncovered, 1);
}

#[test]
fn a_decision_that_calls_itself_another_one_is_a_divergence() {
    let mut log = Records::of(&told());
    let mut decision = log.decision(10);
    decision.covered_before = Offset(3);
    log.put(10, &decision);
    let report = report_of(&log, Verdict::Differs);
    assert_eq!(report.divergences, 1);
    assert!(report.first_divergences[0].what.contains("after 3"));
}

#[test]
fn another_version_is_counted_and_named() {
    let mut log = told();
    let offset = log.accept(&[one_more(0), one_more(1)]).unwrap();
    let mut body = log.decisions(Offset(0), 0).unwrap()[0].body.clone();
    body[0] = 8; // Avro's 4: the version is the first field.
    commit_body(&mut log, offset, body.clone());
    commit_body(&mut log, Offset(offset.0 + 1), body);
    let report = report_of(&log, Verdict::Unchecked);
    assert_eq!((report.other_version, report.verified), (2, story_count()));
    assert!(report.stopped.as_ref().unwrap().contains("decide_version 4"), "{report:#?}");
}

#[test]
fn a_tail_without_its_end_and_damage_are_never_clean() {
    let mut log = Records::of(&told());
    log.decisions.truncate(12); // In the middle of a round.
    let report = report_of(&log, Verdict::Unchecked);
    assert!(report.stopped.as_ref().unwrap().contains("not complete"), "{report:#?}");

    let mut log = Records::of(&told());
    log.damaged_from = Some(Offset(10));
    let report = report_of(&log, Verdict::Corrupt);
    assert!(report.verified > 0 && report.unchecked > 0, "{report:#?}");
}

#[test]
fn a_head_kept_elsewhere_is_found_at_the_end_or_before_it_or_not_at_all() {
    let log = told();
    let head_after = |offset: i64| {
        let records = log.decisions(Offset(offset), 0).unwrap();
        chain_head(&[records[0].hash])
    };
    for (expected, until, is_it, at) in [
        (head_after(STORY - 1), None, true, Some(STORY - 1)),
        (head_after(5), None, false, Some(5)),
        (head_after(5), Some(Offset(5)), true, Some(5)),
        (head_after(STORY - 1), Some(Offset(5)), false, None),
        (Hash32([1; 32]), None, false, None),
    ] {
        let scope = Scope { until, expected_head: Some(expected), schemas: None };
        let report = verify_with_progress(&log, 0, &mut RuleSeat, &scope, |_| {}).unwrap();
        check_sum(&report);
        assert_eq!((report.expected_head, report.expected_head_at), (Some(is_it), at));
        assert_eq!(report.is_clean(), is_it, "{report:#?}");
    }
}

#[test]
fn a_damaged_snapshot_is_unchecked_and_a_wrong_one_differs() {
    let mut log = told();
    let [newest, older] = log.snapshots().unwrap()[..] else { panic!("two are kept") };
    log.damage_snapshot(older);
    let report = report_of(&log, Verdict::Unchecked);
    assert_eq!((report.snapshots_checked, report.snapshots_damaged), (1, 1));
    assert_eq!(report.verified, report.decisions);

    let Folded { mut state, head } = fold(&log, 0, Some(newest)).unwrap().0;
    let pool = state.pools.values_mut().next().unwrap();
    pool.policy.queue_max += 1;
    log.keep_snapshot(newest, &snapshot::encode(&Folded { state, head })).unwrap();
    let report = report_of(&log, Verdict::Differs);
    assert_eq!((report.snapshots_differing, report.snapshots_damaged), (1, 1));

    let Folded { state, head: _ } = fold(&told(), 0, Some(newest)).unwrap().0;
    let wrong_head = Folded { state, head: Hash32([1; 32]) };
    log.keep_snapshot(newest, &snapshot::encode(&wrong_head)).unwrap();
    assert_eq!(report_of(&log, Verdict::Differs).snapshots_differing, 1);
}

#[test]
fn a_quota_that_was_never_granted_does_not_pass() {
    let mut log = told();
    commit_changed(&mut log, one_more(0), |decision| {
        for event in &mut decision.events {
            if let Event::RequestAdmitted(admitted) = event {
                admitted.request.gpu_milli = GpuMilli(500);
            }
        }
    });
    assert_eq!(report_of(&log, Verdict::Differs).divergences, 1);
}

#[test]
fn the_head_of_a_body_is_that_of_the_whole_decision() {
    for record in told().decisions(Offset(0), usize::MAX).unwrap() {
        let whole = decode_decision(&record.body).unwrap();
        assert_eq!(DecisionHead::read(&record.body), Some(DecisionHead::of(&whole)));
        assert_eq!(DecisionHead::read(&record.body[..36]), None, "it is cut within the head");
    }
}
