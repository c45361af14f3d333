//! A registry as a source of schemas: what is kept first, then what was lately not found, then the
//! registry itself.

use super::RegistrySettings;
use super::client::Client;
use super::kept::Kept;
use crate::error::Result;
use crate::resilience::Standing;
use crate::wire::{SchemaAnswer, SchemaSource};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long "not found" is remembered: a flood of one unknown id asks once in this time.
const NOT_FOUND_FOR: Duration = Duration::from_secs(5);
/// Ids of which that is remembered.
const NOT_FOUND_MAX: usize = 1_000;

/// One registry, shared by all partitions of a process.
#[derive(Debug)]
pub struct Registry {
    client: Client,
    kept: Kept,
    not_found: Mutex<BTreeMap<u32, Instant>>,
}

impl Registry {
    /// Asks the registry of `settings`, and keeps what it says in `directory`. Nothing is asked
    /// yet: the registry may be away.
    ///
    /// # Errors
    /// `Invalid` when the settings make no client.
    pub fn new(settings: &RegistrySettings, directory: &Path) -> Result<Arc<Self>> {
        let client = Client::new(settings)?;
        let kept = Kept::new(directory, &settings.url);
        Ok(Arc::new(Self { client, kept, not_found: Mutex::default() }))
    }

    /// The same as a source for one reader.
    #[must_use]
    pub fn source(self: &Arc<Self>) -> Box<dyn SchemaSource> {
        Box::new(Asking(Arc::clone(self)))
    }

    /// How the registry stands, for metrics and `/readyz`.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.client.standing()
    }

    /// The texts that were learnt so far, as they are kept.
    ///
    /// # Errors
    /// `Unavailable` when they cannot be read.
    pub fn texts(&self) -> Result<Vec<String>> {
        self.kept.texts()
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// What is known of `id`, asking if need be.
    ///
    /// # Errors
    /// When nobody can tell just now, or the text cannot be kept.
    fn text(&self, id: u32) -> Result<Option<String>> {
        if let Some(text) = self.kept.text(id)? {
            return Ok(Some(text));
        }
        if self.not_found().contains_key(&id) {
            return Ok(None);
        }
        let text = self.client.text(id)?;
        match &text {
            Some(text) => self.kept.keep(id, text)?,
            None => {
                let mut not_found = self.not_found();
                if not_found.len() < NOT_FOUND_MAX {
                    not_found.insert(id, Instant::now());
                }
            }
        }
        Ok(text)
    }

    /// What was lately not found.
    fn not_found(&self) -> MutexGuard<'_, BTreeMap<u32, Instant>> {
        let mut not_found = self.not_found.lock().unwrap_or_else(PoisonError::into_inner);
        not_found.retain(|_, at| at.elapsed() < NOT_FOUND_FOR);
        not_found
    }
}

#[derive(Debug)]
struct Asking(Arc<Registry>);

impl SchemaSource for Asking {
    fn schema(&mut self, id: u32) -> SchemaAnswer {
        match self.0.text(id) {
            Ok(Some(text)) => SchemaAnswer::Known(text),
            Ok(None) => SchemaAnswer::NotFound,
            Err(error) => SchemaAnswer::Unavailable(error.to_string()),
        }
    }
}
