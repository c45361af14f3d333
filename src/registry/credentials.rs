//! Who asks the registry. Secrets come from files or the environment and are never shown.

use crate::error::{Error, Result};
use std::fmt;
use std::path::Path;

/// Names of the environment's variables.
const USER: &str = "CONCLAVE_REGISTRY_USER";
const PASSWORD: &str = "CONCLAVE_REGISTRY_PASSWORD";
const TOKEN: &str = "CONCLAVE_REGISTRY_TOKEN";

/// What a registry is shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// A user and a password; an API key and its secret.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A bearer token.
    Bearer(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Basic { user, .. } => write!(f, "Basic {{ user: {user:?}, .. }}"),
            Self::Bearer(_) => f.write_str("Bearer(..)"),
        }
    }
}

impl Credentials {
    /// Those that files and the environment give; a file has precedence over its variable.
    ///
    /// # Errors
    /// `Invalid` when a file cannot be read, a user has no password, or there is a token besides.
    pub fn gather(
        user: Option<&str>,
        password_file: Option<&Path>,
        token_file: Option<&Path>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let user = user.map(str::to_owned).or_else(|| environment(USER));
        let secret = |file: Option<&Path>, variable: &str| match file {
            Some(file) => secret_in(file).map(Some),
            None => Ok(environment(variable)),
        };
        match (user, secret(password_file, PASSWORD)?, secret(token_file, TOKEN)?) {
            (None, None, None) => Ok(Self::None),
            (None, None, Some(token)) => Ok(Self::Bearer(token)),
            (Some(user), Some(password), None) => Ok(Self::Basic { user, password }),
            (Some(_), None, None) => Err(Error::invalid(format!(
                "the registry's user has no password: name its file or set {PASSWORD}"
            ))),
            (None, Some(_), _) => Err(Error::invalid(format!(
                "the registry's password has no user: name one or set {USER}"
            ))),
            (Some(_), _, Some(_)) => Err(Error::invalid(
                "the registry is given a user and a token: leave one of them out",
            )),
        }
    }
}

/// The first line of a file.
fn secret_in(file: &Path) -> Result<String> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::invalid(format!("{shown} cannot be read")).caused_by(error))?;
    match text.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => Err(Error::invalid(format!("{shown} is empty: its first line is the secret"))),
    }
}
