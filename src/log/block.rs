//! Blocks: how the embedded log packs records into values, and how it finds them again.
//!
//! A key per record costs ten times as much as a key per batch, so a batch or round is one value,
//! or a few of at most [`BLOCK_BYTES_MAX`]. A block checks itself: whatever the store below it
//! hands back is either what was written or [`Corrupt`](crate::error::ErrorKind::Corrupt).
//!
//! Layout, integers little-endian: version (1 byte), kind (1), zero (2), record count (4), first
//! offset (8), the end of every record (4 each), the records, and the first 16 bytes of the BLAKE3
//! digest of all that.

mod record;

pub use record::{NumberedCommand, Pack, RECORD_HELD_BYTES, Record, numbered};

use crate::error::{Error, Result};
use conclave_core::units::Offset;
use record::Fields;

/// Bytes of a block. One record longer than this has a block to itself.
pub const BLOCK_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one packed record: far beyond any decision, far below what a position can hold.
pub const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of one packed command. Its answer repeats its headers, and a dead letter all of it with
/// the reason: whatever is accepted can be answered.
pub const COMMAND_RECORD_BYTES_MAX: usize = RECORD_BYTES_MAX / 2;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 16;
const POSITION_BYTES: usize = 4;
const CHECK_BYTES: usize = 16;

/// What a block's records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Commands, at dense offsets.
    Commands,
    /// Decisions, at dense offsets.
    Decisions,
    /// Dead letters, at growing offsets.
    DeadLetters,
}

impl BlockKind {
    fn code(self) -> u8 {
        match self {
            Self::Commands => 1,
            Self::Decisions => 2,
            Self::DeadLetters => 3,
        }
    }

    const fn record_bytes_max(self) -> usize {
        match self {
            Self::Commands => COMMAND_RECORD_BYTES_MAX,
            Self::Decisions | Self::DeadLetters => RECORD_BYTES_MAX,
        }
    }

    /// The kind as messages spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Decisions => "decisions",
            Self::DeadLetters => "dead letters",
        }
    }
}

/// A packed block and the offset that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedBlock {
    /// Offset of its first record.
    pub first: Offset,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Packs records into as few blocks as fit, in order.
///
/// # Errors
/// `Invalid` when a record is longer than [`RECORD_BYTES_MAX`], or a command than
/// [`COMMAND_RECORD_BYTES_MAX`].
///
/// # Panics
/// Never: what fits a block fits its positions.
pub fn pack<R: Pack>(records: &[R]) -> Result<Vec<PackedBlock>> {
    let mut blocks = Vec::new();
    let mut body = Vec::new();
    let mut ends: Vec<u32> = Vec::new();
    let mut first = None;
    for record in records {
        let start = body.len();
        record.pack(&mut body);
        let length = body.len() - start;
        let max = R::BYTES_MAX;
        if length > max {
            let (offset, kind) = (record.offset(), R::KIND.as_str());
            return Err(Error::invalid(format!(
                "record {offset} of the {kind} has {length} bytes, at most {max} are stored: send \
                 a smaller one"
            )));
        }
        let overhead = HEADER_BYTES + (ends.len() + 1) * POSITION_BYTES + CHECK_BYTES;
        if !ends.is_empty() && overhead + body.len() > BLOCK_BYTES_MAX {
            let next = body.split_off(start);
            blocks.push(seal::<R>(&mut first, &mut ends, &body));
            body = next;
        }
        first.get_or_insert_with(|| record.offset());
        ends.push(u32::try_from(body.len()).expect("a block is bounded by two records' limits"));
    }
    if !ends.is_empty() {
        blocks.push(seal::<R>(&mut first, &mut ends, &body));
    }
    Ok(blocks)
}

fn seal<R: Pack>(first: &mut Option<Offset>, ends: &mut Vec<u32>, body: &[u8]) -> PackedBlock {
    let first = first.take().expect("a block with a record has a first offset");
    let count = u32::try_from(ends.len()).expect("a block holds fewer records than bytes");
    let length = HEADER_BYTES + ends.len() * POSITION_BYTES + body.len() + CHECK_BYTES;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&[VERSION, R::KIND.code(), 0, 0]);
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&first.0.to_le_bytes());
    for end in ends.drain(..) {
        bytes.extend_from_slice(&end.to_le_bytes());
    }
    bytes.extend_from_slice(body);
    let check = check_of(&bytes);
    bytes.extend_from_slice(&check);
    PackedBlock { first, bytes }
}

fn check_of(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECK_BYTES]);
    check
}

/// A block whose check holds.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    kind: BlockKind,
    first: Offset,
    positions: &'a [u8],
    body: &'a [u8],
}

impl<'a> Block<'a> {
    /// Reads the block that should start at `first`.
    ///
    /// # Errors
    /// `Corrupt`, naming `first`, when the bytes are not a block of this kind and offset.
    pub fn read(kind: BlockKind, first: Offset, bytes: &'a [u8]) -> Result<Self> {
        Self::parse(kind, first, bytes).map_err(|what| corrupt(kind, first, what))
    }

    fn parse(
        kind: BlockKind,
        first: Offset,
        bytes: &'a [u8],
    ) -> std::result::Result<Self, &'static str> {
        let body_end = bytes.len().checked_sub(CHECK_BYTES).ok_or("it is too short")?;
        let (checked, check) = bytes.split_at(body_end);
        if check_of(checked) != *check {
            return Err("its check differs from its bytes");
        }
        let (header, rest) = checked.split_at_checked(HEADER_BYTES).ok_or("it has no header")?;
        let mut fields = Fields(header);
        let (version, code) = (fields.byte(), fields.byte());
        fields.take(2);
        let (count, stored_first) = (fields.u32(), fields.i64());
        if version != Some(VERSION) {
            return Err("its format version is unknown to this release");
        }
        if code != Some(kind.code()) || stored_first != Some(first.0) {
            return Err("it belongs elsewhere");
        }
        let index_bytes = usize::try_from(count.unwrap_or(0))
            .ok()
            .and_then(|count| count.checked_mul(POSITION_BYTES))
            .filter(|&bytes| bytes > 0)
            .ok_or("it holds no records")?;
        let (positions, body) = rest.split_at_checked(index_bytes).ok_or("its index is cut")?;
        Ok(Self { kind, first, positions, body })
    }

    /// How many records it holds; never none.
    #[must_use]
    pub fn count(&self) -> usize {
        self.positions.len() / POSITION_BYTES
    }

    /// Offset of its first record.
    #[must_use]
    pub fn first(&self) -> Offset {
        self.first
    }

    /// The record at `index`, without reading those before it.
    ///
    /// # Errors
    /// `Corrupt` when its place or its bytes make no sense.
    pub fn record<R: Record>(&self, index: usize) -> Result<R> {
        let dense = plus(self.first, index);
        self.bytes_of(index)
            .and_then(|bytes| R::unpack(dense, bytes))
            .ok_or_else(|| corrupt(self.kind, dense, "its record cannot be read"))
    }

    fn bytes_of(&self, index: usize) -> Option<&'a [u8]> {
        let start = match index.checked_sub(1) {
            Some(before) => self.end_of(before)?,
            None => 0,
        };
        self.body.get(start..self.end_of(index)?)
    }

    fn end_of(&self, index: usize) -> Option<usize> {
        let mut fields = Fields(self.positions.get(index.checked_mul(POSITION_BYTES)?..)?);
        usize::try_from(fields.u32()?).ok()
    }
}

/// `offset` moved on by `count` records.
///
/// # Panics
/// Never: no memory holds more records than an offset can count.
#[must_use]
pub fn plus(offset: Offset, count: usize) -> Offset {
    let count = i64::try_from(count).expect("no memory holds that many records");
    Offset(offset.0.saturating_add(count))
}

fn corrupt(kind: BlockKind, offset: Offset, what: &str) -> Error {
    let kind = kind.as_str();
    Error::corrupt(format!("the {kind} cannot be read from offset {offset} on: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::log::{CommandRecord, DeadLetterRecord, DecisionRecord, Headers, StoredCommand};
    use conclave_core::units::{Hash32, TimeMs};
    use proptest::prelude::*;

    fn command(offset: i64, value: Vec<u8>) -> StoredCommand {
        let headers = Headers::from([("traceparent", vec![7; 3]), ("", vec![])]);
        let record =
            CommandRecord { time_ms: TimeMs(-offset), key: b"pool".to_vec(), value, headers };
        StoredCommand { offset: Offset(offset), record }
    }

    fn commands(first: i64, lengths: &[usize]) -> Vec<StoredCommand> {
        (first..).zip(lengths).map(|(offset, &length)| command(offset, vec![9; length])).collect()
    }

    fn unpacked<R: Record>(blocks: &[PackedBlock]) -> Vec<R> {
        let read = |block: &PackedBlock| {
            let read = Block::read(R::KIND, block.first, &block.bytes).unwrap();
            (0..read.count()).map(|index| read.record(index).unwrap()).collect::<Vec<R>>()
        };
        blocks.iter().flat_map(read).collect()
    }

    #[test]
    fn what_is_packed_is_read() {
        let half = BLOCK_BYTES_MAX / 2;
        for lengths in [&[0][..], &[0, 1, 200], &[half; 5], &[1, 2 * BLOCK_BYTES_MAX, 1]] {
            let written = commands(40, lengths);
            assert_eq!(unpacked::<StoredCommand>(&pack(&written).unwrap()), written);
        }
    }

    #[test]
    fn a_block_is_bounded_unless_one_record_fills_it() {
        let blocks = pack(&commands(0, &[BLOCK_BYTES_MAX / 3; 9])).unwrap();
        assert_eq!(blocks.iter().map(|block| block.first.0).collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
        assert!(blocks.iter().all(|block| block.bytes.len() <= BLOCK_BYTES_MAX));
        let long = pack(&commands(0, &[1, BLOCK_BYTES_MAX, 1])).unwrap();
        assert_eq!(long.iter().map(|block| block.first.0).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_record_beyond_the_limit_is_refused() {
        let error = pack(&commands(0, &[RECORD_BYTES_MAX])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
    }

    #[test]
    fn decisions_come_back_with_their_digest_and_dead_letters_with_their_offset() {
        let body = b"datum".to_vec();
        let hash = Hash32(*blake3::hash(&body).as_bytes());
        let decision = DecisionRecord { offset: Offset(3), hash, body, headers: Headers::new() };
        assert_eq!(
            unpacked::<DecisionRecord>(&pack(std::slice::from_ref(&decision)).unwrap()),
            [decision]
        );
        let letter = |offset| DeadLetterRecord {
            offset: Offset(offset),
            key: vec![],
            value: vec![1, 2],
            headers: Headers::from([("why", b"cut")]),
        };
        let letters = [letter(5), letter(90)];
        assert_eq!(unpacked::<DeadLetterRecord>(&pack(&letters).unwrap()), letters);
    }

    #[test]
    fn a_block_of_another_offset_or_kind_is_corrupt() {
        let block = pack(&commands(7, &[5])).unwrap().remove(0);
        for (kind, first) in [(BlockKind::Commands, 8), (BlockKind::Decisions, 7)] {
            let error = Block::read(kind, Offset(first), &block.bytes).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Corrupt);
            assert!(error.message.contains(&format!("offset {first}")), "{error}");
        }
    }

    /// Damage that keeps the check right: what a broken program could have written.
    fn resealed(mut bytes: Vec<u8>, at: usize, value: u8) -> Vec<u8> {
        let end = bytes.len() - CHECK_BYTES;
        bytes.truncate(end);
        bytes[at % end] = value;
        let check = check_of(&bytes);
        bytes.extend_from_slice(&check);
        bytes
    }

    proptest! {
        #[test]
        fn one_changed_byte_is_noticed(at in any::<prop::sample::Index>(), flip in 1_u8..) {
            let block = pack(&commands(1, &[3, 0, 50])).unwrap().remove(0);
            let mut bytes = block.bytes;
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let read = Block::read(BlockKind::Commands, block.first, &bytes);
            prop_assert_eq!(read.map(|_| ()).unwrap_err().kind, ErrorKind::Corrupt);
        }

        #[test]
        fn no_bytes_make_it_panic(at in any::<usize>(), value in any::<u8>()) {
            let block = pack(&commands(1, &[3, 0, 50])).unwrap().remove(0);
            let bytes = resealed(block.bytes, at, value);
            if let Ok(read) = Block::read(BlockKind::Commands, block.first, &bytes) {
                for index in 0..read.count() + 2 {
                    drop(read.record::<StoredCommand>(index));
                }
            }
        }

        #[test]
        fn bytes_that_are_no_block_are_corrupt(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let read = Block::read(BlockKind::Decisions, Offset(0), &bytes);
            prop_assert_eq!(read.map(|_| ()).unwrap_err().kind, ErrorKind::Corrupt);
        }
    }
}
