//! What a log holds, laid open, so that a test can plant a fault in it.

use crate::system_common::Partition;
use conclave::error::Result;
use conclave::log::{DeadLetterRecord, DecisionRecord, StoredCommand};
use conclave::validate::{Acknowledged, Feed, Report, Validator, Watch};
use conclave::wire::{CommandReader, body_hash, decode_decision, encode_decision};
use conclave_core::decision::{Decision, Event};
use conclave_core::units::{Hash32, Offset};
use std::collections::VecDeque;

/// All records of a partition, in the order in which they are stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) commands: Vec<StoredCommand>,
    pub(crate) decisions: Vec<DecisionRecord>,
    pub(crate) letters: Vec<DeadLetterRecord>,
}

impl Stored {
    pub(crate) fn of(partition: &Partition) -> Self {
        let disk = &partition.disk;
        Self {
            commands: disk.all_commands(),
            decisions: disk.all_decisions(),
            letters: disk.all_dead_letters(),
        }
    }

    /// Where the first decision stands that `is_it`.
    pub(crate) fn find(&self, is_it: impl Fn(&Decision) -> bool) -> usize {
        let found =
            self.decisions.iter().position(|record| is_it(&decode_decision(&record.body).unwrap()));
        found.expect("such a decision was made")
    }

    /// Where the first decision stands that has such an event.
    pub(crate) fn find_event(&self, is_it: impl Fn(&Event) -> bool) -> usize {
        self.find(|decision| decision.events.iter().any(&is_it))
    }

    /// Changes a decision and writes everything after it as if it had been so.
    pub(crate) fn change(&mut self, index: usize, change: impl FnOnce(&mut Decision)) {
        let mut decision = decode_decision(&self.decisions[index].body).unwrap();
        change(&mut decision);
        self.decisions[index].body = encode_decision(&decision);
        self.link();
    }

    /// Links all decisions anew, as whoever can write a log can.
    pub(crate) fn link(&mut self) {
        let mut head = Hash32::default();
        for record in &mut self.decisions {
            let mut decision = decode_decision(&record.body).unwrap();
            decision.prev_hash = head;
            record.body = encode_decision(&decision);
            record.hash = body_hash(&record.body);
            head = record.hash;
        }
    }

    /// What the rules say, fed in pieces of `piece` records.
    pub(crate) fn report(&self, piece: usize, acknowledged: &[Acknowledged]) -> Report {
        let validator = Validator::new(0, CommandReader::new(), acknowledged);
        let mut watch = Watch::new(Pieces::of(self, piece), validator);
        let is_at_rest = watch.look_to_the_end(|_| {}).unwrap();
        assert!(is_at_rest, "nobody writes to it");
        watch.finish(is_at_rest)
    }
}

/// The same, handed out in pieces.
struct Pieces {
    piece: usize,
    commands_next: Offset,
    commands: VecDeque<StoredCommand>,
    decisions: VecDeque<DecisionRecord>,
    letters: VecDeque<DeadLetterRecord>,
}

impl Pieces {
    fn of(stored: &Stored, piece: usize) -> Self {
        let Stored { commands, decisions, letters } = stored.clone();
        let commands_next = Offset(commands.last().map_or(0, |last| last.offset.0 + 1));
        let (commands, decisions) = (commands.into(), decisions.into());
        Self { piece, commands_next, commands, decisions, letters: letters.into() }
    }
}

fn some<R>(from: &mut VecDeque<R>, piece: usize) -> Vec<R> {
    let count = piece.min(from.len());
    from.drain(..count).collect()
}

impl Feed for Pieces {
    fn look(&mut self) -> Result<Offset> {
        Ok(self.commands_next)
    }

    fn left(&self) -> u64 {
        self.decisions.len() as u64
    }

    fn commands(&mut self, _: usize) -> Result<Vec<StoredCommand>> {
        Ok(some(&mut self.commands, self.piece))
    }

    fn decisions(&mut self, _: usize) -> Result<Vec<DecisionRecord>> {
        Ok(some(&mut self.decisions, self.piece))
    }

    fn dead_letters(&mut self, _: usize) -> Result<Vec<DeadLetterRecord>> {
        Ok(some(&mut self.letters, self.piece))
    }
}
