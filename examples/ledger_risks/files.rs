//! What is done to the files of a ledger.

use crate::Failure;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What is done to the files of a store, and its name.
pub(crate) type Damage = (&'static str, fn(&Path) -> Result<(), Failure>);

/// Everything that is tried.
pub(crate) const DAMAGES: [Damage; 9] = [
    ("nothing", |_| Ok(())),
    ("newest WAL: a byte flipped in the middle", |path| flip(&newest(path, "log")?, 1, 2)),
    ("newest WAL: a byte of the last record flipped", |path| {
        flip(&newest(path, "log")?, 999, 1000)
    }),
    ("newest WAL: last 1,000 bytes cut off", |path| cut(&newest(path, "log")?, |n| n - 1000)),
    ("newest WAL: second half cut off", |path| cut(&newest(path, "log")?, |n| n / 2)),
    ("older WAL: a byte flipped in the middle", |path| flip(&oldest(path, "log")?, 1, 2)),
    ("newest WAL: deleted", |path| Ok(fs::remove_file(newest(path, "log")?)?)),
    ("SST of the decisions: a byte flipped", |path| flip(&newest(path, "sst")?, 1, 2)),
    ("SST of the decisions: deleted", |path| Ok(fs::remove_file(newest(path, "sst")?)?)),
];

fn files(path: &Path, extension: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let is_empty = fs::metadata(&path)?.len() == 0;
        if path.extension().is_some_and(|found| found == extension) && !is_empty {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn newest(path: &Path, extension: &str) -> Result<PathBuf, Failure> {
    Ok(files(path, extension)?.pop().ok_or("there is no such file")?)
}

fn oldest(path: &Path, extension: &str) -> Result<PathBuf, Failure> {
    Ok(files(path, extension)?.into_iter().next().ok_or("there is no such file")?)
}

fn flip(path: &Path, numerator: usize, denominator: usize) -> Result<(), Failure> {
    let mut bytes = fs::read(path)?;
    let at = bytes.len() / denominator * numerator;
    bytes[at] ^= 0x40;
    Ok(fs::write(path, bytes)?)
}

fn cut(path: &Path, length: fn(u64) -> u64) -> Result<(), Failure> {
    let file = File::options().write(true).open(path)?;
    Ok(file.set_len(length(file.metadata()?.len()))?)
}

/// Copies a data directory as it lies on the disk: what a killed process leaves behind.
pub(crate) fn copy_directory(from: &Path, to: &Path) -> Result<(), Failure> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to.join("rocks"))?;
    for inside in ["", "rocks"] {
        for entry in fs::read_dir(from.join(inside))? {
            let path = entry?.path();
            if path.is_file() {
                let name = path.file_name().expect("a file has a name");
                fs::copy(&path, to.join(inside).join(name))?;
            }
        }
    }
    Ok(())
}
