//! Logs as somebody would rewrite them who can compute digests.

use crate::system_common::Disk;
use conclave::error::Result;
use conclave::log::{
    DeadLetterRecord, DecisionRecord, EventLog, Headers, LogEnds, LogReader, RoundRecord,
    StoredCommand,
};
use conclave::wire::{body_hash, decode_decision, encode_decision};
use conclave_core::decision::{Decision, Event};
use conclave_core::units::{Hash32, Offset};

/// All decisions, by their offset.
pub(crate) fn decisions(disk: &Disk) -> Vec<Decision> {
    disk.all_decisions().iter().map(|record| decode_decision(&record.body).unwrap()).collect()
}

/// Votes of networks that a log holds.
pub(crate) fn votes(disk: &Disk) -> u64 {
    let decisions = decisions(disk);
    let events = decisions.iter().flat_map(|decision| &decision.events);
    events.filter(|event| matches!(event, Event::CouncilVoted(_))).count() as u64
}

/// The same commands with decisions that `change` changed, linked to each other again.
pub(crate) fn changed(disk: &Disk, change: impl FnOnce(&mut Vec<Decision>)) -> Disk {
    let mut decisions = decisions(disk);
    change(&mut decisions);
    let mut head = Hash32::default();
    let mut records = vec![];
    for decision in &mut decisions {
        decision.prev_hash = head;
        let body = encode_decision(decision);
        head = body_hash(&body);
        let (offset, hash, headers) = (decision.offset, head, Headers::new());
        records.push(DecisionRecord { offset, hash, body, headers });
    }
    let mut forged = Disk::default();
    let commands = disk.all_commands().into_iter().map(|stored| stored.record);
    forged.accept(&commands.collect::<Vec<_>>()).unwrap();
    forged.commit(&RoundRecord { decisions: records, dead_letters: vec![] }).unwrap();
    forged
}

/// `disk` with the decision at `index` as it is in `other`: one that does not continue the chain.
pub(crate) fn replaced(disk: &Disk, other: &Disk, index: usize) -> Broken {
    let mut decisions = disk.all_decisions();
    decisions[index] = other.all_decisions()[index].clone();
    Broken { disk: disk.clone(), decisions }
}

/// A log that nobody could have written through the log's own interface.
pub(crate) struct Broken {
    disk: Disk,
    decisions: Vec<DecisionRecord>,
}

impl LogReader for Broken {
    fn ends(&self) -> Result<LogEnds> {
        self.disk.ends()
    }

    fn commands(&self, from: Offset, bytes_max: usize) -> Result<Vec<StoredCommand>> {
        self.disk.commands(from, bytes_max)
    }

    fn decisions(&self, from: Offset, _: usize) -> Result<Vec<DecisionRecord>> {
        Ok(self.decisions.iter().filter(|record| record.offset >= from).cloned().collect())
    }

    fn dead_letters(&self, from: Offset, bytes_max: usize) -> Result<Vec<DeadLetterRecord>> {
        self.disk.dead_letters(from, bytes_max)
    }

    fn snapshots(&self) -> Result<Vec<Offset>> {
        self.disk.snapshots()
    }

    fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        self.disk.snapshot(offset)
    }
}
