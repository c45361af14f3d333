//! Damage that `RocksDB` must not be let near: its reader of log files takes a record whose type
//! says that the file was recycled for one that it has read already, looks at it again, and never
//! ends. We never recycle a file, so such a type is damage, and one flipped bit makes it.
//!
//! Only the types are looked at, in the headers where `RocksDB` would look for them. Everything
//! else, checksums and torn tails, is its own to judge.

use super::directory;
use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Records never cross the end of a block.
const BLOCK_BYTES: usize = 32 * 1024;
/// Checksum (4), length (2, little-endian), type (1). What is left of a block is padding when it
/// is shorter.
const HEADER_BYTES: usize = 7;
/// What a block that was reserved and never written holds.
const NOTHING: u8 = 0;

/// A damage is looked for once more after this long before it is believed: somebody may be writing.
const SECOND_LOOK_AFTER: Duration = Duration::from_millis(30);

/// A record of a type that we never write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// The file that holds it.
    pub(super) path: PathBuf,
    /// Where its header begins: everything before is untouched by it.
    pub(super) byte: u64,
    record_type: u8,
}

impl Damage {
    /// The damage as an error.
    pub(super) fn error(&self) -> Error {
        let Self { path, byte, record_type } = self;
        let shown = path.display();
        Error::corrupt(format!(
            "{shown} is damaged at byte {byte}: a record there is of type {record_type}, which is \
             never written"
        ))
    }
}

/// Whether a record of this type would come from a recycled file.
fn is_of_a_recycled_file(record_type: u8) -> bool {
    matches!(record_type, 5..=8 | 11 | 131)
}

/// Checks that `RocksDB` will come to an end with the log files of `store`.
///
/// # Errors
/// `Corrupt`, naming a file and a byte; `Unavailable` when the disk refuses.
pub(super) fn check(store: &Path) -> Result<()> {
    match damages(store)?.first() {
        Some(damage) => Err(damage.error()),
        None => Ok(()),
    }
}

/// The first damage of each write-ahead log of `store` that has one.
///
/// # Errors
/// `Corrupt` when the manifest has one, without which nothing can be read; `Unavailable` when the
/// disk refuses.
pub(super) fn damages(store: &Path) -> Result<Vec<Damage>> {
    let refused = |error| directory::refused(error, &format!("cannot read {}", store.display()));
    check_manifest(store)?;
    if let Some(damage) = manifest(store).map_or(Ok(None), |path| found_twice(&path))? {
        return Err(Error::corrupt(format!(
            "{}, and nothing can be read without this file: restore a copy (see \
             docs/runbooks/corrupt-log.md)",
            damage.error()
        )));
    }
    let mut found = Vec::new();
    let entries = match fs::read_dir(store) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(refused)?,
    };
    for entry in entries {
        let path = entry.map_err(refused)?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            found.extend(found_twice(&path)?);
        }
    }
    Ok(found)
}

/// The manifest in use, a file of the same format. Where `CURRENT` does not name one, `RocksDB`
/// says so itself.
fn manifest(store: &Path) -> Option<PathBuf> {
    let name = fs::read_to_string(store.join("CURRENT")).ok()?;
    Some(name.trim_end()).filter(|name| !name.is_empty()).map(|name| store.join(name))
}

/// That the manifest which `CURRENT` names is there. A writer replaces both, so the second look
/// counts.
fn check_manifest(store: &Path) -> Result<()> {
    let is_missing = || manifest(store).is_some_and(|path| !path.exists());
    if !is_missing() {
        return Ok(());
    }
    std::thread::sleep(SECOND_LOOK_AFTER);
    if !is_missing() {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "{} names a manifest that is not there, and nothing can be read without it: restore a copy \
         (see docs/runbooks/corrupt-log.md)",
        store.join("CURRENT").display()
    )))
}

fn found_twice(path: &Path) -> Result<Option<Damage>> {
    let look = || {
        let found = first_in_file(path);
        found.map_err(|error| directory::refused(error, &format!("cannot read {}", path.display())))
    };
    let Some(first) = look()? else { return Ok(None) };
    std::thread::sleep(SECOND_LOOK_AFTER);
    Ok(look()?.filter(|again| *again == first))
}

/// The first damage in a file; none in one that was deleted meanwhile.
fn first_in_file(path: &Path) -> io::Result<Option<Damage>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut block_starts_at = 0_u64;
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    loop {
        block.clear();
        let bytes_max = BLOCK_BYTES as u64;
        let length = file.by_ref().take(bytes_max).read_to_end(&mut block)?;
        if let Some((at, record_type)) = first_in_block(&block) {
            let byte = block_starts_at + at as u64;
            return Ok(Some(Damage { path: path.to_owned(), byte, record_type }));
        }
        if length < BLOCK_BYTES {
            return Ok(None);
        }
        block_starts_at += bytes_max;
    }
}

/// Where the first damaged record of a block begins, and its type. A record that does not end
/// within the block, or reserved bytes, end the look at it, as they end `RocksDB`'s.
fn first_in_block(block: &[u8]) -> Option<(usize, u8)> {
    let mut at = 0;
    while let Some(header) = block.get(at..at + HEADER_BYTES) {
        let record_type = header[6];
        if is_of_a_recycled_file(record_type) {
            return Some((at, record_type));
        }
        if record_type == NOTHING {
            return None;
        }
        at += HEADER_BYTES + usize::from(u16::from_le_bytes([header[4], header[5]]));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Full records of these lengths, with padding where the next one would not fit a block.
    fn file_of(lengths: &[u16]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut headers) = (Vec::new(), Vec::new());
        for &length in lengths {
            let left = BLOCK_BYTES - bytes.len() % BLOCK_BYTES;
            if left < HEADER_BYTES + usize::from(length) {
                assert!(left < HEADER_BYTES, "a test's record fits its block, or leaves padding");
                bytes.resize(bytes.len() + left, 0);
            }
            headers.push(bytes.len());
            bytes.extend_from_slice(&[0xaa; 4]);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.push(1);
            // Content that would be damage if it were taken for headers.
            bytes.resize(bytes.len() + usize::from(length), 5);
        }
        (bytes, headers)
    }

    fn look_at(bytes: &[u8]) -> Option<u64> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("000007.log"), bytes).unwrap();
        let found = damages(directory.path()).unwrap();
        assert!(found.len() <= 1);
        assert_eq!(check(directory.path()).is_err(), !found.is_empty());
        found.first().map(|damage| damage.byte)
    }

    /// Two blocks, the first of them with three bytes of padding.
    fn sound() -> (Vec<u8>, Vec<usize>) {
        let filling = BLOCK_BYTES - 3 * HEADER_BYTES - 100 - 3;
        let filling = u16::try_from(filling).unwrap();
        file_of(&[100, 0, filling, 40, 60])
    }

    #[test]
    fn a_sound_file_is_sound_however_far_it_is_written() {
        let (bytes, _) = sound();
        for length in (0..300).chain(BLOCK_BYTES - 20..bytes.len() + 1) {
            assert_eq!(first_in_block(&bytes[..length.min(BLOCK_BYTES)]), None, "{length}");
            assert_eq!(first_in_block(bytes.get(BLOCK_BYTES..length).unwrap_or(&[])), None);
        }
        assert_eq!(look_at(&bytes), None);
        let mut reserved = bytes;
        reserved.resize(reserved.len() + 3 * BLOCK_BYTES, 0);
        assert_eq!(look_at(&reserved), None);
    }

    #[test]
    fn a_type_that_is_never_written_is_found_where_it_stands() {
        let (bytes, headers) = sound();
        for &header in &headers {
            for record_type in 0..=u8::MAX {
                let mut damaged = bytes.clone();
                damaged[header + 6] = record_type;
                let at = first_in_block(&damaged[..BLOCK_BYTES])
                    .or_else(|| first_in_block(&damaged[BLOCK_BYTES..]))
                    .map(|(at, _)| if header < BLOCK_BYTES { at } else { at + BLOCK_BYTES });
                let expected = is_of_a_recycled_file(record_type).then_some(header);
                assert_eq!(at, expected, "type {record_type}");
            }
            let mut damaged = bytes.clone();
            damaged[header + 6] ^= 4;
            assert_eq!(look_at(&damaged), Some(header as u64));
            // RocksDB looks at the type before it asks whether the record is whole.
            damaged.truncate(header + HEADER_BYTES);
            assert_eq!(look_at(&damaged), Some(header as u64));
        }
    }

    #[test]
    fn a_damaged_manifest_is_an_error_and_an_old_one_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let (mut bytes, headers) = sound();
        bytes[headers[1] + 6] ^= 4;
        fs::write(directory.path().join("MANIFEST-000004"), &bytes).unwrap();
        fs::write(directory.path().join("CURRENT"), "MANIFEST-000005\n").unwrap();
        let error = damages(directory.path()).unwrap_err();
        assert!(error.message.contains("is not there"), "{error}");
        fs::write(directory.path().join("MANIFEST-000005"), sound().0).unwrap();
        assert_eq!(damages(directory.path()).unwrap(), []);
        fs::write(directory.path().join("CURRENT"), "MANIFEST-000004\n").unwrap();
        let error = damages(directory.path()).unwrap_err();
        assert!(error.message.contains("MANIFEST-000004"), "{error}");
    }
}
