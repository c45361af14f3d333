//! The schema registry: which schema an id in a command's framing means, and that our own schemas
//! are registered. Any registry that speaks Confluent's protocol.
//!
//! A registry that is away delays what only it knows, and nothing else: a text that was once read
//! is kept beside the log ([`kept_beside`]) and never asked for again. "Not found" is an answer and
//! ends up in a decision; silence, errors and things that no registry says are none.
//!
//! Everything here blocks: call it from a thread, not from async code.

mod client;
mod credentials;
mod kept;
mod own;
mod shared;
mod source;

pub use credentials::Credentials;
pub use kept::{DIRECTORY, kept_beside, texts};
pub use own::{Finding, OwnIds, Subjects, check, own_ids, register};
pub use shared::{Shared, shared_texts};
pub use source::Registry;

use crate::error::{Error, Result};
use std::path::PathBuf;
use std::time::Duration;

/// How long one request may take.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(2);

/// Where the registry is and how it is spoken to.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// Its address, `http://` or `https://`.
    pub url: String,
    /// Who asks.
    pub credentials: Credentials,
    /// Certificates of authorities (PEM) that are believed besides the system's.
    pub ca_file: Option<PathBuf>,
    /// How long one request may take.
    pub timeout: Duration,
}

impl RegistrySettings {
    /// The registry at `url`, asked by nobody in particular.
    ///
    /// # Errors
    /// `Invalid` when it is no address, or holds a password: addresses are logged.
    pub fn new(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let host = rest.map(|rest| rest.split('/').next().unwrap_or_default());
        let wrong = match host {
            None | Some("") => Some("has to begin with http:// or https:// and name a host"),
            Some(host) if host.contains('@') => {
                Some("holds a user or a password: give those by file or environment instead")
            }
            Some(_) => None,
        };
        if let Some(wrong) = wrong {
            // Not even here is the address shown: it may hold the password.
            return Err(Error::invalid(format!("the registry's address {wrong}")));
        }
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            credentials: Credentials::None,
            ca_file: None,
            timeout: TIMEOUT_DEFAULT,
        })
    }
}
