//! What was found: all of it counted, the first of each rule listed.

use super::rule::Rule;
use conclave_core::units::Offset;
use serde::{Deserialize, Serialize};

/// Findings of one rule that are listed one by one; all are counted. A rule that is broken a
/// thousand times must not hide another one.
pub const FINDINGS_LISTED_MAX: usize = 20;
/// Bytes of one sentence.
const SENTENCE_BYTES_MAX: usize = 600;

/// One place where a rule is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// In which partition.
    pub partition: i64,
    /// At which decision or command.
    pub offset: i64,
    /// What is wrong there.
    pub sentence: String,
}

/// What was found so far in one partition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Findings {
    partition: i64,
    /// The decision or command that is being looked at.
    pub(super) at: Offset,
    counts: [u64; Rule::ALL.len()],
    listed: Vec<Finding>,
}

impl Findings {
    pub(super) fn new(partition: i64) -> Self {
        Self { partition, at: Offset(0), counts: [0; Rule::ALL.len()], listed: vec![] }
    }

    /// `rule` is not kept at the offset that is being looked at.
    pub(super) fn add(&mut self, rule: Rule, sentence: impl Into<String>) {
        self.add_at(self.at, rule, sentence);
    }

    pub(super) fn add_at(&mut self, at: Offset, rule: Rule, sentence: impl Into<String>) {
        let count = &mut self.counts[rule as usize];
        *count += 1;
        if *count <= FINDINGS_LISTED_MAX as u64 {
            let sentence = shortened(sentence.into());
            self.listed.push(Finding { rule, partition: self.partition, offset: at.0, sentence });
        }
    }

    pub(super) fn count(&self, rule: Rule) -> u64 {
        self.counts[rule as usize]
    }

    pub(super) fn listed(&self) -> &[Finding] {
        &self.listed
    }
}

/// Cut to its bound at a character's edge: a command id may be as long as a record.
fn shortened(sentence: String) -> String {
    if sentence.len() <= SENTENCE_BYTES_MAX {
        return sentence;
    }
    let edge = (0..=SENTENCE_BYTES_MAX).rev().find(|&at| sentence.is_char_boundary(at));
    format!("{} ...", &sentence[..edge.unwrap_or(0)])
}
