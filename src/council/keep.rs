//! A council's file on its way to where logs look for it.

use super::seat::{Seated, dir_beside, file_name};
use super::{Engines, model_id, read_to_vote};
use crate::error::{Error, Result};
use conclave_core::council::ModelId;
use std::path::Path;

/// Reads the council in `file`, finds out whether it can sit here, and keeps a copy beside the log
/// in the directory `data`, under its model id.
///
/// # Errors
/// `Invalid` when it cannot sit in the seat; `Unavailable` when a file cannot be read or written.
pub fn keep(file: &Path, data: &Path) -> Result<ModelId> {
    let away = |what: &str, path: &Path, error: std::io::Error| {
        Error::unavailable(format!("{} cannot be {what}", path.display())).caused_by(error)
    };
    let bytes = std::fs::read(file).map_err(|error| away("read", file, error))?;
    let id = model_id(&bytes);
    let read = read_to_vote(&bytes, id)?;
    Seated::new(read, &Engines::cpu()).map_err(|why| {
        Error::invalid(format!("the council in {} cannot sit: {why}", file.display()))
    })?;
    let dir = dir_beside(data);
    let kept = dir.join(file_name(id));
    let part = kept.with_extension(format!("{}.part", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|error| away("made", &dir, error))?;
    // In one piece: somebody may be looking for it.
    std::fs::write(&part, &bytes).map_err(|error| away("written", &part, error))?;
    std::fs::rename(&part, &kept).map_err(|error| away("written", &kept, error))?;
    Ok(id)
}
