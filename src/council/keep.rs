//! A council's file on its way to where logs look for it.

use super::seat::{Seated, dir_beside, file_name};
use super::{Engines, model_id, read_to_vote};
use crate::error::{Error, Result};
use crate::log::file::{create_directory, replace, sync_names};
use conclave_core::council::ModelId;
use std::path::Path;

/// The council that this release brings along: `models/council-1.md` is its card.
pub const RELEASED: &[u8] = include_bytes!("../../models/council-1.council");

/// Reads the council in `file` and finds out whether it can sit here.
///
/// # Errors
/// `Invalid` when it cannot sit in the seat; `Unavailable` when the file cannot be read.
pub fn fit(file: &Path) -> Result<(ModelId, Vec<u8>)> {
    let bytes = std::fs::read(file).map_err(|error| away("read", file, error))?;
    let id = model_id(&bytes);
    let read = read_to_vote(&bytes, id)?;
    Seated::new(read, &Engines::cpu()).map_err(|why| {
        Error::invalid(format!("the council in {} cannot sit: {why}", file.display()))
    })?;
    Ok((id, bytes))
}

/// Keeps a copy of the council in `file` beside the log in the directory `data`, under its model
/// id, when it can sit here.
///
/// # Errors
/// As [`fit`]; `Unavailable` when the copy cannot be written.
pub fn keep(file: &Path, data: &Path) -> Result<ModelId> {
    let (id, bytes) = fit(file)?;
    store(&bytes, id, &dir_beside(data))?;
    Ok(id)
}

/// Keeps the council that this release brings along beside the log in the directory `data`.
///
/// # Errors
/// `Unavailable` when it cannot be written.
pub fn keep_released(data: &Path) -> Result<ModelId> {
    let id = model_id(RELEASED);
    store(RELEASED, id, &dir_beside(data))?;
    Ok(id)
}

/// Writes the file of the council `id` into `dir`.
///
/// # Errors
/// `Unavailable` when the disk refuses.
pub(super) fn store(bytes: &[u8], id: ModelId, dir: &Path) -> Result<()> {
    let written = create_directory(dir)
        .and_then(|()| replace(dir, &file_name(id), bytes))
        .and_then(|()| sync_names(dir));
    written.map_err(|error| away("written", &dir.join(file_name(id)), error))
}

fn away(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::unavailable(format!("{} cannot be {what}", path.display())).caused_by(error)
}
