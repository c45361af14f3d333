//! Small files that are there whole or not at all, and names that outlive a power cut.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Replaces `name` in `directory`: whoever reads it, or crashes, sees the old bytes or the new
/// ones. A power cut may bring back the old ones until [`sync_names`] returns.
///
/// # Errors
/// When the disk refuses; the old file is still there.
pub(crate) fn replace(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let path_new = directory.join(format!("{name}.new"));
    let mut file = File::create(&path_new)?;
    file.write_all(bytes)?;
    // Some file systems rename before they write: without this a power cut could leave it empty.
    file.sync_data()?;
    fs::rename(&path_new, directory.join(name))
}

/// Waits until the names in `directory` are on the disk: a file's own sync does not cover the name
/// under which it will be looked for.
///
/// # Errors
/// When the disk refuses.
#[cfg(unix)]
pub(crate) fn sync_names(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Elsewhere a directory cannot be opened, and its file system orders names by itself.
#[cfg(not(unix))]
pub(crate) fn sync_names(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Creates `directory` and what is missing above it, and waits until their names are on the disk.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn create_directory(directory: &Path) -> io::Result<()> {
    let missing = directory.ancestors().take_while(|path| !path.exists());
    let parents: Vec<&Path> = missing.filter_map(Path::parent).collect();
    fs::create_dir_all(directory)?;
    // The parent of a relative path of one name is the empty path, which means here.
    let here = |path: &Path| path.as_os_str().is_empty();
    parents
        .into_iter()
        .try_for_each(|path| sync_names(if here(path) { Path::new(".") } else { path }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_created_with_all_above_it_and_once_more_without_harm() {
        let above = tempfile::tempdir().unwrap();
        let directory = above.path().join("a/b/c");
        for _ in 0..2 {
            create_directory(&directory).unwrap();
            replace(&directory, "note", b"kept").unwrap();
        }
        assert_eq!(fs::read(directory.join("note")).unwrap(), b"kept");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "the new one was renamed");
    }

    #[test]
    fn what_stood_there_stays_when_the_new_one_cannot_be_written() {
        let directory = tempfile::tempdir().unwrap();
        replace(directory.path(), "note", b"old").unwrap();
        fs::create_dir(directory.path().join("note.new")).unwrap();
        replace(directory.path(), "note", b"new").unwrap_err();
        assert_eq!(fs::read(directory.path().join("note")).unwrap(), b"old");
    }
}
