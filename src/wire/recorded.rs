//! Reading commands again as they were read when they were decided, without asking anybody.
//!
//! A decision's `input_hash` covers the fingerprint of the writer's schema, or, when that was not
//! known, the whole value. So the digest itself says which of the kept texts was used, whatever
//! numbers some registry gave them, and that an answer was "not found".

use super::command::{CommandReader, datum_digest};
use super::command::{decode, frame, unknown_schema, unreadable_input, value_digest};
use super::schemas::{COMMAND_SCHEMAS, WriterSchema, admit};
use crate::log::StoredCommand;
use conclave_core::input::{Content, Input};
use conclave_core::units::Hash32;
use std::collections::BTreeMap;

/// The text of a writer's schema is not among the kept ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingSchema {
    /// The id in the command's framing.
    pub id: u32,
}

/// Reads commands of which decisions are recorded.
#[derive(Debug)]
pub struct RecordedReader {
    schemas: Vec<WriterSchema>,
    /// Which of them an id meant when it was last seen: the one to try first.
    by_id: BTreeMap<u32, usize>,
    table: CommandReader,
}

impl RecordedReader {
    /// A reader that knows our own schemas and the `kept` texts; those that are none of commands
    /// are passed over.
    pub fn new<'t>(kept: impl IntoIterator<Item = &'t str>) -> Self {
        let mut schemas: Vec<WriterSchema> = Vec::new();
        for text in COMMAND_SCHEMAS.into_iter().rev().chain(kept) {
            if let Ok(schema) = admit(text)
                && schemas.iter().all(|known| known.fingerprint() != schema.fingerprint())
            {
                schemas.push(schema);
            }
        }
        Self { schemas, by_id: BTreeMap::new(), table: CommandReader::knowing_nothing() }
    }

    /// The input whose digest is `recorded`, as `decide_version` read it. When no reading of a
    /// command gives it, the reading under the schema that its id meant before: it is not the
    /// command that was decided.
    ///
    /// # Errors
    /// When its schema is not among the kept ones.
    pub fn read(
        &mut self,
        partition: i64,
        stored: &StoredCommand,
        recorded: Hash32,
        decide_version: i64,
    ) -> Result<Input, MissingSchema> {
        let StoredCommand { offset, record } = stored;
        let Ok((id, datum)) = frame(&record.value) else {
            return Ok(self.table.read(partition, stored, decide_version));
        };
        let position = [partition, offset.0, record.time_ms.0];
        let digest = |schema: &WriterSchema| datum_digest(position, record, schema, datum);
        let meant = self.by_id.get(&id).copied();
        let candidates = meant.into_iter().chain(0..self.schemas.len());
        let mut found = None;
        for index in candidates {
            if digest(&self.schemas[index]) == recorded {
                found = Some(index);
                break;
            }
        }
        if found.is_none() && value_digest(position, record) == recorded {
            return Ok(unreadable_input(partition, stored, unknown_schema(id)));
        }
        let index = found.or(meant).ok_or(MissingSchema { id })?;
        self.by_id.insert(id, index);
        let schema = &self.schemas[index];
        let (time_ms, key) = (record.time_ms, record.key.clone());
        let input_hash = if found.is_some() { recorded } else { digest(schema) };
        let content = match schema.reader(decide_version) {
            Some(reader) => decode(reader, datum),
            None => Content::Unreadable(unknown_schema(id)),
        };
        Ok(Input { offset: *offset, time_ms, key, input_hash, content })
    }
}
