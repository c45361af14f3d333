//! What happened how often, within this process. Plain numbers of one writer: whoever serves them
//! to Prometheus takes a copy.

use super::names;
use conclave_core::decision::Outcome;
use conclave_core::rejection::RejectionCode;

/// What happened how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Commands answered with yes.
    pub accepted: u64,
    /// Commands refused, by code.
    pub rejected: ByCode,
    /// Commands answered before.
    pub duplicates: u64,
    /// Commands that a person had skipped.
    pub failed: u64,
    /// Commands whose bytes went to the dead letters, by code.
    pub dead_letters: ByCode,
    /// Rounds committed.
    pub rounds: u64,
    /// Rounds that were not stored and are cut anew.
    pub rounds_aborted: u64,
    /// Snapshots kept.
    pub snapshots: u64,
    /// Snapshots found damaged.
    pub snapshots_damaged: u64,
    /// Decisions folded at a start.
    pub decisions_folded: u64,
    /// Headers that could not be read.
    pub headers_malformed: u64,
    /// Members of a council that were put into quarantine.
    pub members_quarantined: u64,
}

/// A count per rejection code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByCode([u64; RejectionCode::ALL.len()]);

/// One value of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The metric; see [`names::TABLE`].
    pub name: &'static str,
    /// Name and value of its label, when it has one.
    pub label: Option<(&'static str, &'static str)>,
    /// How often so far.
    pub value: u64,
}

impl Default for ByCode {
    fn default() -> Self {
        Self([0; RejectionCode::ALL.len()])
    }
}

impl ByCode {
    /// One more of `code`.
    pub fn add(&mut self, code: RejectionCode) {
        self.0[code as usize] += 1;
    }

    /// How many of `code` so far.
    #[must_use]
    pub fn of(&self, code: RejectionCode) -> u64 {
        self.0[code as usize]
    }

    /// How many so far.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Counters {
    /// One more command with this answer.
    pub fn add_outcome(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Accepted => self.accepted += 1,
            Outcome::Rejected(rejected) => self.rejected.add(rejected.code),
            Outcome::Duplicate(_) => self.duplicates += 1,
            Outcome::Failed(_) => self.failed += 1,
        }
    }

    /// Every counter with every label it can have, those at 0 included: a first error that appears
    /// from nowhere is invisible to a rate.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let plain = |name, value| Sample { name, label: None, value };
        let answered = |text, value| Sample {
            name: names::COMMANDS,
            label: Some((names::OUTCOME, text)),
            value,
        };
        let mut samples = vec![
            answered("accepted", self.accepted),
            answered("rejected", self.rejected.sum()),
            answered("duplicate", self.duplicates),
            answered("failed", self.failed),
            plain(names::ROUNDS, self.rounds),
            plain(names::ROUNDS_ABORTED, self.rounds_aborted),
            plain(names::SNAPSHOTS, self.snapshots),
            plain(names::SNAPSHOTS_DAMAGED, self.snapshots_damaged),
            plain(names::DECISIONS_FOLDED, self.decisions_folded),
            plain(names::HEADERS_MALFORMED, self.headers_malformed),
            plain(names::QUARANTINES, self.members_quarantined),
        ];
        for &code in RejectionCode::ALL {
            let label = Some((names::CODE, code.as_str()));
            let value = self.rejected.of(code);
            samples.push(Sample { name: names::REJECTIONS, label, value });
            if code.is_dead_letter() {
                let value = self.dead_letters.of(code);
                samples.push(Sample { name: names::DEAD_LETTERS, label, value });
            }
        }
        samples
    }
}

/// An answer as logs and metrics spell it.
pub(super) fn outcome_text(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected(_) => "rejected",
        Outcome::Duplicate(_) => "duplicate",
        Outcome::Failed(_) => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::names::{Kind, TABLE};
    use conclave_core::decision::{Duplicate, Failed, Rejected};
    use conclave_core::units::{Offset, UserId};
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn every_counter_of_the_table_is_sampled_under_its_label_from_the_start() {
        // Those of engines, the API, transactions, shadows and the validator are their own: they
        // count elsewhere.
        let others = ["engine", "gpu", "http", "kafka", "shadow", "validator"];
        let others = others.map(|room| format!("conclave_{room}_"));
        let is_ours = |text: &str| !others.iter().any(|other| text.starts_with(other));
        let table = TABLE.iter().filter(|name| name.kind == Kind::Counter && is_ours(name.text));
        let named: BTreeMap<_, _> = table.map(|name| (name.text, name.label)).collect();
        let samples = Counters::default().samples();
        let sampled: BTreeMap<_, _> =
            samples.iter().map(|one| (one.name, one.label.map(|(label, _)| label))).collect();
        assert_eq!(sampled, named);
        assert!(samples.iter().all(|sample| sample.value == 0));
        let series: BTreeSet<_> = samples.iter().map(|one| (one.name, one.label)).collect();
        assert_eq!(series.len(), samples.len(), "each series once");
    }

    #[test]
    fn each_outcome_is_counted_under_its_name() {
        let code = RejectionCode::QueueFull;
        let outcomes = [
            Outcome::Accepted,
            Outcome::Rejected(Rejected { code, detail: String::new() }),
            Outcome::Duplicate(Duplicate { first_offset: Offset(0) }),
            Outcome::Failed(Failed { operator: UserId::default(), reason: String::new() }),
        ];
        for outcome in outcomes {
            let mut counters = Counters::default();
            counters.add_outcome(&outcome);
            let counted: Vec<_> =
                counters.samples().into_iter().filter(|sample| sample.value > 0).collect();
            let label = Some((names::OUTCOME, outcome_text(&outcome)));
            assert_eq!(counted[0], Sample { name: names::COMMANDS, label, value: 1 });
            let is_rejection = matches!(outcome, Outcome::Rejected(_));
            assert_eq!(counted.len(), if is_rejection { 2 } else { 1 }, "{outcome:?}");
        }
    }
}
