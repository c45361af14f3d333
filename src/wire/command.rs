//! Commands: Confluent framing (a zero byte, the schema's id in four bytes, the datum), and the
//! digests that decisions keep of them.
//!
//! What a command is worth is decided elsewhere; here it is readable or not, and nothing else.

use super::datum::write;
use super::schemas::{
    DatumReader, VERSIONS, Versioned, WriterSchema, admit, fingerprint, local_commands,
    oldest_with_branch,
};
use crate::error::Result;
use crate::log::{CommandRecord, StoredCommand};
use conclave_core::command::{Actor, Command, Payload, PlacementPolicy};
use conclave_core::decision::{Rejected, Remembered};
use conclave_core::input::{Content, Input};
use conclave_core::rejection::{RejectionCode, refuse};
use conclave_core::units::{CommandId, Hash16, Hash32, PoolId, TimeMs};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a command's record. The largest one, and the grant of the largest gang that it may ask
/// for, fit into one decision together.
pub const COMMAND_BYTES_MAX: usize = 256 * 1024;

/// The first byte of a framed value.
const MAGIC: u8 = 0;
/// Bytes before the datum.
const FRAME_BYTES: usize = 5;
/// Bytes of most commands: what a buffer starts with.
const COMMAND_BYTES_USUAL: usize = 256;

/// Reads commands as the version of the deciding rules does that answers them.
#[derive(Debug)]
pub struct CommandReader {
    schemas: BTreeMap<u32, Arc<WriterSchema>>,
}

impl Default for CommandReader {
    fn default() -> Self {
        Self::new()
    }
}

impl CommandReader {
    /// A reader that knows the schemas of the local table.
    #[must_use]
    pub fn new() -> Self {
        let table = local_commands().into_iter();
        Self { schemas: table.map(|(id, schema)| (id, Arc::new(schema))).collect() }
    }

    /// A reader that knows no schema, for whoever learns them from a registry.
    pub(super) fn knowing_nothing() -> Self {
        Self { schemas: BTreeMap::new() }
    }

    /// Makes an admitted schema known under its id. A registry's answer replaces the local table's.
    pub fn learn(&mut self, id: u32, schema: WriterSchema) {
        self.schemas.insert(id, Arc::new(schema));
    }

    /// Makes a schema known by its text. One that is known under another id already is shared.
    ///
    /// # Errors
    /// As [`admit`]'s.
    pub(super) fn learn_text(&mut self, id: u32, text: &str) -> Result<()> {
        let digest = fingerprint(text)?;
        let known = self.schemas.values().find(|known| known.fingerprint() == digest).cloned();
        let schema = match known {
            Some(schema) => schema,
            None => Arc::new(admit(text)?),
        };
        self.schemas.insert(id, schema);
        Ok(())
    }

    /// Whether the schema of this id is known.
    pub(super) fn knows(&self, id: u32) -> bool {
        self.schemas.contains_key(&id)
    }

    /// Reads one record of the command log. Never fails: what cannot be read is an input, too.
    ///
    /// Its `input_hash` is BLAKE3 over these parts, each after its length in 8 bytes, numbers as 8
    /// bytes, all big-endian: a tag, the partition, the offset, the record's time, its key; then
    /// the fingerprint of the writer's schema and the datum (tag `conclave.datum.1`), or, when
    /// there is no telling which schema wrote it, the whole value (tag `conclave.value.1`): it is
    /// empty or over-long, its framing is broken, or its schema is not known.
    ///
    /// # Panics
    /// When this release does not know `decide_version`.
    #[must_use]
    pub fn read(&self, partition: i64, stored: &StoredCommand, decide_version: i64) -> Input {
        let StoredCommand { offset, record } = stored;
        let position = [partition, offset.0, record.time_ms.0];
        match self.unframe(&record.value, decide_version) {
            Ok((schema, reader, datum)) => {
                let input_hash = datum_digest(position, record, schema, datum);
                let content = decode(reader, datum);
                let (time_ms, key) = (record.time_ms, record.key.clone());
                Input { offset: *offset, time_ms, key, input_hash, content }
            }
            Err(rejected) => unreadable_input(partition, stored, rejected),
        }
    }

    fn unframe<'v>(
        &self,
        value: &'v [u8],
        decide_version: i64,
    ) -> std::result::Result<(&WriterSchema, &DatumReader, &'v [u8]), Rejected> {
        let (id, datum) = frame(value)?;
        let schema = self.schemas.get(&id).ok_or_else(|| unknown_schema(id))?;
        let reader = schema.reader(decide_version).ok_or_else(|| unknown_schema(id))?;
        Ok((schema, reader, datum))
    }
}

/// The schema's id in a framed value, and the datum.
pub(super) fn frame(value: &[u8]) -> std::result::Result<(u32, &[u8]), Rejected> {
    let unreadable = |detail: String| refuse(RejectionCode::Unreadable, detail);
    let bytes = value.len();
    if bytes > COMMAND_BYTES_MAX {
        return Err(unreadable(format!("{bytes} bytes; at most {COMMAND_BYTES_MAX}")));
    }
    let Some((&[magic, a, b, c, d], datum)) = value.split_first_chunk::<FRAME_BYTES>() else {
        return Err(unreadable(format!("{bytes} bytes; the framing alone has {FRAME_BYTES}")));
    };
    if magic != MAGIC {
        let detail = format!("starts with byte {magic}, not {MAGIC}: not Confluent framing");
        return Err(unreadable(detail));
    }
    Ok((u32::from_be_bytes([a, b, c, d]), datum))
}

/// The answer to a command whose schema is not known.
pub(super) fn unknown_schema(id: u32) -> Rejected {
    let detail = format!("schema {id} is not known here, or is no schema of commands");
    refuse(RejectionCode::UnknownSchema, detail)
}

/// The input of which there is no telling which schema wrote it.
pub(super) fn unreadable_input(partition: i64, stored: &StoredCommand, why: Rejected) -> Input {
    let StoredCommand { offset, record } = stored;
    let input_hash = value_digest([partition, offset.0, record.time_ms.0], record);
    let (time_ms, key) = (record.time_ms, record.key.clone());
    Input { offset: *offset, time_ms, key, input_hash, content: Content::Unreadable(why) }
}

/// The local id of the first version with the placement policy called default.
const DEFAULT_PLACEMENT_ID: u32 = 4;

impl Versioned for Command {
    fn oldest_id(&self) -> u32 {
        match &self.payload {
            Payload::SetPoolPolicy(policy) if policy.placement == PlacementPolicy::Default => {
                DEFAULT_PLACEMENT_ID
            }
            payload => oldest_with_branch(payload.branch()),
        }
    }
}

/// The command as bytes, framed with the local id of the oldest schema that can say it.
#[must_use]
pub fn encode_command(command: &Command) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(COMMAND_BYTES_USUAL);
    bytes.push(MAGIC);
    bytes.extend(command.oldest_id().to_be_bytes());
    write(command, &mut bytes);
    bytes
}

/// Puts the ids of a registry in the place of the local table's, in a value that we framed: on
/// Kafka everybody's commands bear the registry's ids. `ids` are those of our versions, the oldest
/// first.
///
/// # Panics
/// When the value is not one of [`encode_command`]'s.
pub fn reframe(value: &mut [u8], ids: [u32; VERSIONS]) {
    let (local, _) = frame(value).expect("our own framing is sound");
    let version = usize::try_from(local).expect("a version is small").checked_sub(1);
    let id = version.and_then(|version| ids.get(version)).expect("an id of the local table");
    value[1..FRAME_BYTES].copy_from_slice(&id.to_be_bytes());
}

/// The inverse: a value under one of `ids` as the local table would frame it; others stay as they
/// are.
#[must_use]
pub fn localized(value: &[u8], ids: [u32; VERSIONS]) -> Vec<u8> {
    let mut value = value.to_vec();
    let found = frame(&value).ok().map(|(id, _)| id);
    let version = (1_u32..).zip(ids).find(|(_, id)| Some(*id) == found);
    if let Some((version, _)) = version {
        value[1..FRAME_BYTES].copy_from_slice(&version.to_be_bytes());
    }
    value
}

pub(super) fn decode(reader: &DatumReader, datum: &[u8]) -> Content {
    match reader.read::<Command>(datum) {
        Ok(command) => {
            let digests = digests(&command);
            Content::Readable { command: Box::new(command), digests }
        }
        Err(detail) => Content::Unreadable(refuse(RejectionCode::Unreadable, detail)),
    }
}

/// The `input_hash` of a command that `schema` wrote.
pub(super) fn datum_digest(
    position: [i64; 3],
    record: &CommandRecord,
    schema: &WriterSchema,
    datum: &[u8],
) -> Hash32 {
    input_hash(b"conclave.datum.1", position, record, &[&schema.fingerprint().0, datum])
}

/// The `input_hash` of a command of which there is no telling which schema wrote it.
pub(super) fn value_digest(position: [i64; 3], record: &CommandRecord) -> Hash32 {
    input_hash(b"conclave.value.1", position, record, &[&record.value])
}

fn input_hash(tag: &[u8], position: [i64; 3], record: &CommandRecord, rest: &[&[u8]]) -> Hash32 {
    let mut hasher = blake3::Hasher::new();
    let mut head = Vec::with_capacity(COMMAND_BYTES_USUAL);
    push_part(&mut head, tag);
    for number in position {
        push_part(&mut head, &number.to_be_bytes());
    }
    push_part(&mut head, &record.key);
    for part in rest {
        // The last part may be long and is hashed where it lies.
        head.extend(length(part));
        hasher.update(&head).update(part);
        head.clear();
    }
    Hash32(hasher.finalize().into())
}

fn push_part(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend(length(part));
    bytes.extend(part);
}

fn length(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_be_bytes()
}

/// A command without what a retry may change: its id, which has a digest of its own, and the
/// sender's clock. Field by field like [`Command`], so that it is written alike.
#[derive(Serialize)]
struct Canonical<'c> {
    command_id: &'static str,
    pool: &'c PoolId,
    actor: &'c Actor,
    submitted_at_ms: TimeMs,
    payload: &'c Payload,
}

/// What the duplicate window keeps: 16 bytes of BLAKE3 over the pool's length in 8 bytes, the pool
/// and the id; and over the command in the first version's fields with an empty id and time 0.
///
/// Encoded anew instead of hashing slices of the datum, because Avro knows many encodings of one
/// value (numbers with leading zeros, arrays in blocks) and writers of other versions other fields.
fn digests(command: &Command) -> Remembered {
    let Command { command_id, pool, actor, payload, .. } = command;
    let id_hash = command_id_hash(pool, command_id);
    let mut bytes = Vec::with_capacity(COMMAND_BYTES_USUAL);
    let canonical = Canonical { command_id: "", pool, actor, submitted_at_ms: TimeMs(0), payload };
    write(&canonical, &mut bytes);
    Remembered { id_hash, payload_hash: hash16(&bytes) }
}

/// What a pool remembers of a command's id.
#[must_use]
pub fn command_id_hash(pool: &PoolId, command_id: &CommandId) -> Hash16 {
    let mut bytes = Vec::with_capacity(COMMAND_BYTES_USUAL);
    push_part(&mut bytes, pool.0.as_bytes());
    bytes.extend(command_id.0.as_bytes());
    hash16(&bytes)
}

fn hash16(bytes: &[u8]) -> Hash16 {
    let hash = blake3::hash(bytes);
    let (first, _) = hash.as_bytes().split_first_chunk().expect("32 bytes hold 16");
    Hash16(*first)
}
