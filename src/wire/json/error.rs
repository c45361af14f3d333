//! Where a command is not what it should be, why, and what was probably meant.

use super::JSON_BYTES_MAX;
use crate::error::Error;
use std::fmt;

/// Characters of a message; the rest is a quotation of what was sent.
const MESSAGE_CHARS_MAX: usize = 400;
/// Bytes of a name that is compared with the right ones.
const NAME_BYTES_MAX: usize = 64;
/// How alike two names are, 0 to 1, when one is taken for the other.
const ALIKE_MIN: f64 = 0.7;

/// Why bytes are no command. Its text is fit for a terminal: it holds no control characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct JsonError {
    /// The line, from 1.
    pub line: usize,
    /// The byte in that line, from 1, at or just after what is wrong. 0 is the line's beginning.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What was probably meant, or what is possible.
    pub hint: Option<String>,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, message, hint } = self;
        write!(f, "line {line}, column {column}: {message}")?;
        hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl From<JsonError> for Error {
    fn from(error: JsonError) -> Self {
        Self::invalid(format!("this is no command: {error}"))
    }
}

impl JsonError {
    pub(super) fn too_large(bytes: usize) -> Self {
        let message = format!("{bytes} bytes; a command has at most {JSON_BYTES_MAX}");
        Self { line: 1, column: 1, message, hint: None }
    }

    /// An error about the whole of `bytes`, such as a field that is not there.
    pub(super) fn at_the_end(bytes: &[u8], message: String) -> Self {
        let text = bytes.trim_ascii_end();
        let lines = text.iter().filter(|&&byte| byte == b'\n').count();
        let last = text.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        Self { line: lines + 1, column: last.len(), message: shown(&message), hint: None }
    }

    /// The error that `serde_json` met in `bytes`.
    pub(super) fn explain(error: &serde_json::Error, bytes: &[u8]) -> Self {
        let text = error.to_string();
        let (line, column) = (error.line(), error.column());
        let position = format!(" at line {line} column {column}");
        let said = text.strip_suffix(&position).unwrap_or(&text);
        let (message, hint) = match Unknown::of(said) {
            Some(unknown) => (unknown.message(), Some(unknown.hint())),
            None => (reworded(said), hint(error, said).map(str::to_owned)),
        };
        if line == 0 {
            return Self { hint, ..Self::at_the_end(bytes, message) };
        }
        Self { line, column, message: shown(&message), hint }
    }
}

/// A name that nobody knows, as serde reports it: "unknown field `a`, expected one of `b`, `c`".
struct Unknown<'e> {
    /// `field` or `variant`.
    kind: &'e str,
    name: &'e str,
    known: Vec<&'e str>,
}

impl<'e> Unknown<'e> {
    fn of(said: &'e str) -> Option<Self> {
        let (kind, rest) = said.strip_prefix("unknown ")?.split_once(" `")?;
        // The unknown name may hold anything, the known ones are ours: look from the end.
        let separators = ["`, expected ", "`, there are no "];
        let at = separators.iter().find_map(|separator| rest.rfind(separator))?;
        let (name, known) = rest.split_at(at);
        Some(Self { kind, name, known: known[1..].split('`').skip(1).step_by(2).collect() })
    }

    fn message(&self) -> String {
        let Self { kind, name, known } = self;
        let is_command = known.contains(&"RequestAllocation");
        let kind = match *kind {
            "variant" if is_command => "command",
            "variant" => "value",
            kind => kind,
        };
        let name: String = name.chars().take(NAME_BYTES_MAX).collect();
        format!("unknown {kind} `{name}`")
    }

    /// The name that was probably meant, or all that are known.
    fn hint(&self) -> String {
        match self.nearest() {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None if self.known.is_empty() => "nothing may stand here".to_owned(),
            None => format!("known here: {}", self.known.join(", ")),
        }
    }

    fn nearest(&self) -> Option<&'e str> {
        if self.name.len() > NAME_BYTES_MAX {
            return None;
        }
        let name = self.name.to_lowercase();
        let alike = |known: &&str| strsim::jaro_winkler(&name, &known.to_lowercase());
        let best = self.known.iter().max_by(|one, two| alike(one).total_cmp(&alike(two)))?;
        (alike(best) >= ALIKE_MIN).then_some(best)
    }
}

/// serde's sentence in words for people who do not write Rust.
fn reworded(said: &str) -> String {
    match said.strip_suffix(", expected i64") {
        Some(rest) => format!("{rest}, expected a whole number"),
        None => said.to_owned(),
    }
}

fn hint(error: &serde_json::Error, said: &str) -> Option<&'static str> {
    if error.is_eof() {
        return Some("the JSON ends too early: is a bracket or a quote missing?");
    }
    if said.starts_with("invalid type: floating point") {
        return Some("amounts are whole numbers: take a smaller unit, or a text such as \"1.5\"");
    }
    if said.starts_with("trailing characters") {
        return Some("one command ends here: send several as JSON lines, one a line");
    }
    None
}

/// `text` without control characters, and not longer than anybody reads.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MESSAGE_CHARS_MAX).flat_map(visible).collect();
    if text.chars().nth(MESSAGE_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn visible(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = (!c.is_control()).then_some(c);
    escaped.into_iter().flatten().chain(plain)
}
