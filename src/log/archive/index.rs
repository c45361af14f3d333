//! The index: where each frame stands, and what it holds.

use super::HEAD_BYTES;
use crate::log::block::BlockKind;
use conclave_core::units::Offset;

/// Bytes of one entry.
const ENTRY_BYTES: usize = 48;
/// Bytes of a frame before it was deflated: the longest record and what is around it.
const RAW_BYTES_MAX: u32 = 17 * 1024 * 1024;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// Records.
    Block(BlockKind),
    /// The text of a schema.
    Schema,
    /// The file of a council.
    Model,
}

impl FrameKind {
    fn code(self) -> u32 {
        match self {
            Self::Block(BlockKind::Commands) => 1,
            Self::Block(BlockKind::Decisions) => 2,
            Self::Block(BlockKind::DeadLetters) => 3,
            Self::Schema => 4,
            Self::Model => 5,
        }
    }

    fn of(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Block(BlockKind::Commands)),
            2 => Some(Self::Block(BlockKind::Decisions)),
            3 => Some(Self::Block(BlockKind::DeadLetters)),
            4 => Some(Self::Schema),
            5 => Some(Self::Model),
            _ => None,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Block(kind) => kind.as_str(),
            Self::Schema => "schemas",
            Self::Model => "models",
        }
    }

    /// Whether its frames hold records, which have offsets.
    fn has_offsets(self) -> bool {
        matches!(self, Self::Block(_))
    }
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: FrameKind,
    /// How many records it holds.
    pub(super) count: u32,
    pub(super) partition: i64,
    /// Offset of its first record.
    pub(super) first: Offset,
    /// Offset of its last record.
    pub(super) last: Offset,
    /// Where it begins in the file.
    pub(super) position: u64,
    /// Bytes that it takes there.
    pub(super) stored: u32,
    /// Bytes that it had before it was deflated.
    pub(super) raw: u32,
}

impl Entry {
    pub(super) fn pack(&self, to: &mut Vec<u8>) {
        for small in [self.kind.code(), self.count] {
            to.extend_from_slice(&small.to_le_bytes());
        }
        for long in [self.partition, self.first.0, self.last.0] {
            to.extend_from_slice(&long.to_le_bytes());
        }
        to.extend_from_slice(&self.position.to_le_bytes());
        for small in [self.stored, self.raw] {
            to.extend_from_slice(&small.to_le_bytes());
        }
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let small = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let long = |at: usize| Some(i64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let position = u64::from_le_bytes(bytes.get(32..40)?.try_into().ok()?);
        let (kind, count) = (FrameKind::of(small(0)?)?, small(4)?);
        let (partition, first, last) = (long(8)?, Offset(long(16)?), Offset(long(24)?));
        let (stored, raw) = (small(40)?, small(44)?);
        Some(Self { kind, count, partition, first, last, position, stored, raw })
    }
}

/// Reads an index; none when it is not one of a file whose frames end at `frames_end`, one behind
/// the other, with growing offsets.
pub(super) fn unpack(bytes: &[u8], frames_end: u64) -> Option<Vec<Entry>> {
    let (chunks, rest) = bytes.as_chunks::<ENTRY_BYTES>();
    if !rest.is_empty() {
        return None;
    }
    let mut position = HEAD_BYTES;
    let mut entries: Vec<Entry> = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let entry = Entry::unpack(chunk)?;
        let is_behind = entries.last().is_none_or(|before| {
            let is_same = (before.partition, before.kind) == (entry.partition, entry.kind);
            !is_same || !entry.kind.has_offsets() || before.last < entry.first
        });
        let is_sound = entry.position == position
            && entry.raw <= RAW_BYTES_MAX
            && Offset(0) <= entry.first
            && entry.first <= entry.last
            && is_behind;
        if !is_sound {
            return None;
        }
        position = position.checked_add(u64::from(entry.stored))?;
        entries.push(entry);
    }
    (position == frames_end).then_some(entries)
}
