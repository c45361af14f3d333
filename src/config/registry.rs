//! The section `[kafka.registry]`: the schema registry of those who write commands.

use crate::error::{Error, Result};
use crate::registry::{Credentials, RegistrySettings};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The schema registry. Without one, the local table answers, which knows our own schemas only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegistryConfig {
    /// Its address, `http://` or `https://`.
    pub url: Option<String>,
    /// The user, or API key.
    pub user: Option<String>,
    /// The file that holds the user's password.
    pub password_file: Option<PathBuf>,
    /// The file that holds a token.
    pub token_file: Option<PathBuf>,
    /// Certificates of authorities (PEM) that are believed besides the system's.
    pub ca_file: Option<PathBuf>,
}

impl RegistryConfig {
    /// Where the registry is, secrets included; none when there is none.
    ///
    /// # Errors
    /// `Invalid`, naming the setting or the file.
    pub fn settings(&self) -> Result<Option<RegistrySettings>> {
        let Some(url) = &self.url else { return Ok(None) };
        let mut settings = RegistrySettings::new(url)?;
        settings.credentials = Credentials::gather(
            self.user.as_deref(),
            self.password_file.as_deref(),
            self.token_file.as_deref(),
            |name| std::env::var(name).ok().filter(|value| !value.is_empty()),
        )?;
        settings.ca_file.clone_from(&self.ca_file);
        Ok(Some(settings))
    }

    /// Relative paths are meant from `folder`.
    pub(super) fn place_in(&mut self, folder: &Path) {
        let files = [&mut self.password_file, &mut self.token_file, &mut self.ca_file];
        for path in files.into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }

    /// That what is set belongs together.
    pub(super) fn check(&self) -> Result<()> {
        let set = [
            ("user", self.user.is_some()),
            ("password_file", self.password_file.is_some()),
            ("token_file", self.token_file.is_some()),
            ("ca_file", self.ca_file.is_some()),
        ];
        let stray = set.iter().find(|(_, is_set)| *is_set && self.url.is_none());
        match stray {
            Some((key, _)) => Err(Error::invalid(format!(
                "kafka.registry.{key} has no meaning without kafka.registry.url"
            ))),
            None => self.url.as_deref().map_or(Ok(()), |url| RegistrySettings::new(url).map(drop)),
        }
    }
}
