//! What a log holds, laid open, so that a test can plant a fault in it.
#![allow(dead_code, reason = "every test binary uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::system_common::Partition;
use conclave::error::Result;
use conclave::log::{DeadLetterRecord, DecisionRecord, StoredCommand};
use conclave::validate::{Acknowledged, Feed, Places, Report, Validator, Watch};
use conclave::wire::{RecordedReader, body_hash, decode_decision, encode_decision};
use conclave_core::decision::{Decision, Event};
use conclave_core::units::{Hash32, Offset};

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

    /// The same from `first` on.
    pub(crate) fn find_event_from(&self, first: usize, is_it: impl Fn(&Event) -> bool) -> usize {
        let later = Self { decisions: self.decisions[first..].to_vec(), ..self.clone() };
        first + later.find_event(is_it)
    }

    /// How many decisions the rounds up to about `count` of them hold.
    pub(crate) fn round_end(&self, count: usize) -> usize {
        let later = self.decisions[count..]
            .iter()
            .position(|record| decode_decision(&record.body).unwrap().round_index == 0);
        count + later.expect("a round begins later")
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
        let validator = Validator::new(0, RecordedReader::new([]), acknowledged);
        let mut watch = Watch::new(Pieces::of(self, piece), validator);
        let is_at_rest = watch.look_to_the_end(|_| {}).unwrap();
        assert!(is_at_rest, "nobody writes to it");
        watch.finish(is_at_rest)
    }
}

/// The same, handed out in pieces.
pub(crate) struct Pieces {
    stored: Stored,
    piece: usize,
    /// How many commands, decisions and letters were handed out.
    next: [usize; 3],
}

impl Pieces {
    pub(crate) fn of(stored: &Stored, piece: usize) -> Self {
        Self { stored: stored.clone(), piece, next: [0; 3] }
    }
}

fn some<R: Clone>(from: &[R], next: &mut usize, piece: usize) -> Vec<R> {
    let until = next.saturating_add(piece).min(from.len());
    let first = std::mem::replace(next, until).min(until);
    from[first..until].to_vec()
}

impl Feed for Pieces {
    fn look(&mut self) -> Result<Offset> {
        Ok(Offset(self.stored.commands.last().map_or(0, |last| last.offset.0 + 1)))
    }

    fn left(&self) -> u64 {
        (self.stored.decisions.len() - self.next[1]) as u64
    }

    fn commands(&mut self, _: usize) -> Result<Vec<StoredCommand>> {
        Ok(some(&self.stored.commands, &mut self.next[0], self.piece))
    }

    fn decisions(&mut self, _: usize) -> Result<Vec<DecisionRecord>> {
        Ok(some(&self.stored.decisions, &mut self.next[1], self.piece))
    }

    fn dead_letters(&mut self, _: usize) -> Result<Vec<DeadLetterRecord>> {
        Ok(some(&self.stored.letters, &mut self.next[2], self.piece))
    }

    /// Offsets of these commands are dense.
    fn places(&self) -> Option<Places> {
        let [command, decision, dead_letter] = self.next.map(|next| i64::try_from(next).unwrap());
        let decision_before = decision.checked_sub(1).filter(|before| *before >= 0)?;
        Some(Places { command, decision_before, decision, dead_letter })
    }

    fn go_to(&mut self, places: Places) {
        let next = [places.command, places.decision, places.dead_letter];
        self.next = next.map(|next| usize::try_from(next).unwrap());
    }
}
