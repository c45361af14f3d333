//! An archive: partitions of a log, cut at a verified point, in one file that needs nothing else.
//!
//! ```text
//! "CONCLARC" · version            what it is
//! frames                          deflated: blocks of records, texts of schemas, files of councils
//! manifest                        what was cut from where, as JSON
//! index                           every frame: whose, from where to where, and its place
//! places of both · digest         BLAKE3 of everything before the digest
//! version · "CRALCNOC"            that the file is whole
//! ```
//!
//! Integers are little-endian. A block is the embedded log's ([`block`](super::block)), whose
//! records name their offsets, since offsets may have holes. Whoever opens a file reads all of it
//! once: a byte that is not what it was is found before anything is answered. Making one is
//! [`crate::archive`]'s.

mod file;
mod frame;
mod index;
mod manifest;
mod reader;
mod writer;

pub use file::ArchiveFile;
pub use manifest::{Manifest, Origin, PartitionCut};
pub use reader::ArchiveReader;
pub use writer::ArchiveWriter;

use crate::error::Error;
use std::path::Path;

const HEAD_MARK: [u8; 8] = *b"CONCLARC";
const TAIL_MARK: [u8; 8] = *b"CRALCNOC";
/// The version of the format that this release writes, and the only one that it reads.
pub const FORMAT_VERSION: u32 = 1;

const VERSION_BYTES: u64 = 4;
const DIGEST_BYTES: u64 = 32;
/// Mark and version.
const HEAD_BYTES: u64 = 8 + VERSION_BYTES;
/// The places and lengths of manifest and index.
const PLACES: usize = 4 * 8;
/// Everything behind the index.
const FOOTER_BYTES: u64 = PLACES as u64 + DIGEST_BYTES + VERSION_BYTES + 8;

/// An error about bytes that are not what was written.
fn damaged(path: &Path, what: &str) -> Error {
    let path = path.display();
    Error::corrupt(format!(
        "the archive {path} is not what was written: {what}. Use another copy of it, or make it \
         anew with `conclave archive` while the log is still there"
    ))
}
