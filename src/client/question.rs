//! Paths of the API, with names of any characters in them.

use super::escaped;
use std::fmt::Display;

/// A path and its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question(String);

impl Question {
    /// The question at a path of these names.
    #[must_use]
    pub fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|name| format!("/{}", escaped(name))).collect())
    }

    /// The same about something of a pool.
    #[must_use]
    pub fn of_pool(pool: &str, names: &[&str]) -> Self {
        Self::of(&[&["v1", "pools", pool], names].concat())
    }

    /// The same with a parameter, where it has a value.
    #[must_use]
    pub fn with(self, name: &str, value: Option<impl Display>) -> Self {
        let Some(value) = value else { return self };
        let mark = if self.0.contains('?') { '&' } else { '?' };
        Self(format!("{}{mark}{name}={}", self.0, escaped(&value.to_string())))
    }

    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
