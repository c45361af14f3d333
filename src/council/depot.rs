//! Where councils' files may be besides this machine's directories: an archive, a topic.

use crate::error::Result;
use conclave_core::council::ModelId;
use std::collections::BTreeMap;
use std::fmt;

/// Somewhere to get a council's file from. What it hands out is checked like every other file.
pub trait Depot: fmt::Debug + Send + Sync {
    /// The file of the council `id`; none when it has none.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached.
    fn file(&self, id: ModelId) -> Result<Option<Vec<u8>>>;

    /// What people call it.
    fn name(&self) -> String;
}

/// Files that came along with a log.
impl Depot for BTreeMap<ModelId, Vec<u8>> {
    fn file(&self, id: ModelId) -> Result<Option<Vec<u8>>> {
        Ok(self.get(&id).cloned())
    }

    fn name(&self) -> String {
        "the archive".to_owned()
    }
}
