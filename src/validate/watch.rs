//! Feeding a validator: each look goes on to where the log ends by then.

use super::acknowledged::Acknowledged;
use super::feed::{Feed, LogFeed, Places};
use super::report::Report;
use super::validator::Validator;
use crate::error::{Error, Result};
use crate::log::LogReader;
use crate::wire::RecordedReader;
use conclave_core::units::Offset;

/// Bytes of one stream read at once.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Batches of one look: figures are brought up to date in between.
const LOOK_BATCHES_MAX: usize = 64;
/// Looks without news after which a log is at rest: marks of one transaction reach its topics one
/// by one, so that one look may see half of it.
const QUIET_LOOKS: u32 = 2;

/// A validator, and where its records come from.
#[derive(Debug)]
pub struct Watch<F> {
    feed: F,
    validator: Validator,
    /// What was seen at the look before this one: a record that belongs to it, and that another
    /// topic may show a moment later, is there by now.
    before: Seen,
}

/// How far a look came.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    commands_next: Offset,
    decided_before: Offset,
}

impl<F: Feed> Watch<F> {
    /// Watches what `feed` shows, from its beginning.
    pub fn new(feed: F, validator: Validator) -> Self {
        Self { feed, validator, before: Seen::default() }
    }

    /// Goes on at `places` with a validator that knows all that stands before them.
    ///
    /// # Errors
    /// `Corrupt` when the log does not hold the last decision that it knows; when it cannot be
    /// read.
    pub fn resume(mut feed: F, validator: Validator, places: Places) -> Result<Self> {
        let covered = validator.covered();
        feed.go_to(Places { decision: places.decision_before, ..places });
        feed.look()?;
        let found = feed.decisions(0)?;
        if !found.first().is_some_and(|last| validator.is_last(last)) {
            return Err(Error::corrupt(format!(
                "decision {covered} of partition {} was validated and is not there any more as it \
                 was: the log was changed, cut or replaced",
                validator.partition()
            )));
        }
        drop(feed.foreign());
        feed.go_to(places);
        Ok(Self { feed, validator, before: Seen::default() })
    }

    /// What its validator knows, to go on with later; none while a decision waits for its command.
    ///
    /// # Errors
    /// As [`Validator::kept`].
    pub fn kept(&self) -> Result<Option<Vec<u8>>> {
        self.feed.places().map_or(Ok(None), |places| self.validator.kept(places))
    }

    /// What was seen so far.
    #[must_use]
    pub fn validator(&self) -> &Validator {
        &self.validator
    }

    /// Decisions that the log had at the last look and that were not looked at, about.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.feed.left() + self.validator.waiting_count()
    }

    /// Looks where the log ends and reads up to there, or a good part of it. Whether anything was
    /// new.
    ///
    /// # Errors
    /// When the log cannot be read; the next look goes on where this one stopped.
    pub fn look(&mut self) -> Result<bool> {
        let decided_before = Offset(self.validator.covered().0.saturating_add(1));
        let commands_next = self.feed.look()?;
        let mut is_news = false;
        for _ in 0..LOOK_BATCHES_MAX {
            // Decisions come after their commands: those of the last round are all there.
            let moved = [self.read_commands()?, self.read_decisions()?, self.read_letters()?];
            if !moved.contains(&true) {
                break;
            }
            is_news = true;
        }
        self.before = Seen { commands_next, decided_before };
        Ok(is_news)
    }

    /// Looks until there is nothing new; of a log that is being written to, until what it held at
    /// the beginning was seen. Whether it is at rest.
    ///
    /// # Errors
    /// As [`Watch::look`].
    pub fn look_to_the_end(&mut self, mut seen: impl FnMut(&Self)) -> Result<bool> {
        self.feed.look()?;
        let (read, held) = (self.validator.decision_count(), self.feed.left());
        let mut quiet_looks = 0;
        while quiet_looks < QUIET_LOOKS {
            quiet_looks = if self.look()? { 0 } else { quiet_looks + 1 };
            seen(self);
            let is_over = self.validator.decision_count() - read > held;
            if is_over && self.feed.left() > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What the log is worth; `is_at_rest` as [`Watch::look_to_the_end`] says.
    #[must_use]
    pub fn finish(self, is_at_rest: bool) -> Report {
        let damage = self.feed.damage().map(ToString::to_string);
        let mut report = self.validator.finish(is_at_rest);
        if report.unchecked_because.is_none() {
            report.unchecked_because = damage;
        }
        report
    }

    fn read_commands(&mut self) -> Result<bool> {
        if !self.validator.wants().commands {
            return Ok(false);
        }
        let commands = self.feed.commands(BATCH_BYTES_MAX)?;
        let is_end = commands.is_empty();
        self.validator.take_commands(commands);
        if is_end {
            self.validator.know_commands_before(self.before.commands_next);
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
        self.note_foreign();
        Ok(!is_end)
    }

    fn read_letters(&mut self) -> Result<bool> {
        if !self.validator.wants().dead_letters {
            return Ok(false);
        }
        let letters = self.feed.dead_letters(BATCH_BYTES_MAX)?;
        let is_end = letters.is_empty();
        self.validator.take_dead_letters(letters);
        self.note_foreign();
        if is_end {
            self.validator.know_dead_letters_before(self.before.decided_before);
        }
        Ok(!is_end)
    }

    fn note_foreign(&mut self) {
        for error in self.feed.foreign() {
            self.validator.take_foreign(&error);
        }
    }
}

/// Asks every rule about the whole log of one partition as it is now. `kept` are the texts of
/// schemas besides ours that its commands were read under.
///
/// # Errors
/// When the log cannot be read.
pub fn validate<L: LogReader>(
    log: L,
    kept: &[String],
    acknowledged: &[Acknowledged],
) -> Result<Report> {
    let reader = RecordedReader::new(kept.iter().map(String::as_str));
    let validator = Validator::new(log.partition(), reader, acknowledged);
    let mut watch = Watch::new(LogFeed::new(log), validator);
    let is_at_rest = watch.look_to_the_end(|_| {})?;
    Ok(watch.finish(is_at_rest))
}
