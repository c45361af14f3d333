//! What was looked at, what was found, and what that means.

use super::findings::{Finding, Findings};
use super::rule::Rule;
use conclave_core::units::CommandId;
use serde::Serialize;
use std::collections::BTreeMap;

/// What was looked at in one partition, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Which partition.
    pub partition: i64,
    /// Commands that were read.
    pub commands: u64,
    /// Decisions that were read.
    pub decisions: u64,
    /// Dead letters that were read.
    pub dead_letters: u64,
    /// Commands without a decision behind the last one: no fault.
    pub undecided: u64,
    /// Decisions that not every rule could look at.
    pub unchecked: u64,
    /// Why, the first time.
    pub unchecked_because: Option<String>,
    /// How often each rule is broken; every rule is named.
    pub findings: BTreeMap<&'static str, u64>,
    /// The first findings of each rule, in the order of finding.
    pub first_findings: Vec<Finding>,
    /// Acknowledged command ids that this partition does not answer.
    #[serde(skip)]
    pub unanswered: Vec<CommandId>,
}

/// What a report means, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every rule was asked about every decision and is kept.
    Sound,
    /// No rule is broken, but not all could be looked at.
    Unchecked,
    /// A rule is broken.
    Broken,
}

impl Report {
    /// How often rules are broken.
    #[must_use]
    pub fn finding_count(&self) -> u64 {
        self.findings.values().sum()
    }

    /// How often `rule` is broken.
    #[must_use]
    pub fn count(&self, rule: Rule) -> u64 {
        self.findings.get(rule.as_str()).copied().unwrap_or(0)
    }

    /// What it means.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.finding_count() > 0 {
            Verdict::Broken
        } else if self.unchecked > 0 || self.unchecked_because.is_some() {
            Verdict::Unchecked
        } else {
            Verdict::Sound
        }
    }

    /// Adds a finding that only several partitions together show.
    pub fn add(&mut self, finding: Finding) {
        *self.findings.entry(finding.rule.as_str()).or_default() += 1;
        self.first_findings.push(finding);
    }

    pub(super) fn nothing(partition: i64) -> Self {
        Self {
            partition,
            commands: 0,
            decisions: 0,
            dead_letters: 0,
            undecided: 0,
            unchecked: 0,
            unchecked_because: None,
            findings: BTreeMap::new(),
            first_findings: vec![],
            unanswered: vec![],
        }
    }

    pub(super) fn found(mut self, findings: &Findings) -> Self {
        let counts = Rule::ALL.iter().map(|rule| (rule.as_str(), findings.count(*rule)));
        self.findings = counts.collect();
        self.first_findings = findings.listed().to_vec();
        self
    }
}

/// Makes an acknowledged id that no partition answers a finding of the first one.
pub fn settle_unanswered(reports: &mut [Report]) {
    let Some((first, others)) = reports.split_first_mut() else { return };
    let mut open = std::mem::take(&mut first.unanswered);
    open.retain(|id| others.iter().all(|report| report.unanswered.contains(id)));
    for id in open {
        first.add(Finding {
            rule: Rule::Acknowledged,
            partition: first.partition,
            offset: -1,
            sentence: format!("'{id}' was acknowledged, and no decision answers it"),
        });
    }
}
