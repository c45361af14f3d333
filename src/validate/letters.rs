//! Dead letters: the original bytes of what its sender has to mend, once each, and no others.

use super::digits::Digits;
use super::findings::Findings;
use super::rule::Rule;
use crate::log::{DeadLetterRecord, StoredCommand};
use conclave_core::decision::{Decision, Outcome};
use conclave_core::units::{Hash32, Offset};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Dead letters that decisions promised and that have not come by.
pub(super) const LETTERS_DUE_MAX: usize = 65_536;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Letters {
    due: VecDeque<Due>,
    /// Those that came before their decision did.
    early: VecDeque<Early>,
    early_bytes: usize,
    /// Every letter of a decision before this one has come by.
    known_before: Offset,
    /// Every decision before this one has come by.
    decided_before: Offset,
}

/// A letter that has to come.
#[derive(Debug, Serialize, Deserialize)]
struct Due {
    offset: Offset,
    /// Of key and value; none when the command is not in the log.
    bytes: Option<Bytes>,
}

/// A letter that came.
#[derive(Debug, Serialize, Deserialize)]
struct Early {
    offset: Offset,
    bytes: Bytes,
    weight: usize,
}

/// Digests of key and value.
type Bytes = [Digits<Hash32>; 2];

impl Letters {
    /// What the letters have to be after `decision`.
    pub(super) fn expect(&mut self, decision: &Decision, stored: Option<&StoredCommand>) {
        let offset = decision.offset;
        self.decided_before = self.decided_before.max(Offset(offset.0.saturating_add(1)));
        let is_due = match &decision.outcome {
            Outcome::Rejected(rejected) => rejected.code.is_dead_letter(),
            Outcome::Accepted | Outcome::Duplicate(_) | Outcome::Failed(_) => false,
        };
        if is_due {
            let bytes = stored.map(|stored| digests(&stored.record.key, &stored.record.value));
            // At the end, unless the decision comes late.
            let at = self.due.partition_point(|due| due.offset < offset);
            self.due.insert(at, Due { offset, bytes });
        }
    }

    pub(super) fn take(&mut self, letters: Vec<DeadLetterRecord>) {
        for letter in letters {
            let DeadLetterRecord { offset, key, value, headers } = &letter;
            let weight = key.len() + value.len() + headers.bytes();
            self.early_bytes += weight;
            self.early.push_back(Early { offset: *offset, bytes: digests(key, value), weight });
        }
    }

    pub(super) fn know_before(&mut self, next: Offset) {
        self.known_before = self.known_before.max(next);
    }

    pub(super) fn early_bytes(&self) -> usize {
        self.early_bytes
    }

    pub(super) fn due_count(&self) -> usize {
        self.due.len()
    }

    /// Compares as far as both sides are known.
    pub(super) fn settle(&mut self, findings: &mut Findings) {
        while let Some(letter) =
            self.early.pop_front_if(|letter| letter.offset < self.decided_before)
        {
            self.early_bytes -= letter.weight;
            self.settle_one(&letter, findings);
        }
        while let Some(due) = self.due.pop_front_if(|due| due.offset < self.known_before) {
            missing(&due, findings);
        }
    }

    /// At the end of a log nothing more is decided.
    pub(super) fn close(&mut self, findings: &mut Findings) {
        self.decided_before = Offset(i64::MAX);
        self.know_before(Offset(i64::MAX));
        self.settle(findings);
    }

    fn settle_one(&mut self, letter: &Early, findings: &mut Findings) {
        while let Some(due) = self.due.pop_front_if(|due| due.offset < letter.offset) {
            missing(&due, findings);
        }
        let Some(due) = self.due.pop_front_if(|due| due.offset == letter.offset) else {
            let sentence = "a dead letter that no decision speaks of";
            findings.add_at(letter.offset, Rule::DeadLetters, sentence);
            return;
        };
        if due.bytes.is_some_and(|bytes| bytes != letter.bytes) {
            let sentence = "the dead letter does not hold the bytes of its command";
            findings.add_at(letter.offset, Rule::DeadLetters, sentence);
        }
    }
}

fn missing(due: &Due, findings: &mut Findings) {
    let sentence = "its decision sends it to the dead letters, and it is not there";
    findings.add_at(due.offset, Rule::DeadLetters, sentence);
}

fn digests(key: &[u8], value: &[u8]) -> Bytes {
    [key, value].map(|bytes| Digits(Hash32(blake3::hash(bytes).into())))
}
