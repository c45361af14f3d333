//! What instances of a log tell each other of the registry: the texts that one has learnt are known
//! to all, also to those that come when the registry is away.
//!
//! What is kept in the data directory comes first. Sharing is a convenience: when it fails, that is
//! said, and everything goes on.

use super::kept::Kept;
use crate::error::Result;
use crate::wire::fingerprint;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a look is remembered: while the registry is away, every command in wait would look.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// A place for small texts under names that all instances of a log can reach. A schema's text is
/// there under its fingerprint, and its fingerprint under `ids-REGISTRY/ID`.
pub trait Shared: fmt::Debug + Send + Sync {
    /// Everything that is there.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached.
    fn read(&self) -> Result<BTreeMap<String, String>>;

    /// Puts texts there; one that is there already is not changed by it.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached.
    fn write(&self, entries: &[(String, String)]) -> Result<()>;
}

/// The texts of schemas that are there; what is not what its name says is passed over.
///
/// # Errors
/// As [`Shared::read`].
pub fn shared_texts(place: &dyn Shared) -> Result<Vec<String>> {
    Ok(place.read()?.into_iter().filter(is_schema).map(|(_, text)| text).collect())
}

fn is_schema((name, text): &(String, String)) -> bool {
    name.len() == 64 && fingerprint(text).is_ok_and(|digest| digest.to_string() == *name)
}

/// One instance's part in it.
#[derive(Debug)]
pub(super) struct Sharing {
    place: Arc<dyn Shared>,
    looked: Mutex<Option<Instant>>,
}

impl Sharing {
    pub(super) fn new(place: Arc<dyn Shared>) -> Self {
        Self { place, looked: Mutex::default() }
    }

    /// Keeps what others have learnt, and tells them what only we know.
    pub(super) fn exchange(&self, kept: &Kept) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let exchanged = self.place.read().and_then(|there| {
            adopt(kept, &there)?;
            let ours = kept.entries()?.into_iter();
            let missing: Vec<_> = ours.filter(|(name, _)| !there.contains_key(name)).collect();
            self.place.write(&missing)
        });
        if let Err(error) = exchanged {
            tracing::warn!(%error, "schemas are not shared with other instances for now");
        }
    }

    /// Keeps what others have learnt meanwhile, unless that was looked up just now.
    pub(super) fn look(&self, kept: &Kept) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_some_and(|at| at.elapsed() < LOOK_AGAIN) {
            return;
        }
        *looked = Some(Instant::now());
        if let Err(error) = self.place.read().and_then(|there| adopt(kept, &there)) {
            tracing::warn!(%error, "what other instances know of schemas cannot be read");
        }
    }

    /// Tells others of what was learnt just now. Nobody waits for it: what is not told in time is
    /// told at the next start.
    pub(super) fn tell(&self, entries: Vec<(String, String)>) {
        let place = Arc::clone(&self.place);
        let told = std::thread::Builder::new().name("artifacts".to_owned()).spawn(move || {
            if let Err(error) = place.write(&entries) {
                tracing::warn!(%error, "a schema is not shared before the next start");
            }
        });
        if let Err(error) = told {
            tracing::warn!(%error, "a schema is not shared before the next start");
        }
    }
}

/// Keeps what is there and not kept yet: texts, then the ids of our registry that mean them.
fn adopt(kept: &Kept, there: &BTreeMap<String, String>) -> Result<()> {
    let ours = kept.entries()?;
    for (name, value) in there {
        let id = kept.id_named(name);
        let (text, is_new) = match id {
            Some(_) => (there.get_key_value(value), !ours.contains_key(name)),
            None => (Some((name, value)), !ours.contains_key(name)),
        };
        let text =
            text.filter(|(name, text)| is_new && is_schema(&((*name).clone(), (*text).clone())));
        let Some((_, text)) = text else { continue };
        match id {
            Some(id) => kept.keep(id, text)?,
            None => kept.keep_text(text)?,
        }
    }
    Ok(())
}
