//! How a proof reads commands again: under the schemas that the decisions name.

use crate::log::StoredCommand;
use crate::wire::{CommandReader, MissingSchema, RecordedReader, decode_decision};
use conclave_core::input::Input;

/// How commands are read again.
pub(super) enum Reading {
    /// No registry was ever asked: an id means what the local table says.
    Table(CommandReader),
    /// The decision says under which schema.
    Recorded(RecordedReader),
}

impl Reading {
    pub(super) fn of(kept: Option<&[String]>) -> Self {
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
        match self {
            Self::Table(reader) => Ok(reader.read(partition, stored, decide_version)),
            Self::Recorded(reader) => {
                // A body that cannot be read is met again where it is compared.
                let decision = decode_decision(recorded_body).ok();
                let digest = decision.map(|decision| decision.input_hash).unwrap_or_default();
                reader.read(partition, stored, digest, decide_version)
            }
        }
    }
}
