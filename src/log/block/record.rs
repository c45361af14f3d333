//! The packed form of each kind of record.

use super::{BlockKind, plus};
use crate::log::{CommandRecord, DeadLetterRecord, DecisionRecord, Headers, StoredCommand};
use conclave_core::units::{Hash32, Offset, TimeMs};

/// Something that can be packed into a block.
pub trait Pack {
    /// Its kind of block.
    const KIND: BlockKind;
    /// Bytes that its packed form may have.
    const BYTES_MAX: usize = Self::KIND.record_bytes_max();

    /// Where it stands.
    fn offset(&self) -> Offset;

    /// Appends its packed form, without its offset when offsets are dense.
    fn pack(&self, to: &mut Vec<u8>);
}

/// A record that can be read from a block.
pub trait Record: Pack + Sized {
    /// What it weighs against a reader's byte limit: its own bytes, and what holding it takes, so
    /// that the limit also bounds how many empty ones there are.
    fn weight(&self) -> usize;

    /// The record that was packed at dense offset `dense`, unless the bytes are not one.
    fn unpack(dense: Offset, bytes: &[u8]) -> Option<Self>;
}

/// Bytes that a record takes in memory beside its contents, about.
pub const RECORD_HELD_BYTES: usize = 128;

/// A command on its way to its offset: packed without being copied first.
#[derive(Clone, Copy, Debug)]
pub struct NumberedCommand<'a> {
    /// Where it will stand.
    pub offset: Offset,
    /// What will stand there.
    pub record: &'a CommandRecord,
}

/// Commands on their way to the offsets from `first` on.
#[must_use]
pub fn numbered(first: Offset, commands: &[CommandRecord]) -> Vec<NumberedCommand<'_>> {
    let with_index = commands.iter().enumerate();
    with_index
        .map(|(index, record)| NumberedCommand { offset: plus(first, index), record })
        .collect()
}

impl Pack for NumberedCommand<'_> {
    const KIND: BlockKind = BlockKind::Commands;

    fn offset(&self) -> Offset {
        self.offset
    }

    fn pack(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.record.time_ms.0.to_le_bytes());
        pack_bytes(&self.record.key, to);
        pack_bytes(&self.record.value, to);
        self.record.headers.pack(to);
    }
}

impl Pack for StoredCommand {
    const KIND: BlockKind = BlockKind::Commands;

    fn offset(&self) -> Offset {
        self.offset
    }

    fn pack(&self, to: &mut Vec<u8>) {
        NumberedCommand { offset: self.offset, record: &self.record }.pack(to);
    }
}

impl Record for StoredCommand {
    fn weight(&self) -> usize {
        RECORD_HELD_BYTES
            + self.record.key.len()
            + self.record.value.len()
            + self.record.headers.bytes()
    }

    fn unpack(dense: Offset, bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let record = CommandRecord {
            time_ms: TimeMs(fields.i64()?),
            key: fields.bytes()?.to_vec(),
            value: fields.bytes()?.to_vec(),
            headers: fields.headers()?,
        };
        fields.0.is_empty().then_some(Self { offset: dense, record })
    }
}

impl Pack for DecisionRecord {
    const KIND: BlockKind = BlockKind::Decisions;

    fn offset(&self) -> Offset {
        self.offset
    }

    fn pack(&self, to: &mut Vec<u8>) {
        pack_bytes(&self.body, to);
        self.headers.pack(to);
    }
}

impl Record for DecisionRecord {
    fn weight(&self) -> usize {
        RECORD_HELD_BYTES + self.body.len() + self.headers.bytes()
    }

    /// The digest is computed anew: a stored one could only disagree.
    fn unpack(dense: Offset, bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let body = fields.bytes()?.to_vec();
        let hash = Hash32(*blake3::hash(&body).as_bytes());
        let headers = fields.headers()?;
        fields.0.is_empty().then_some(Self { offset: dense, hash, body, headers })
    }
}

impl Pack for DeadLetterRecord {
    const KIND: BlockKind = BlockKind::DeadLetters;

    fn offset(&self) -> Offset {
        self.offset
    }

    fn pack(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.offset.0.to_le_bytes());
        pack_bytes(&self.key, to);
        pack_bytes(&self.value, to);
        self.headers.pack(to);
    }
}

impl Record for DeadLetterRecord {
    fn weight(&self) -> usize {
        RECORD_HELD_BYTES + self.key.len() + self.value.len() + self.headers.bytes()
    }

    fn unpack(_: Offset, bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let letter = Self {
            offset: Offset(fields.i64()?),
            key: fields.bytes()?.to_vec(),
            value: fields.bytes()?.to_vec(),
            headers: fields.headers()?,
        };
        fields.0.is_empty().then_some(letter)
    }
}

/// Longer than a length field can say only when longer than [`RECORD_BYTES_MAX`] as well: such a
/// record is refused whatever its length field says.
fn pack_bytes(bytes: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    to.extend_from_slice(bytes);
}

/// What is left of a record's bytes; every read that does not fit answers `None`.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.take(8)?.try_into().ok().map(i64::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length)
    }

    fn headers(&mut self) -> Option<Headers> {
        Headers::unpack(&mut self.0)
    }
}
