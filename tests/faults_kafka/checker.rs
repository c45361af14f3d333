//! The judge: reads the topics afterwards, as somebody who had no part in what happened.
//!
//! `conclave validate`'s rules over the records in the order in which they are stored (order,
//! completeness, causality, capacity at every prefix, acknowledged = decided, dead letters), and
//! verify, which computes every decision again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::site::{PARTITIONS, Site};
use conclave::log::kafka::KafkaReader;
use conclave::validate::{
    Acknowledged, KafkaFeed, Report, Rule, Validator, Verdict, Watch, settle_unanswered,
};
use conclave::verify::verify;
use conclave::wire::RecordedReader;
use conclave_core::seat::RuleSeat;

/// What became of the topics.
pub(crate) struct Judged {
    pub(crate) reports: Vec<Report>,
    pub(crate) proofs: Vec<conclave::verify::Report>,
}

/// Reads everything.
#[track_caller]
pub(crate) fn judge(site: &Site, acknowledged: &[Acknowledged]) -> Judged {
    let report = |partition: i32| {
        let validator = Validator::new(i64::from(partition), RecordedReader::new([]), acknowledged);
        let mut watch = Watch::new(KafkaFeed::open(&site.settings, partition).unwrap(), validator);
        let is_at_rest = watch.look_to_the_end(|_| {}).unwrap();
        watch.finish(is_at_rest)
    };
    let mut reports: Vec<_> = (0..PARTITIONS).map(report).collect();
    settle_unanswered(&mut reports);
    let proof = |partition: i32| {
        let reader = KafkaReader::open(&site.settings, partition).unwrap();
        verify(&reader, i64::from(partition), &mut RuleSeat).unwrap()
    };
    Judged { reports, proofs: (0..PARTITIONS).map(proof).collect() }
}

impl Judged {
    /// How often a rule is broken, in all partitions.
    pub(crate) fn count(&self, rule: Rule) -> u64 {
        self.reports.iter().map(|report| report.count(rule)).sum()
    }

    pub(crate) fn dead_letters(&self) -> u64 {
        self.reports.iter().map(|report| report.dead_letters).sum()
    }

    pub(crate) fn is_proved(&self) -> bool {
        self.proofs.iter().all(conclave::verify::Report::is_clean)
    }
}

/// Waits until all is decided and asserts that every rule was kept.
#[track_caller]
pub(crate) fn sound(site: &Site, acknowledged: &[Acknowledged]) -> Judged {
    site.wait_until_all_is_decided();
    let judged = judge(site, acknowledged);
    for report in &judged.reports {
        let is_sound = report.verdict() == Verdict::Sound && report.undecided == 0;
        assert!(is_sound, "{report:#?} {}", site.said());
    }
    assert!(judged.is_proved(), "{:#?} {}", judged.proofs, site.said());
    judged
}
