//! How a proof reads commands again: under the schemas that the decisions name.

use crate::log::StoredCommand;
use crate::wire::{CommandReader, MissingSchema, RecordedReader, decode_decision};
use conclave_core::input::Input;
use conclave_core::units::Hash32;

/// How commands are read again.
#[derive(Debug)]
pub(crate) enum Reading {
    /// No registry was ever asked: an id means what the local table says.
    Table(CommandReader),
    /// The decision says under which schema.
    Recorded(RecordedReader),
}

impl Reading {
    pub(crate) fn of(kept: Option<&[String]>) -> Self {
        match kept {
            None => Self::Table(CommandReader::new()),
            Some(texts) => Self::Recorded(RecordedReader::new(texts.iter().map(String::as_str))),
        }
    }

    pub(super) fn read(
        &mut self,
        partition: i64,
        stored: &StoredCommand,
        recorded_body: &[u8],
        decide_version: i64,
    ) -> Result<Input, MissingSchema> {
        // A body that cannot be read is met again where it is compared.
        let digest = || decode_decision(recorded_body).ok().map(|decision| decision.input_hash);
        self.read_as(partition, stored, || digest().unwrap_or_default(), decide_version)
    }

    /// The command whose digest its decision recorded.
    ///
    /// # Errors
    /// When the schema that it was read under is not kept.
    pub(crate) fn read_as(
        &mut self,
        partition: i64,
        stored: &StoredCommand,
        recorded: impl FnOnce() -> Hash32,
        decide_version: i64,
    ) -> Result<Input, MissingSchema> {
        match self {
            Self::Table(reader) => Ok(reader.read(partition, stored, decide_version)),
            Self::Recorded(reader) => reader.read(partition, stored, recorded(), decide_version),
        }
    }
}
