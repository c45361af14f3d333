//! A registry as a source of schemas: what is kept first, then what was lately not found, then the
//! registry itself.

use super::RegistrySettings;
use super::client::Client;
use super::kept::Kept;
use super::shared::{Shared, Sharing};
use crate::error::Result;
use crate::resilience::Standing;
use crate::wire::{SchemaAnswer, SchemaSource, fingerprint};
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
    sharing: Option<Sharing>,
}

impl Registry {
    /// Asks the registry of `settings`, and keeps what it says in `directory`. Nothing is asked
    /// yet: the registry may be away.
    ///
    /// # Errors
    /// `Invalid` when the settings make no client.
    pub fn new(settings: &RegistrySettings, directory: &Path) -> Result<Arc<Self>> {
        Self::make(settings, directory, None)
    }

    /// The same, sharing what it learns at `place`, and knowing what others shared there. That is
    /// looked up now; when it cannot be, that is said and everything goes on.
    ///
    /// # Errors
    /// As [`Registry::new`].
    pub fn sharing(
        settings: &RegistrySettings,
        directory: &Path,
        place: Arc<dyn Shared>,
    ) -> Result<Arc<Self>> {
        let registry = Self::make(settings, directory, Some(Sharing::new(place)))?;
        if let Some(sharing) = &registry.sharing {
            sharing.exchange(&registry.kept);
        }
        Ok(registry)
    }

    fn make(
        settings: &RegistrySettings,
        directory: &Path,
        sharing: Option<Sharing>,
    ) -> Result<Arc<Self>> {
        let client = Client::new(settings)?;
        let kept = Kept::new(directory, &settings.url);
        Ok(Arc::new(Self { client, kept, not_found: Mutex::default(), sharing }))
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
        let text = match (self.client.text(id), &self.sharing) {
            (Err(away), Some(sharing)) => {
                sharing.look(&self.kept);
                return self.kept.text(id)?.map_or(Err(away), |text| Ok(Some(text)));
            }
            (answer, _) => answer?,
        };
        match &text {
            Some(text) => self.learn(id, text)?,
            None => {
                let mut not_found = self.not_found();
                if not_found.len() < NOT_FOUND_MAX {
                    not_found.insert(id, Instant::now());
                }
            }
        }
        Ok(text)
    }

    /// Keeps what the registry said that `id` means, and tells other instances.
    pub(super) fn learn(&self, id: u32, text: &str) -> Result<()> {
        self.kept.keep(id, text)?;
        if let (Some(sharing), Ok(digest)) = (&self.sharing, fingerprint(text)) {
            let digest = digest.to_string();
            let text = (digest.clone(), text.to_owned());
            sharing.tell(vec![text, (self.kept.name_of(id), digest)]);
        }
        Ok(())
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
