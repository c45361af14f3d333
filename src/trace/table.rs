//! Files of values separated by commas or another sign, read line by line. What is wrong with a
//! line is a [`Damage`] that names it; the lines around it are read all the same.
//!
//! Bounded: a file is held once, a line has at most [`LINE_BYTES_MAX`] bytes, and only the first
//! [`DAMAGES_LISTED_MAX`] damages are kept while all of them are counted.

use super::table::cells::Header;
use crate::error::{Error, Result};
use conclave_core::units::Hash32;
use std::io::Read;
use std::path::{Path, PathBuf};

mod cells;

pub use cells::{Cells, NAME_BYTES_MAX};

/// Bytes of one file: a hundred times the largest published one.
pub const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of one line: a hundred times the longest published one.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Rows of one file, sound or damaged: about a gigabyte of requests.
pub const ROWS_MAX: usize = 1_000_000;
/// Damages of one file that are kept to be shown.
pub const DAMAGES_LISTED_MAX: usize = 20;

/// One thing that is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1: the header's line.
    pub line: u64,
    /// The column, when it is about one.
    pub column: Option<&'static str>,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub fix: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: ", self.file.display(), self.line)?;
        if let Some(column) = self.column {
            write!(f, "{column} ")?;
        }
        write!(f, "{}: {}", self.what, self.fix)
    }
}

/// One sound row and the line that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered<Row> {
    /// The line, from 1: the header's line.
    pub line: u64,
    /// What it says.
    pub row: Row,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table<Row> {
    /// The sound rows, in the order of the file.
    pub rows: Vec<Numbered<Row>>,
    /// What the file is and what is wrong with it.
    pub file: FileRead,
}

/// What a file is, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRead {
    /// Its path.
    pub path: PathBuf,
    /// BLAKE3 of its bytes.
    pub digest: Hash32,
    /// Rows, sound or damaged, the header not among them.
    pub rows: usize,
    /// Rows with at least one damage.
    pub damaged_rows: usize,
    /// The first [`DAMAGES_LISTED_MAX`] damages, by line.
    pub damages: Vec<Damage>,
    /// All damages.
    pub damage_count: usize,
}

impl FileRead {
    fn damage(&mut self, damages: Vec<Damage>) {
        self.damaged_rows += usize::from(!damages.is_empty());
        self.damage_count += damages.len();
        let room = DAMAGES_LISTED_MAX - self.damages.len();
        self.damages.extend(damages.into_iter().take(room));
    }
}

impl<Row> Table<Row> {
    /// All rows of a file in which everything is sound.
    ///
    /// # Errors
    /// `Invalid` with the first damage.
    pub fn whole(self) -> Result<Vec<Row>> {
        let FileRead { damages, damage_count, .. } = self.file;
        let Some(first) = damages.first() else {
            return Ok(self.rows.into_iter().map(|numbered| numbered.row).collect());
        };
        let more = match damage_count {
            1 => String::new(),
            count => format!("; {} more damages follow", count - 1),
        };
        Err(Error::invalid(format!("{first}{more}")))
    }
}

/// What a file's first line has to name, and what such a file is, for people.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Such as "an openb node list".
    pub what: &'static str,
    /// Columns that it must have, in any order.
    pub required: &'static [&'static str],
    /// Columns that are read when it has them.
    pub optional: &'static [&'static str],
    /// Between two cells: a comma, beside which cells may be quoted; or another sign, beside which
    /// nothing is.
    pub separator: char,
}

/// Reads a file whole. `decode` makes a row of a line's cells, or notes in the cells what is wrong.
///
/// # Errors
/// `Unavailable` when the file cannot be read; `Invalid` when it is no such file at all: too large,
/// without the columns, without rows.
///
/// # Panics
/// When `decode` makes no row and notes no reason.
pub fn read<Row>(
    path: &Path,
    format: &Format,
    mut decode: impl FnMut(&mut Cells<'_>) -> Option<Row>,
) -> Result<Table<Row>> {
    let bytes = read_bytes(path)?;
    let mut lines = numbered_lines(&bytes);
    let (_, first) = lines.next().unwrap_or((1, b""));
    let header = Header::parse(path, format, first)?;
    let digest = Hash32(*blake3::hash(&bytes).as_bytes());
    let path = path.to_path_buf();
    let (rows, damaged_rows, damages, damage_count) = (0, 0, vec![], 0);
    let mut file = FileRead { path, digest, rows, damaged_rows, damages, damage_count };
    let mut rows = Vec::new();
    for (line, bytes) in lines.filter(|(_, bytes)| !bytes.is_empty()) {
        file.rows += 1;
        if file.rows > ROWS_MAX {
            let shown = file.path.display();
            return Err(Error::invalid(format!("{shown} has more than {ROWS_MAX} rows: cut it")));
        }
        let mut cells = Cells::parse(&file.path, line, &header, bytes);
        let row = if cells.is_sound() { decode(&mut cells) } else { None };
        match (row, cells.into_damages()) {
            (Some(row), damages) if damages.is_empty() => rows.push(Numbered { line, row }),
            (_, damages) => {
                assert!(!damages.is_empty(), "line {line} was dropped without a reason");
                file.damage(damages);
            }
        }
    }
    if file.rows == 0 {
        let shown = file.path.display();
        return Err(Error::invalid(format!("{shown} holds no rows below its header")));
    }
    Ok(Table { rows, file })
}

fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    let unreadable = |e| {
        Error::unavailable(format!("cannot read {shown}: check its path and rights")).caused_by(e)
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let limit = u64::try_from(FILE_BYTES_MAX).expect("64 MiB fit") + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > FILE_BYTES_MAX {
        let what = format!("{shown} has more than {FILE_BYTES_MAX} bytes: cut it by whole rows");
        return Err(Error::invalid(what));
    }
    Ok(bytes)
}

/// Lines without their ends (`\n` or `\r\n`) and without the mark that some editors put first.
fn numbered_lines(bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let lines = bytes.split(|byte| *byte == b'\n');
    (1..).zip(lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)))
}
