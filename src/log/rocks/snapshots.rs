//! Snapshots as full copies under keys of their own, in chunks that check themselves.
//!
//! Checkpoints of the store would share its files, so one bad block would damage all of them. The
//! header stands in `meta` and is written last, with the removal of what it replaces: a snapshot
//! without one does not exist, and its chunks go with the next snapshot.

use super::families::{META, SNAPSHOTS};
use super::store::{Store, key_of, store_error};
use crate::error::{Error, Result};
use crate::log::SNAPSHOTS_KEPT;
use crate::log::block::plus;
use conclave_core::units::Offset;
use rocksdb::{WriteBatch, WriteOptions};

/// Bytes of a snapshot in one chunk, its digest not counted.
const CHUNK_BYTES: usize = 256 * 1024 - DIGEST_BYTES;
const DIGEST_BYTES: usize = 32;
/// Chunks written at once: a snapshot need not fit into the memtables.
const CHUNKS_PER_WRITE: usize = 16;

const HEADER_PREFIX: &[u8] = b"snapshot/";
const FORMAT: u8 = 1;
/// Format (1), offset (8), chunk count (4), length (8), digest of all (32).
const HEADER_BYTES: usize = 1 + 8 + 4 + 8 + DIGEST_BYTES;

impl Store {
    /// Offsets of the snapshots, newest first.
    pub(super) fn snapshots(&self) -> Result<Vec<Offset>> {
        let mut headers = self.db.raw_iterator_cf(self.family(META));
        headers.seek(HEADER_PREFIX);
        let mut offsets = Vec::new();
        while let Some(offset) = headers.key().and_then(|key| key.strip_prefix(HEADER_PREFIX)) {
            let bytes = offset.try_into();
            let bytes = bytes.map_err(|_| Error::corrupt("a snapshot's key is not an offset"))?;
            offsets.push(Offset(i64::from_be_bytes(bytes)));
            headers.next();
        }
        headers.status().map_err(|error| store_error(error, "the snapshots cannot be listed"))?;
        offsets.reverse();
        Ok(offsets)
    }

    /// The snapshot at `offset`.
    pub(super) fn snapshot(&self, offset: Offset) -> Result<Vec<u8>> {
        let damaged = |what: &str| {
            Error::corrupt(format!("snapshot {offset} is damaged: {what}; use an older one"))
        };
        let get = |family: &str, key: &[u8]| {
            let value = self.db.get_pinned_cf(self.family(family), key);
            value.map_err(|error| damaged("it cannot be read").caused_by(error))
        };
        let header = get(META, &header_key(offset))?.ok_or_else(|| damaged("it has no header"))?;
        let header = Header::read(offset, &header).ok_or_else(|| damaged("its header"))?;
        let mut bytes = Vec::new();
        for index in 0..header.chunk_count {
            let chunk = get(SNAPSHOTS, &chunk_key(offset, index))?;
            let chunk = chunk.ok_or_else(|| damaged(&format!("chunk {index} is missing")))?;
            let (digest, content) = chunk
                .split_at_checked(DIGEST_BYTES)
                .ok_or_else(|| damaged(&format!("chunk {index} is cut")))?;
            if blake3::hash(content).as_bytes() != digest {
                return Err(damaged(&format!("chunk {index} differs from its digest")));
            }
            bytes.extend_from_slice(content);
        }
        if header != Header::of(offset, &bytes) {
            return Err(damaged("its chunks are not those of its header"));
        }
        Ok(bytes)
    }

    /// Keeps a snapshot, and the newest one before it.
    pub(super) fn keep_snapshot(
        &self,
        offset: Offset,
        bytes: &[u8],
        options: &WriteOptions,
    ) -> Result<()> {
        let refused = |error| store_error(error, &format!("snapshot {offset} was not kept"));
        let mut kept = self.snapshots()?;
        kept.push(offset);
        kept.sort_unstable();
        kept.dedup();
        let kept = kept.split_off(kept.len().saturating_sub(SNAPSHOTS_KEPT));
        let family = self.family(SNAPSHOTS);
        let chunks: Vec<&[u8]> = bytes.chunks(CHUNK_BYTES).collect();
        let mut index = 0;
        for group in chunks.chunks(CHUNKS_PER_WRITE) {
            let mut batch = WriteBatch::default();
            for chunk in group {
                let mut value = blake3::hash(chunk).as_bytes().to_vec();
                value.extend_from_slice(chunk);
                batch.put_cf(family, chunk_key(offset, index), value);
                index += 1;
            }
            self.db.write_opt(batch, options).map_err(refused)?;
        }
        let mut batch = WriteBatch::default();
        batch.put_cf(self.family(META), header_key(offset), Header::of(offset, bytes).bytes());
        self.remove_all_but(&kept, &mut batch);
        self.db.write_opt(batch, options).map_err(refused)
    }

    /// Removes the ranges between the snapshots `kept`, oldest first. Nothing is read for it, so
    /// that a damaged snapshot cannot keep a new one from being stored.
    fn remove_all_but(&self, kept: &[Offset], batch: &mut WriteBatch) {
        let (headers, chunks) = (self.family(META), self.family(SNAPSHOTS));
        let mut next = Offset(0);
        for &offset in kept {
            batch.delete_range_cf(headers, header_key(next), header_key(offset));
            batch.delete_range_cf(chunks, chunk_key(next, 0), chunk_key(offset, 0));
            next = plus(offset, 1);
        }
        batch.delete_range_cf(headers, header_key(next), header_key(Offset(i64::MAX)));
        batch.delete_range_cf(chunks, chunk_key(next, 0), chunk_key(Offset(i64::MAX), 0));
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Header {
    offset: Offset,
    chunk_count: u32,
    length: u64,
    digest: [u8; DIGEST_BYTES],
}

impl Header {
    fn of(offset: Offset, bytes: &[u8]) -> Self {
        let chunk_count = bytes.len().div_ceil(CHUNK_BYTES);
        Self {
            offset,
            chunk_count: u32::try_from(chunk_count).expect("a snapshot is smaller than 2^50 bytes"),
            length: u64::try_from(bytes.len()).expect("a length fits 64 bits"),
            digest: *blake3::hash(bytes).as_bytes(),
        }
    }

    /// The header and its own digest.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&self.offset.0.to_le_bytes());
        bytes.extend_from_slice(&self.chunk_count.to_le_bytes());
        bytes.extend_from_slice(&self.length.to_le_bytes());
        bytes.extend_from_slice(&self.digest);
        let check = blake3::hash(&bytes);
        bytes.extend_from_slice(check.as_bytes());
        bytes
    }

    fn read(offset: Offset, bytes: &[u8]) -> Option<Self> {
        let (fields, check) = bytes.split_at_checked(HEADER_BYTES)?;
        if blake3::hash(fields).as_bytes() != check || fields[0] != FORMAT {
            return None;
        }
        let header = Self {
            offset: Offset(i64::from_le_bytes(fields[1..9].try_into().ok()?)),
            chunk_count: u32::from_le_bytes(fields[9..13].try_into().ok()?),
            length: u64::from_le_bytes(fields[13..21].try_into().ok()?),
            digest: fields[21..HEADER_BYTES].try_into().ok()?,
        };
        (header.offset == offset).then_some(header)
    }
}

fn header_key(offset: Offset) -> Vec<u8> {
    [HEADER_PREFIX, &key_of(offset)].concat()
}

fn chunk_key(offset: Offset, index: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&key_of(offset));
    key[8..].copy_from_slice(&index.to_be_bytes());
    key
}
