//! A whole file, checked when it is opened.

use super::frame::{Placed, inflated};
use super::index::{self, Entry, FrameKind};
use super::{
    ArchiveReader, DIGEST_BYTES, FOOTER_BYTES, FORMAT_VERSION, HEAD_BYTES, HEAD_MARK, Manifest,
    PLACES, TAIL_MARK, VERSION_BYTES, damaged,
};
use crate::council::{model_id, read};
use crate::error::{Error, Result};
use crate::log::block::{Block, BlockKind, Record};
use crate::log::{DeadLetterRecord, DecisionRecord, StoredCommand};
use crate::wire::fingerprint;
use conclave_core::council::ModelId;
use conclave_core::units::Hash32;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a file that are read at once while its digest is computed.
const PIECE_BYTES: usize = 256 * 1024;

/// An archive whose every byte was read and is what was written.
#[derive(Debug)]
pub struct ArchiveFile {
    path: PathBuf,
    file: Mutex<File>,
    manifest: Manifest,
    entries: Vec<Entry>,
    schemas: Vec<String>,
    models: BTreeMap<ModelId, Vec<u8>>,
    digest: Hash32,
    bytes: u64,
}

/// Where things stand behind the frames.
struct Trailer {
    manifest: Vec<u8>,
    entries: Vec<Entry>,
}

impl ArchiveFile {
    /// Opens the archive at `path` and reads all of it once.
    ///
    /// # Errors
    /// `Invalid` when it is no archive or one of another release, `Corrupt`, naming the place, when
    /// it is not what was written, `Unavailable` when it cannot be read.
    pub fn open(path: &Path) -> Result<Arc<Self>> {
        let mut file = File::open(path).map_err(|error| unreadable(path, error))?;
        let bytes = file.seek(SeekFrom::End(0)).map_err(|error| unreadable(path, error))?;
        check_marks(path, &mut file, bytes)?;
        let digest = check_digest(path, &mut file, bytes)?;
        let trailer = trailer(&mut file, bytes).map_err(|error| unreadable(path, error))?;
        let Trailer { manifest, entries } =
            trailer.ok_or_else(|| damaged(path, "its index makes no sense"))?;
        let manifest: Manifest = serde_json::from_slice(&manifest)
            .map_err(|error| damaged(path, "its manifest cannot be read").caused_by(error))?;
        let (path, file) = (path.to_owned(), Mutex::new(file));
        let (schemas, models) = (vec![], BTreeMap::new());
        let mut opened = Self { path, file, manifest, entries, schemas, models, digest, bytes };
        opened.schemas = opened.read_schemas()?;
        opened.models = opened.read_models()?;
        Ok(Arc::new(opened))
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says about itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The texts of writers' schemas that came along.
    #[must_use]
    pub fn schemas(&self) -> &[String] {
        &self.schemas
    }

    /// The files of the councils that came along.
    #[must_use]
    pub fn models(&self) -> &BTreeMap<ModelId, Vec<u8>> {
        &self.models
    }

    /// The digest that it ends with.
    #[must_use]
    pub fn digest(&self) -> Hash32 {
        self.digest
    }

    /// How long it is.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads one of its partitions.
    ///
    /// # Errors
    /// `Invalid` when it does not hold that partition, `Corrupt` when its manifest says something
    /// else of it than its records.
    pub fn reader(self: &Arc<Self>, partition: i64) -> Result<ArchiveReader> {
        ArchiveReader::open(Arc::clone(self), partition)
    }

    pub(super) fn entries(&self, partition: i64, kind: BlockKind) -> Vec<Entry> {
        let wanted = (partition, FrameKind::Block(kind));
        let entries = self.entries.iter();
        entries.filter(|entry| (entry.partition, entry.kind) == wanted).copied().collect()
    }

    /// The bytes of a frame, as they were before they were deflated.
    pub(super) fn frame(&self, entry: &Entry) -> Result<Vec<u8>> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = stored(&mut file, entry).map_err(|error| unreadable(&self.path, error))?;
        inflate(&read, entry).ok_or_else(|| damaged(&self.path, &place_of(entry)))
    }

    fn read_schemas(&self) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.kind == FrameKind::Schema) {
            texts.extend(String::from_utf8(self.frame(entry)?));
        }
        let names = texts.iter().map(|text| fingerprint(text).map(|digest| digest.to_string()));
        if names.flatten().ne(self.manifest.schemas.iter().cloned()) {
            return Err(damaged(&self.path, "its schemas are not those that it names"));
        }
        Ok(texts)
    }

    fn read_models(&self) -> Result<BTreeMap<ModelId, Vec<u8>>> {
        let entries = self.entries.iter().filter(|entry| entry.kind == FrameKind::Model);
        let files = entries.map(|entry| self.frame(entry)).collect::<Result<Vec<_>>>()?;
        let ids: Vec<ModelId> = files.iter().map(|file| model_id(file)).collect();
        if ids.iter().map(|id| id.0.to_string()).ne(self.manifest.models.iter().cloned()) {
            return Err(damaged(&self.path, "its models are not those that it names"));
        }
        Ok(ids.into_iter().zip(files).collect())
    }
}

/// That the file is an archive of a version that is known, and does not end early.
fn check_marks(path: &Path, file: &mut File, bytes: u64) -> Result<()> {
    let mut head = [0; 12];
    let mut tail = [0; 12];
    if bytes >= HEAD_BYTES + FOOTER_BYTES {
        let read = read_at(file, 0, &mut head);
        read.and_then(|()| read_at(file, bytes - 12, &mut tail))
            .map_err(|error| unreadable(path, error))?;
    } else if read_at(file, 0, &mut head[..8]).is_err() {
        head = [0; 12];
    }
    let is_head = head[..8] == HEAD_MARK;
    let is_tail = tail[4..] == TAIL_MARK;
    match (is_head, is_tail) {
        (false, false) => {
            let path = path.display();
            return Err(Error::invalid(format!(
                "{path} is no archive of Conclave: name a file that `conclave archive` made"
            )));
        }
        (true, false) => return Err(damaged(path, "it is cut off, or was never finished")),
        (false, true) => return Err(damaged(path, "its first bytes differ")),
        (true, true) => {}
    }
    let version = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).unwrap_or_default();
    let (first, last) = (version(&head[8..]), version(&tail[..4]));
    if first != last {
        return Err(damaged(path, "it names two versions of its format"));
    }
    if first != FORMAT_VERSION {
        let path = path.display();
        return Err(Error::invalid(format!(
            "{path} is an archive of format {first}, and this release reads {FORMAT_VERSION}: use \
             the release that made it, or a newer one"
        )));
    }
    Ok(())
}

/// Reads the whole file. What differs is looked for frame by frame.
fn check_digest(path: &Path, file: &mut File, bytes: u64) -> Result<Hash32> {
    let (computed, written) = digests(file, bytes).map_err(|error| unreadable(path, error))?;
    if computed == written {
        return Ok(computed);
    }
    let Ok(Some(Trailer { entries, .. })) = trailer(file, bytes) else {
        return Err(damaged(path, "its index is damaged"));
    };
    for entry in &entries {
        let read = stored(file, entry).map_err(|error| unreadable(path, error))?;
        if inflate(&read, entry).is_none_or(|bytes| !is_sound(entry, &bytes)) {
            return Err(damaged(path, &place_of(entry)));
        }
    }
    Err(damaged(path, "its manifest, its index or its digest differs, and its records do not"))
}

fn digests(file: &mut File, bytes: u64) -> io::Result<(Hash32, Hash32)> {
    let digest_at = bytes - VERSION_BYTES - 8 - DIGEST_BYTES;
    let mut hasher = blake3::Hasher::new();
    file.seek(SeekFrom::Start(0))?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut left = digest_at;
    while left > 0 {
        let length = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        file.read_exact(&mut piece[..length])?;
        hasher.update(&piece[..length]);
        left -= length as u64;
    }
    let mut written = Hash32::default();
    file.read_exact(&mut written.0)?;
    Ok((Hash32(*hasher.finalize().as_bytes()), written))
}

/// What stands behind the frames; none when that makes no sense.
fn trailer(file: &mut File, bytes: u64) -> io::Result<Option<Trailer>> {
    let places_at = bytes - FOOTER_BYTES;
    let mut places = [0; PLACES];
    read_at(file, places_at, &mut places)?;
    let place = |at: usize| {
        let bytes = places[at * 8..(at + 1) * 8].try_into();
        bytes.map(u64::from_le_bytes).unwrap_or_default()
    };
    let [manifest_at, manifest_bytes, index_at, index_bytes] = [0, 1, 2, 3].map(place);
    let is_sound = manifest_at >= HEAD_BYTES
        && manifest_at.checked_add(manifest_bytes) == Some(index_at)
        && index_at.checked_add(index_bytes) == Some(places_at);
    let lengths = [manifest_bytes, index_bytes].map(usize::try_from);
    let (true, [Ok(manifest_bytes), Ok(index_bytes)]) = (is_sound, lengths) else {
        return Ok(None);
    };
    let (mut manifest, mut packed) = (vec![0; manifest_bytes], vec![0; index_bytes]);
    read_at(file, manifest_at, &mut manifest)?;
    read_at(file, index_at, &mut packed)?;
    Ok(index::unpack(&packed, manifest_at).map(|entries| Trailer { manifest, entries }))
}

fn stored(file: &mut File, entry: &Entry) -> io::Result<Vec<u8>> {
    let length = usize::try_from(entry.stored).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    read_at(file, entry.position, &mut bytes)?;
    Ok(bytes)
}

fn inflate(bytes: &[u8], entry: &Entry) -> Option<Vec<u8>> {
    inflated(bytes, usize::try_from(entry.raw).ok()?)
}

fn read_at(file: &mut File, position: u64, bytes: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(position))?;
    file.read_exact(bytes)
}

/// Whether the bytes of a frame are what its kind has to be.
fn is_sound(entry: &Entry, bytes: &[u8]) -> bool {
    fn is_readable<R: Record>(entry: &Entry, bytes: &[u8]) -> bool {
        let block = Block::read(R::KIND, entry.first, bytes);
        block.is_ok_and(|block| block.record::<Placed<R>>(block.count() - 1).is_ok())
    }
    match entry.kind {
        FrameKind::Block(BlockKind::Commands) => is_readable::<StoredCommand>(entry, bytes),
        FrameKind::Block(BlockKind::Decisions) => is_readable::<DecisionRecord>(entry, bytes),
        FrameKind::Block(BlockKind::DeadLetters) => is_readable::<DeadLetterRecord>(entry, bytes),
        FrameKind::Schema => std::str::from_utf8(bytes).is_ok_and(|text| fingerprint(text).is_ok()),
        FrameKind::Model => read(bytes).is_ok(),
    }
}

fn place_of(entry: &Entry) -> String {
    let Entry { kind, partition, first, last, position, .. } = entry;
    match kind {
        FrameKind::Block(_) => format!(
            "the {} {first} to {last} of partition {partition}, from byte {position} of the file \
             on, differ",
            kind.as_str()
        ),
        FrameKind::Schema => format!("the schema at byte {position} of the file differs"),
        FrameKind::Model => format!("the council at byte {position} of the file differs"),
    }
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    let shown = path.display();
    if error.kind() == io::ErrorKind::NotFound {
        return Error::invalid(format!("there is no file {shown}: name an archive"));
    }
    Error::unavailable(format!("{shown} cannot be read")).caused_by(error)
}
