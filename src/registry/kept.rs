//! Texts of schemas, kept by their fingerprint beside the log: what was once known is known for
//! ever, whether its registry is there or not, and `replay verify` finds it.
//!
//! ```text
//! schemas/
//!   <fingerprint>.avsc         the text
//!   ids-<registry>/<id>        the fingerprint that an id of this registry means
//! ```

use crate::error::{Error, Result};
use crate::log::file;
use crate::wire::fingerprint;
use conclave_core::units::Hash32;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The directory's name in a data directory.
pub const DIRECTORY: &str = "schemas";
/// What the names of texts end with.
const SUFFIX: &str = ".avsc";

/// The kept texts that one registry gave.
#[derive(Debug)]
pub(super) struct Kept {
    directory: PathBuf,
    ids: PathBuf,
    /// Partitions may meet an id together.
    writing: Mutex<()>,
}

impl Kept {
    /// Keeps in `directory` what the registry at `url` says. Nothing is written yet.
    pub(super) fn new(directory: &Path, url: &str) -> Self {
        let registry = &blake3::hash(url.trim_end_matches('/').as_bytes()).to_hex()[..16];
        let ids = directory.join(format!("ids-{registry}"));
        Self { directory: directory.to_owned(), ids, writing: Mutex::default() }
    }

    /// All that is kept.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(super) fn texts(&self) -> Result<Vec<String>> {
        if self.directory.exists() { texts(&self.directory) } else { Ok(vec![]) }
    }

    /// The text that `id` means, if it is kept and whole.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(super) fn text(&self, id: u32) -> Result<Option<String>> {
        let Some(name) = read(&self.ids.join(id.to_string()))? else { return Ok(None) };
        let path = self.directory.join(format!("{}{SUFFIX}", name.trim_end()));
        Ok(read(&path)?.filter(|text| is_whole(&path, text)))
    }

    /// The smallest id that is kept as meaning the schema with this fingerprint.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(super) fn id(&self, digest: Hash32) -> Result<Option<u32>> {
        let Ok(entries) = fs::read_dir(&self.ids) else { return Ok(None) };
        let mut found = None;
        for entry in entries.flatten() {
            let id: Option<u32> = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(id) = id.filter(|id| found.is_none_or(|found| *id < found)) else { continue };
            if read(&entry.path())?.is_some_and(|name| name.trim_end() == digest.to_string()) {
                found = Some(id);
            }
        }
        Ok(found)
    }

    /// Everything that is kept of this registry: texts by their fingerprints, and fingerprints by
    /// `ids-REGISTRY/ID`, as the files are called.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(super) fn entries(&self) -> Result<BTreeMap<String, String>> {
        let mut entries = BTreeMap::new();
        for text in self.texts()? {
            entries.insert(fingerprint(&text)?.to_string(), text);
        }
        let Ok(ids) = fs::read_dir(&self.ids) else { return Ok(entries) };
        for entry in ids.flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(id) = id else { continue };
            if let Some(digest) = read(&entry.path())? {
                entries.insert(self.name_of(id), digest.trim_end().to_owned());
            }
        }
        Ok(entries)
    }

    /// What an id of this registry is called among the entries.
    pub(super) fn name_of(&self, id: u32) -> String {
        let ids = self.ids.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        format!("{ids}/{id}")
    }

    /// The id that an entry is about, when it is one of this registry.
    pub(super) fn id_named(&self, name: &str) -> Option<u32> {
        let id = name.rsplit_once('/')?.1.parse().ok()?;
        (self.name_of(id) == name).then_some(id)
    }

    /// Keeps a text that no id of this registry is known to mean.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(super) fn keep_text(&self, text: &str) -> Result<()> {
        let Ok(digest) = fingerprint(text) else { return Ok(()) };
        self.write_text(digest, text).map_err(|error| {
            let shown = self.directory.display();
            Error::unavailable(format!("a schema cannot be kept in {shown}")).caused_by(error)
        })
    }

    /// Keeps what `id` means. What is no schema has no fingerprint and is not kept.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(super) fn keep(&self, id: u32, text: &str) -> Result<()> {
        let Ok(digest) = fingerprint(text) else { return Ok(()) };
        self.write(id, digest, text).map_err(|error| {
            let shown = self.directory.display();
            Error::unavailable(format!("schema {id} cannot be kept in {shown}")).caused_by(error)
        })
    }

    fn write_text(&self, digest: Hash32, text: &str) -> io::Result<()> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        file::create_directory(&self.directory)?;
        file::replace(&self.directory, &format!("{digest}{SUFFIX}"), text.as_bytes())?;
        file::sync_names(&self.directory)
    }

    fn write(&self, id: u32, digest: Hash32, text: &str) -> io::Result<()> {
        // The text first: an id never names what is not there.
        self.write_text(digest, text)?;
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        file::create_directory(&self.ids)?;
        file::replace(&self.ids, &id.to_string(), format!("{digest}\n").as_bytes())?;
        file::sync_names(&self.ids)
    }
}

/// The texts kept beside the log in the data directory `data`; none when no registry was ever
/// asked for it. A text that is not what it was is passed over.
///
/// # Errors
/// `Unavailable` when they cannot be read.
pub fn kept_beside(data: &Path) -> Result<Option<Vec<String>>> {
    let directory = data.join(DIRECTORY);
    if !directory.exists() {
        return Ok(None);
    }
    texts(&directory).map(Some)
}

/// The texts kept in `directory`.
///
/// # Errors
/// `Unavailable` when they cannot be read.
pub fn texts(directory: &Path) -> Result<Vec<String>> {
    let refused = |error| {
        let shown = directory.display();
        Error::unavailable(format!("the schemas in {shown} cannot be read")).caused_by(error)
    };
    let mut texts = Vec::new();
    for entry in fs::read_dir(directory).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        let is_text = path.to_str().is_some_and(|name| name.ends_with(SUFFIX));
        if !is_text {
            continue;
        }
        texts.extend(read(&path)?.filter(|text| is_whole(&path, text)));
    }
    Ok(texts)
}

/// Whether a text is the one that its name says.
fn is_whole(path: &Path, text: &str) -> bool {
    let named = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_whole = fingerprint(text).is_ok_and(|digest| digest.to_string() == named);
    if !is_whole {
        let path = path.display();
        tracing::warn!(%path, "this schema is not what it was when it was kept: it is not used");
    }
    is_whole
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let shown = path.display();
            Err(Error::unavailable(format!("{shown} cannot be read")).caused_by(error))
        }
    }
}
