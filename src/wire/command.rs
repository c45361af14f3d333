//! Commands: Confluent framing (a zero byte, the schema's id in four bytes, the datum), and the
//! digests that decisions keep of them.
//!
//! What a command is worth is decided elsewhere; here it is readable or not, and nothing else.

use super::datum::write;
use super::schemas::{Branched, WriterSchema, local_commands, oldest_id};
use crate::log::{CommandRecord, StoredCommand};
use conclave_core::command::{Actor, Command, Payload};
use conclave_core::decision::{Rejected, Remembered};
use conclave_core::input::{Content, Input};
use conclave_core::rejection::{RejectionCode, refuse};
use conclave_core::units::{CommandId, Hash16, Hash32, PoolId, TimeMs};
use serde::Serialize;
use std::collections::BTreeMap;

/// Bytes of a command's record. The largest one, and the grant of the largest gang that it may ask
/// for, fit into one decision together.
pub const COMMAND_BYTES_MAX: usize = 256 * 1024;

/// The first byte of a framed value.
const MAGIC: u8 = 0;
/// Bytes before the datum.
const FRAME_BYTES: usize = 5;
/// Bytes of most commands: what a buffer starts with.
const COMMAND_BYTES_USUAL: usize = 256;

/// Reads commands as `decide_version` 1 does: it knows exactly the branches of today's schema.
#[derive(Debug)]
pub struct CommandReader {
    schemas: BTreeMap<u32, WriterSchema>,
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
        Self { schemas: local_commands() }
    }

    /// Makes an admitted schema known under its id. A registry's answer replaces the local table's.
    pub fn learn(&mut self, id: u32, schema: WriterSchema) {
        self.schemas.insert(id, schema);
    }

    /// Reads one record of the command log. Never fails: what cannot be read is an input, too.
    ///
    /// Its `input_hash` is BLAKE3 over these parts, each after its length in 8 bytes, numbers as 8
    /// bytes, all big-endian: a tag, the partition, the offset, the record's time, its key; then
    /// the fingerprint of the writer's schema and the datum (tag `conclave.datum.1`), or, when
    /// there is no telling which schema wrote it, the whole value (tag `conclave.value.1`): it is
    /// empty or over-long, its framing is broken, or its schema is not known.
    #[must_use]
    pub fn read(&self, partition: i64, stored: &StoredCommand) -> Input {
        let StoredCommand { offset, record } = stored;
        let position = [partition, offset.0, record.time_ms.0];
        let (input_hash, content) = match self.unframe(&record.value) {
            Ok((schema, datum)) => {
                let fingerprint = schema.fingerprint();
                let parts = [&fingerprint.0, datum];
                (input_hash(b"conclave.datum.1", position, record, &parts), decode(schema, datum))
            }
            Err(rejected) => {
                let hash = input_hash(b"conclave.value.1", position, record, &[&record.value]);
                (hash, Content::Unreadable(rejected))
            }
        };
        let (time_ms, key) = (record.time_ms, record.key.clone());
        Input { offset: *offset, time_ms, key, input_hash, content }
    }

    fn unframe<'v>(&self, value: &'v [u8]) -> Result<(&WriterSchema, &'v [u8]), Rejected> {
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
        let id = u32::from_be_bytes([a, b, c, d]);
        let schema = self.schemas.get(&id).ok_or_else(|| {
            let detail = format!("schema {id} is not known here, or is no schema of commands");
            refuse(RejectionCode::UnknownSchema, detail)
        })?;
        Ok((schema, datum))
    }
}

impl Branched for Command {
    fn branch(&self) -> u32 {
        self.payload.branch()
    }
}

/// The command as bytes, framed with the local id of the oldest schema that can say it.
#[must_use]
pub fn encode_command(command: &Command) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(COMMAND_BYTES_USUAL);
    bytes.push(MAGIC);
    bytes.extend(oldest_id(command.payload.branch()).to_be_bytes());
    write(command, &mut bytes);
    bytes
}

fn decode(schema: &WriterSchema, datum: &[u8]) -> Content {
    match schema.read::<Command>(datum) {
        Ok(command) => {
            let digests = digests(&command);
            Content::Readable { command: Box::new(command), digests }
        }
        Err(detail) => Content::Unreadable(refuse(RejectionCode::Unreadable, detail)),
    }
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
