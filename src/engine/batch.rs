//! Decided rounds on their way into the log, in one piece.

use crate::log::{DeadLetterRecord, DecisionRecord, Headers, RoundRecord, StoredCommand};
use crate::telemetry::events::HeadersMalformed;
use crate::telemetry::{Correlation, Counters};
use crate::wire::{body_hash, encode_decision};
use conclave_core::decision::{Decision, Outcome};
use conclave_core::units::Hash32;

/// Whole rounds, linked to the chain.
#[derive(Debug)]
pub(super) struct Batch {
    /// As the log keeps them.
    pub(super) record: RoundRecord,
    pub(super) decisions: Vec<Decision>,
    /// The chain's head behind them.
    pub(super) head: Hash32,
    bytes: usize,
}

impl Batch {
    /// No round yet, behind the decision with the digest `head`.
    pub(super) fn behind(head: Hash32) -> Self {
        Self { record: RoundRecord::default(), decisions: vec![], head, bytes: 0 }
    }

    /// How many commands it answers.
    pub(super) fn len(&self) -> usize {
        self.record.decisions.len()
    }

    /// Bytes of its decisions and dead letters, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Links a round's decisions and adds them as the log keeps them.
    pub(super) fn add(
        &mut self,
        partition: i64,
        stored: &[StoredCommand],
        mut decisions: Vec<Decision>,
        counters: &mut Counters,
    ) {
        for (stored, decision) in stored.iter().zip(&mut decisions) {
            decision.prev_hash = self.head;
            let body = encode_decision(decision);
            self.head = body_hash(&body);
            let (command, header_count) = Correlation::parse(&stored.record.headers);
            if header_count > 0 {
                let offset = stored.offset;
                HeadersMalformed { partition, offset, header_count }.emit(counters);
            }
            let headers = command.of_decision(decision).to_headers();
            let letter = dead_letter(stored, decision, &headers);
            self.bytes += body.len() + letter.as_ref().map_or(0, |letter| letter.value.len());
            self.record.dead_letters.extend(letter);
            let (offset, hash) = (decision.offset, self.head);
            self.record.decisions.push(DecisionRecord { offset, hash, body, headers });
        }
        self.decisions.append(&mut decisions);
    }
}

/// The command as it came, its decision's envelope and the reason behind its own headers: of a name
/// that appears twice, the last counts.
fn dead_letter(
    stored: &StoredCommand,
    decision: &Decision,
    envelope: &Headers,
) -> Option<DeadLetterRecord> {
    let Outcome::Rejected(rejected) = &decision.outcome else { return None };
    rejected.code.is_dead_letter().then(|| {
        let mut headers = stored.record.headers.clone();
        headers.append(envelope);
        headers.push("rejection_code", rejected.code.as_str().as_bytes());
        headers.push("rejection_detail", rejected.detail.as_bytes());
        headers.push("command_offset", stored.offset.to_string().as_bytes());
        DeadLetterRecord {
            offset: stored.offset,
            key: stored.record.key.clone(),
            value: stored.record.value.clone(),
            headers,
        }
    })
}
