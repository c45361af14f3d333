//! Published traces as jobs. What a row lacks is filled in by a rule that is stated here and in the
//! model card; nothing of a trace is kept but by the weights.

pub mod gentd;
pub mod openb;

use crate::error::{Error, Result};
use std::path::Path;

/// The rows of a file with a header.
#[derive(Clone, Debug)]
pub struct Rows {
    name: String,
    header: Vec<String>,
    records: Vec<csv::StringRecord>,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    rows: &'a Rows,
    index: usize,
}

impl Rows {
    /// All rows of the file at `path`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it cannot be read, [`Error::Invalid`] when it is no table.
    pub fn read(path: &Path) -> Result<Self> {
        let why = |error| format!("{} cannot be read ({error}): check --traces", path.display());
        let bytes = std::fs::read(path).map_err(|error| Error::Unavailable(why(error)))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self::parse(&name, &bytes)
    }

    /// All rows of a text.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is no table.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self> {
        let mut reader = csv::Reader::from_reader(bytes);
        let bad = |error| Error::Invalid(format!("{name} is no table ({error}): repair it"));
        let header = reader.headers().map_err(bad)?.iter().map(str::to_owned).collect();
        let records = reader.records().collect::<std::result::Result<_, _>>().map_err(bad)?;
        Ok(Self { name: name.to_owned(), header, records })
    }

    /// The rows in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.records.len()).map(|index| Row { rows: self, index })
    }
}

impl<'a> Row<'a> {
    /// The text in `column`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is no such column.
    pub fn text(self, column: &str) -> Result<&'a str> {
        let Self { rows, index } = self;
        let Some(at) = rows.header.iter().position(|name| name == column) else {
            return Err(self.bad(column, "is missing", "take the file as it was published"));
        };
        Ok(rows.records[index].get(at).unwrap_or_default())
    }

    /// The number in `column`; none when it is empty.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is neither.
    pub fn number(self, column: &str) -> Result<Option<f64>> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(self.bad(column, &format!("'{text}' is no number"), "write one")),
        }
    }

    /// The number in `column`, which has to be there.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not.
    pub fn needed(self, column: &str) -> Result<f64> {
        self.number(column)?.ok_or_else(|| self.bad(column, "is empty", "write a number"))
    }

    /// An error about `column`.
    #[must_use]
    pub fn bad(self, column: &str, what: &str, hint: &str) -> Error {
        // The header is line 1.
        let (name, line) = (&self.rows.name, self.index + 2);
        Error::Invalid(format!("{name}:{line}: {column} {what}: {hint}"))
    }
}
