//! Frames: deflated blocks, whose records name their offsets.

use crate::log::block::{Pack, Record};
use conclave_core::units::Offset;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

/// How hard deflating tries, of 10: beyond this it takes much longer for very little.
const LEVEL: u8 = 6;
/// Bytes of the offset before each record.
const OFFSET_BYTES: usize = 8;

/// A record that is packed together with its offset.
#[derive(Clone, Debug)]
pub(super) struct Placed<R>(pub(super) R);

impl<R: Pack> Pack for Placed<R> {
    const KIND: crate::log::block::BlockKind = R::KIND;
    const BYTES_MAX: usize = R::BYTES_MAX + OFFSET_BYTES;

    fn offset(&self) -> Offset {
        self.0.offset()
    }

    fn pack(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.offset().0.to_le_bytes());
        self.0.pack(to);
    }
}

impl<R: Record> Record for Placed<R> {
    fn weight(&self) -> usize {
        self.0.weight()
    }

    fn unpack(_: Offset, bytes: &[u8]) -> Option<Self> {
        let (offset, packed) = bytes.split_first_chunk()?;
        R::unpack(Offset(i64::from_le_bytes(*offset)), packed).map(Self)
    }
}

pub(super) fn deflated(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, LEVEL)
}

/// The bytes that were deflated, when they are exactly `length`.
pub(super) fn inflated(bytes: &[u8], length: usize) -> Option<Vec<u8>> {
    let inflated = decompress_to_vec_with_limit(bytes, length).ok()?;
    (inflated.len() == length).then_some(inflated)
}
