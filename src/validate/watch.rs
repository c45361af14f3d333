//! Feeding a validator: each look goes on to where the log ends by then.

use super::acknowledged::Acknowledged;
use super::feed::{Feed, FeedEnds, LogFeed};
use super::report::Report;
use super::validator::Validator;
use crate::error::Result;
use crate::log::LogReader;
use crate::wire::CommandReader;
use conclave_core::units::Offset;

/// Bytes of one stream read at once.
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// A validator, and where its records come from.
#[derive(Debug)]
pub struct Watch<F> {
    feed: F,
    validator: Validator,
    ends: FeedEnds,
    /// Where decisions ended at the look before this one: their dead letters, which another topic
    /// may show a moment later, are there by now.
    decisions_next_before: Offset,
}

impl<F: Feed> Watch<F> {
    /// Watches what `feed` shows, from its beginning.
    pub fn new(feed: F, validator: Validator) -> Self {
        Self { feed, validator, ends: FeedEnds::default(), decisions_next_before: Offset(0) }
    }

    /// What was seen so far.
    #[must_use]
    pub fn validator(&self) -> &Validator {
        &self.validator
    }

    /// Decisions that the log had at the last look and that were not looked at, about: offsets may
    /// have holes.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let next = self.validator.covered().0.saturating_add(1);
        self.ends.decisions_next.0.saturating_sub(next).max(0).unsigned_abs()
    }

    /// Looks where the log ends and reads up to there. Whether anything was new.
    ///
    /// # Errors
    /// When the log cannot be read; the next look goes on where this one stopped.
    pub fn look(&mut self) -> Result<bool> {
        self.decisions_next_before = self.ends.decisions_next;
        // Decisions follow their commands: what is decided by now was accepted by now.
        self.ends = self.feed.look()?;
        let mut is_news = false;
        loop {
            let moved = [self.read_commands()?, self.read_decisions()?, self.read_letters()?];
            if !moved.contains(&true) {
                break;
            }
            is_news = true;
        }
        Ok(is_news)
    }

    /// What the log is worth, given that it ends here.
    ///
    /// # Errors
    /// As [`Watch::look`].
    pub fn finish(mut self) -> Result<Report> {
        // Once more for what became visible meanwhile.
        self.read_letters()?;
        let damage = self.feed.damage().map(ToString::to_string);
        let mut report = self.validator.finish();
        if report.unchecked_because.is_none() {
            report.unchecked_because = damage;
        }
        Ok(report)
    }

    fn read_commands(&mut self) -> Result<bool> {
        if !self.validator.wants().commands {
            return Ok(false);
        }
        let commands = self.feed.commands(BATCH_BYTES_MAX)?;
        let is_end = commands.is_empty();
        self.validator.take_commands(commands);
        if is_end {
            self.validator.know_commands_before(self.ends.commands_next);
        }
        Ok(!is_end)
    }

    fn read_decisions(&mut self) -> Result<bool> {
        if !self.validator.wants().decisions {
            return Ok(false);
        }
        let decisions = self.feed.decisions(BATCH_BYTES_MAX)?;
        let is_end = decisions.is_empty();
        self.validator.take_decisions(decisions);
        Ok(!is_end)
    }

    fn read_letters(&mut self) -> Result<bool> {
        if !self.validator.wants().dead_letters {
            return Ok(false);
        }
        let letters = self.feed.dead_letters(BATCH_BYTES_MAX)?;
        let is_end = letters.is_empty();
        self.validator.take_dead_letters(letters);
        if is_end {
            self.validator.know_dead_letters_before(self.decisions_next_before);
        }
        Ok(!is_end)
    }
}

/// Asks every rule about the whole log of one partition as it is now.
///
/// # Errors
/// When the log cannot be read.
pub fn validate<L: LogReader>(
    log: L,
    partition: i64,
    acknowledged: &[Acknowledged],
) -> Result<Report> {
    let validator = Validator::new(partition, CommandReader::new(), acknowledged);
    let mut watch = Watch::new(LogFeed::new(log), validator);
    watch.look()?;
    watch.finish()
}
