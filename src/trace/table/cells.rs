//! One line's cells by the names of their columns. Every question that cannot be answered notes
//! why, so that one reading of a line finds all that is wrong with it.

use super::{Damage, Format, LINE_BYTES_MAX};
use crate::error::{Error, Result};
use conclave_core::limits::ID_BYTES_MAX;
use std::collections::BTreeSet;
use std::path::Path;

/// Bytes of a name: an id of ours less what a feed puts before it.
pub const NAME_BYTES_MAX: usize = ID_BYTES_MAX - 16;
/// Characters of a cell or of a header that a message shows.
const SHOWN_CHARS_MAX: usize = 40;

/// Which cell is which column.
#[derive(Debug)]
pub(super) struct Header {
    /// Between two cells.
    separator: char,
    /// Cells of a row.
    count: usize,
    columns: Vec<(&'static str, usize)>,
}

impl Header {
    /// # Errors
    /// `Invalid` when the line does not name every required column, or one of them twice.
    pub(super) fn parse(path: &Path, format: &Format, line: &[u8]) -> Result<Self> {
        let Format { what, required, optional, separator } = format;
        let shown = path.display();
        let advice = format!("{what} begins with {}", required.join(&separator.to_string()));
        let wrong = |found: String| Error::invalid(format!("{shown}:1: {found}: {advice}"));
        if line.starts_with(b"\x1F\x8B") || line.starts_with(b"\x28\xB5\x2F\xFD") {
            return Err(Error::invalid(format!("{shown} is compressed: unpack it first")));
        }
        let found = split(line, *separator).map_err(|(found, _)| wrong(found))?;
        let known = || required.iter().chain(optional.iter()).copied();
        let missing: Vec<_> =
            required.iter().copied().filter(|name| !found.iter().any(|it| it == name)).collect();
        if !missing.is_empty() {
            let names = if missing.len() == 1 { "column" } else { "columns" };
            let has = shorten(&found.join(","));
            return Err(wrong(format!("lacks the {names} {}; it has '{has}'", missing.join(", "))));
        }
        let mut seen = BTreeSet::new();
        let twice = known().find(|name| found.iter().filter(|it| it == name).count() > 1);
        if let Some(name) = twice {
            return Err(wrong(format!("names the column {name} twice")));
        }
        let at = |name| found.iter().position(|it| it == name).map(|at| (name, at));
        let columns = known().filter(|name| seen.insert(*name)).filter_map(at).collect();
        Ok(Self { separator: *separator, count: found.len(), columns })
    }

    fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().find(|(name, _)| *name == column).map(|(_, at)| *at)
    }
}

/// The cells of one line.
#[derive(Debug)]
pub struct Cells<'a> {
    path: &'a Path,
    line: u64,
    header: &'a Header,
    cells: Vec<String>,
    damages: Vec<Damage>,
}

impl<'a> Cells<'a> {
    pub(super) fn parse(path: &'a Path, line: u64, header: &'a Header, bytes: &[u8]) -> Self {
        let mut cells = Self { path, line, header, cells: vec![], damages: vec![] };
        match split(bytes, header.separator) {
            Ok(split) if split.len() == header.count => cells.cells = split,
            Ok(split) => {
                let what = format!("has {} cells and the header {}", split.len(), header.count);
                let fix = match header.separator {
                    ',' => "give each column one cell, and quote commas".to_owned(),
                    other => format!("give each column one cell: no cell may hold a {other}"),
                };
                cells.note(None, what, fix);
            }
            Err((what, fix)) => cells.note(None, what, fix.to_owned()),
        }
        cells
    }

    pub(super) fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }

    pub(super) fn into_damages(self) -> Vec<Damage> {
        self.damages
    }

    /// The line, from 1: the header's line.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// What a cell says; empty when the file lacks the column.
    #[must_use]
    pub fn text(&self, column: &str) -> &str {
        self.header.position(column).map_or("", |at| &self.cells[at])
    }

    /// Notes that a cell is wrong.
    pub fn damage(&mut self, column: &'static str, what: impl Into<String>, fix: &str) {
        self.note(Some(column), what.into(), fix.to_owned());
    }

    /// Notes that a cell is `not` what it has to be.
    pub fn wrong(&mut self, column: &'static str, not: &str, fix: &str) {
        let what = match self.text(column) {
            "" => "is empty".to_owned(),
            text => format!("'{}' is not {not}", shorten(text)),
        };
        self.damage(column, what, fix);
    }

    /// A name: 1 to [`NAME_BYTES_MAX`] bytes that a terminal can show.
    pub fn name(&mut self, column: &'static str) -> Option<String> {
        let name = self.text(column).to_owned();
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(char::is_control) {
            let fix = format!("write 1 to {NAME_BYTES_MAX} bytes without control characters");
            self.wrong(column, "a name", &fix);
            return None;
        }
        Some(name)
    }

    /// A whole number from `min` to `max`.
    pub fn integer(&mut self, column: &'static str, min: i64, max: i64) -> Option<i64> {
        let number = whole(self.text(column)).filter(|number| (min..=max).contains(number));
        if number.is_none() {
            let fix = format!("write a whole number from {min} to {max}");
            let is_whole = whole(self.text(column)).is_some();
            self.wrong(column, if is_whole { "within bounds" } else { "a whole number" }, &fix);
        }
        number
    }

    /// The same, where an empty cell or a missing column is an answer, too.
    pub fn integer_or_empty(
        &mut self,
        column: &'static str,
        min: i64,
        max: i64,
    ) -> Option<Option<i64>> {
        if self.text(column).is_empty() {
            return Some(None);
        }
        self.integer(column, min, max).map(Some)
    }

    /// Seconds with at most three decimals, as milliseconds: `min_ms` to `max_ms`.
    pub fn seconds_as_ms(&mut self, column: &'static str, min_ms: i64, max_ms: i64) -> Option<i64> {
        let ms = thousandths(self.text(column)).filter(|ms| (min_ms..=max_ms).contains(ms));
        if ms.is_none() {
            let (above, max) = (if min_ms > 0 { "above 0 " } else { "" }, max_ms / 1_000);
            let fix = format!("write seconds {above}up to {max}, such as 90 or 90.5");
            self.wrong(column, "a number of seconds", &fix);
        }
        ms
    }

    fn note(&mut self, column: Option<&'static str>, what: String, fix: String) {
        let (file, line) = (self.path.to_path_buf(), self.line);
        self.damages.push(Damage { file, line, column, what, fix });
    }
}

/// The cells of a line, or what is wrong with it and what to do.
fn split(line: &[u8], separator: char) -> std::result::Result<Vec<String>, (String, &'static str)> {
    if line.len() > LINE_BYTES_MAX {
        let what = format!("has {} bytes, more than {LINE_BYTES_MAX}", line.len());
        return Err((what, "is a line break missing? Write one row per line"));
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return Err(("is no text".to_owned(), "write it in UTF-8"));
    };
    if separator != ',' || !text.contains('"') {
        return Ok(text.split(separator).map(str::to_owned).collect());
    }
    let unclosed = || ("has a quote too few or too many".to_owned(), "close it on the same line");
    if text.matches('"').count() % 2 == 1 {
        return Err(unclosed());
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line);
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => Ok(record.iter().map(str::to_owned).collect()),
        Ok(false) | Err(_) => Err(unclosed()),
    }
}

/// Digits with a sign at most: what `i64` alone would take, a plus among it, is not what tables
/// hold.
fn whole(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_whole)
}

/// A decimal number in thousandths, without a float in between.
pub(in crate::trace) fn thousandths(text: &str) -> Option<i64> {
    let (whole_part, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let decimals = decimals.trim_end_matches('0');
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_sound = decimals.len() <= 3 && is_digits(decimals) && is_digits(whole_part);
    let part: i64 = format!("{decimals:0<3}").parse().ok().filter(|_| is_sound)?;
    whole(whole_part)?.checked_mul(1_000)?.checked_add(part)
}

/// The beginning of a text, with what a terminal would obey shown as escapes.
fn shorten(text: &str) -> String {
    let more = if text.chars().nth(SHOWN_CHARS_MAX).is_some() { "…" } else { "" };
    let start: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    format!("{}{more}", start.escape_debug().to_string().replace("\\'", "'"))
}
