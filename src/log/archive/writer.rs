//! Writing an archive, frame after frame. What is not finished is no archive.

use super::frame::{Placed, deflated};
use super::index::{Entry, FrameKind};
use super::{DIGEST_BYTES, FORMAT_VERSION, HEAD_MARK, Manifest, TAIL_MARK};
use crate::error::{Error, Result};
use crate::log::block::{self, Record};
use conclave_core::units::Offset;
use std::fs::File;
use std::io::{BufWriter, Write as _};

/// A file on its way to be an archive.
#[derive(Debug)]
pub struct ArchiveWriter {
    out: BufWriter<File>,
    hasher: blake3::Hasher,
    position: u64,
    index: Vec<Entry>,
}

impl ArchiveWriter {
    /// Begins an archive in an empty file.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub fn begin(file: File) -> Result<Self> {
        let (out, hasher) = (BufWriter::new(file), blake3::Hasher::new());
        let mut writer = Self { out, hasher, position: 0, index: vec![] };
        writer.write(&HEAD_MARK)?;
        writer.write(&FORMAT_VERSION.to_le_bytes())?;
        Ok(writer)
    }

    /// Adds records of a partition, which come behind those of their kind that it has. Returns the
    /// bytes that they take.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    ///
    /// # Panics
    /// When records of a kind are not in the order of their offsets.
    pub fn add<R: Record>(&mut self, partition: i64, records: Vec<R>) -> Result<u64> {
        let began = self.position;
        let placed: Vec<Placed<R>> = records.into_iter().map(Placed).collect();
        let kind = FrameKind::Block(R::KIND);
        let mut lasts = placed.iter().map(|record| record.0.offset());
        for packed in block::pack(&placed)? {
            let read = block::Block::read(R::KIND, packed.first, &packed.bytes)?;
            let count = read.count();
            let last = lasts.nth(count - 1).expect("every record is in one block");
            let is_behind = self.index.last().is_none_or(|before| {
                (before.partition, before.kind) != (partition, kind) || before.last < packed.first
            });
            assert!(is_behind && packed.first <= last, "records come in the order of offsets");
            self.frame(kind, partition, (packed.first, last, count), &packed.bytes)?;
        }
        Ok(self.position - began)
    }

    /// Adds the text of a schema.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub fn add_schema(&mut self, text: &str) -> Result<()> {
        self.frame(FrameKind::Schema, 0, (Offset(0), Offset(0), 1), text.as_bytes())
    }

    /// Adds the file of a council.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub fn add_model(&mut self, file: &[u8]) -> Result<()> {
        self.frame(FrameKind::Model, 0, (Offset(0), Offset(0), 1), file)
    }

    /// Makes it an archive that says `manifest` of itself, and waits until it is on the disk.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    ///
    /// # Panics
    /// Never: a manifest is JSON.
    pub fn finish(mut self, manifest: &Manifest) -> Result<()> {
        let manifest_at = self.position;
        let text = serde_json::to_vec_pretty(manifest).expect("a manifest is JSON");
        self.write(&text)?;
        let index_at = self.position;
        let mut packed = Vec::new();
        std::mem::take(&mut self.index).iter().for_each(|entry| entry.pack(&mut packed));
        self.write(&packed)?;
        let lengths = [index_at - manifest_at, self.position - index_at];
        for place in [manifest_at, lengths[0], index_at, lengths[1]] {
            self.write(&place.to_le_bytes())?;
        }
        let digest = *self.hasher.finalize().as_bytes();
        assert_eq!(digest.len() as u64, DIGEST_BYTES);
        self.write(&digest)?;
        self.write(&FORMAT_VERSION.to_le_bytes())?;
        self.write(&TAIL_MARK)?;
        let file = self.out.into_inner().map_err(|error| refused(error.into_error()))?;
        file.sync_all().map_err(refused)
    }

    fn frame(
        &mut self,
        kind: FrameKind,
        partition: i64,
        (first, last, count): (Offset, Offset, usize),
        raw: &[u8],
    ) -> Result<()> {
        let short = |length: usize| u32::try_from(length).expect("a frame is bounded");
        let bytes = deflated(raw);
        let (stored, raw, count) = (short(bytes.len()), short(raw.len()), short(count));
        let position = self.position;
        self.index.push(Entry { kind, count, partition, first, last, position, stored, raw });
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.position += bytes.len() as u64;
        self.out.write_all(bytes).map_err(refused)
    }
}

fn refused(error: std::io::Error) -> Error {
    Error::unavailable("the archive cannot be written: check that there is room").caused_by(error)
}
