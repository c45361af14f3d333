//! Schemas that are not in the local table: whoever can be asked for them, and a reader that asks.
//!
//! An answer is an input of the decision: the text through its fingerprint, "not found" through the
//! digest of the whole value. No answer is none: the command is not read, and waits.

use super::command::{CommandReader, frame};
use crate::error::{Error, Result};
use crate::log::StoredCommand;
use conclave_core::input::Input;
use std::collections::BTreeSet;
use std::fmt;

/// What is known of a schema's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaAnswer {
    /// The schema's text. It stays the same for ever.
    Known(String),
    /// There is no such schema: final for the command at hand. A later one is asked about anew.
    NotFound,
    /// Nobody can tell just now, and why.
    Unavailable(String),
}

/// Knows schemas by the ids that writers frame their values with.
pub trait SchemaSource: fmt::Debug + Send {
    /// What is known of `id`. Whoever keeps the text beside the log has done so before it answers.
    fn schema(&mut self, id: u32) -> SchemaAnswer;
}

/// Reads commands, asking a source for each schema that it does not know yet.
#[derive(Debug, Default)]
pub struct SourcedReader {
    reader: CommandReader,
    source: Option<Box<dyn SchemaSource>>,
    /// Ids of schemas that are none of commands.
    foreign: BTreeSet<u32>,
    waiting: Option<String>,
}

impl SourcedReader {
    /// Reads by the local table, which knows everything there is.
    #[must_use]
    pub fn local() -> Self {
        Self::default()
    }

    /// Reads by what `source` knows: the local table's ids mean nothing there.
    #[must_use]
    pub fn asking(source: Box<dyn SchemaSource>) -> Self {
        let reader = CommandReader::knowing_nothing();
        Self { reader, source: Some(source), ..Self::default() }
    }

    /// Reads one record of the command log, as [`CommandReader::read`] does.
    ///
    /// # Errors
    /// `Unavailable` when nobody can tell its schema just now: ask again, nothing is lost.
    pub fn read(
        &mut self,
        partition: i64,
        stored: &StoredCommand,
        decide_version: i64,
    ) -> Result<Input> {
        self.waiting = None;
        if let Err(why) = self.look_up(&stored.record.value) {
            let offset = stored.offset;
            let why = format!("the command at offset {offset} waits for its schema: {why}");
            self.waiting = Some(why.clone());
            return Err(Error::unavailable(why));
        }
        Ok(self.reader.read(partition, stored, decide_version))
    }

    /// The same without asking anybody: what is not known is unreadable. For commands that are
    /// skipped, where it does not matter, and for those that were read before.
    #[must_use]
    pub fn read_unasked(
        &self,
        partition: i64,
        stored: &StoredCommand,
        decide_version: i64,
    ) -> Input {
        self.reader.read(partition, stored, decide_version)
    }

    /// Why the last command could not be read, if it could not.
    #[must_use]
    pub fn waiting(&self) -> Option<&str> {
        self.waiting.as_deref()
    }

    fn look_up(&mut self, value: &[u8]) -> std::result::Result<(), String> {
        let Some(source) = &mut self.source else { return Ok(()) };
        let Ok((id, _)) = frame(value) else { return Ok(()) };
        if self.reader.knows(id) || self.foreign.contains(&id) {
            return Ok(());
        }
        match source.schema(id) {
            SchemaAnswer::Known(text) => {
                if let Err(error) = self.reader.learn_text(id, &text) {
                    tracing::warn!(id, %error, "the schema is none of commands");
                    self.foreign.insert(id);
                }
                Ok(())
            }
            SchemaAnswer::NotFound => Ok(()),
            SchemaAnswer::Unavailable(why) => Err(why),
        }
    }
}
