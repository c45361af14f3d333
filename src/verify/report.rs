//! What a verification found, and what that means.

use conclave_core::seat::Absent;
use conclave_core::units::Hash32;
use serde::Serialize;

/// Divergences that a report lists one by one; all are counted.
pub(super) const DIVERGENCES_LISTED_MAX: usize = 20;
/// Schemas and councils that a report lists as missing.
const SCHEMAS_LISTED_MAX: usize = 20;
/// Bytes of one sentence about a divergence: a decision may hold a thousand events.
const SENTENCE_BYTES_MAX: usize = 600;

/// What a verification found. Every decision is counted once: `decisions` is the sum of `verified`,
/// `divergences`, `duplicates`, `input_missing`, `other_version` and `unchecked`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Decisions that the log holds, as far as it was to be verified.
    pub decisions: u64,
    /// Computed again, with the same bytes.
    pub verified: u64,
    /// Computed again, with other bytes; or not continuing the chain.
    pub divergences: u64,
    /// Commands without a decision although later ones have one.
    pub uncovered: u64,
    /// Decisions about a command that had one before.
    pub duplicates: u64,
    /// Decisions whose command, or another one of their round, is not in the log, whose writer's
    /// schema is not kept, or whose council is not here.
    pub input_missing: u64,
    /// Ids of schemas whose texts are not kept; at most 20 are listed.
    pub schemas_missing: Vec<u32>,
    /// Councils that voted and cannot be asked here, each with the reason; at most 20 are listed.
    pub councils_missing: Vec<String>,
    /// Decisions of a version that this release cannot compute.
    pub other_version: u64,
    /// Digest over the heads of all partitions, as far as decisions were read.
    pub chain_head: String,
    /// The head of this partition alone: what `chain_head` is a digest of.
    #[serde(skip)]
    pub head: Hash32,
    /// Decisions that were not looked at because something before them could not be passed.
    pub unchecked: u64,
    /// Those of the verified that say that a person had their command skipped.
    pub skipped: u64,
    /// Those of the verified that send their command to the dead letters.
    #[serde(skip)]
    pub dead_letters: u64,
    /// Votes of networks that were computed again, with the same words.
    pub council_votes: u64,
    /// Commands accepted and not decided yet: no fault.
    pub undecided: u64,
    /// Snapshots that are the fold of the decisions before them.
    pub snapshots_checked: u64,
    /// Snapshots that cannot be read. A start passes them over, so nothing is lost.
    pub snapshots_damaged: u64,
    /// Snapshots that can be read and are not the fold: the next start would go on from a wrong
    /// state.
    pub snapshots_differing: u64,
    /// Whether the chain head is the expected one; none when none was named.
    pub expected_head: Option<bool>,
    /// The decision whose chain head the expected one is, when it is not the last.
    pub expected_head_at: Option<i64>,
    /// The rule that the state after the last decision breaks, if it does; or the one that a
    /// recorded decision breaks, so that it cannot have happened.
    pub broken_invariant: Option<String>,
    /// The first divergences and duplicates.
    pub first_divergences: Vec<Divergence>,
    /// What is wrong with which snapshot.
    pub snapshot_faults: Vec<String>,
    /// Why verifying stopped before the end, if it did.
    pub stopped: Option<String>,
    /// Whether it stopped because stored bytes are not what was written.
    pub is_corrupt: bool,
}

/// One decision that is not what its command gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// Which decision.
    pub offset: i64,
    /// What differs.
    pub what: String,
}

/// What a report means, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every decision was verified and nothing else was found.
    Clean,
    /// Nothing differs, but a part could not be checked.
    Unchecked,
    /// Something is not what it has to be.
    Differs,
    /// Stored bytes are not what was written.
    Corrupt,
}

impl Report {
    /// Whether every decision was verified and nothing else was found.
    ///
    /// # Panics
    /// As [`Report::verdict`].
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.verdict() == Verdict::Clean
    }

    /// What it means.
    ///
    /// # Panics
    /// When a decision of a clean report is counted nowhere: the accounting is wrong.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let differing =
            self.divergences + self.uncovered + self.duplicates + self.snapshots_differing;
        let is_other_log = self.expected_head == Some(false);
        let unchecked =
            self.input_missing + self.other_version + self.unchecked + self.snapshots_damaged;
        if self.is_corrupt {
            Verdict::Corrupt
        } else if differing > 0 || is_other_log || self.broken_invariant.is_some() {
            Verdict::Differs
        } else if unchecked > 0 || self.stopped.is_some() {
            Verdict::Unchecked
        } else {
            assert_eq!(self.verified, self.decisions, "a decision is counted nowhere: {self:?}");
            Verdict::Clean
        }
    }

    pub(super) fn list_council(&mut self, absent: &Absent) {
        let said = absent.to_string();
        let is_new = !self.councils_missing.contains(&said);
        if is_new && self.councils_missing.len() < SCHEMAS_LISTED_MAX {
            self.councils_missing.push(said);
        }
    }

    pub(super) fn list_schema(&mut self, id: u32) {
        let is_new = !self.schemas_missing.contains(&id);
        if is_new && self.schemas_missing.len() < SCHEMAS_LISTED_MAX {
            self.schemas_missing.push(id);
        }
    }

    /// Lists what was found after what stands behind it in the log.
    pub(super) fn list_late(&mut self, offset: i64, what: &str) {
        let at = self.first_divergences.partition_point(|listed| listed.offset <= offset);
        self.first_divergences.insert(at, Divergence { offset, what: shortened(what) });
        self.first_divergences.truncate(DIVERGENCES_LISTED_MAX);
    }

    pub(super) fn list(&mut self, offset: i64, what: &str) {
        if self.first_divergences.len() < DIVERGENCES_LISTED_MAX {
            self.first_divergences.push(Divergence { offset, what: shortened(what) });
        }
    }
}

/// Cut to its bound at a character's edge.
fn shortened(sentence: &str) -> String {
    if sentence.len() <= SENTENCE_BYTES_MAX {
        return sentence.to_owned();
    }
    let edge = (0..=SENTENCE_BYTES_MAX).rev().find(|&at| sentence.is_char_boundary(at));
    format!("{} ...", &sentence[..edge.unwrap_or(0)])
}
