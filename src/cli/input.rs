//! Commands as they were written: one JSON object, or several after each other.

use crate::error::{Error, Result};
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::io::Read;

/// Bytes of a file of commands.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// One command's JSON as it was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written<'a> {
    pub(super) json: &'a str,
    /// Whether it names an id of its own.
    pub(super) has_id: bool,
}

/// The bytes of a file, or of stdin for `-`.
pub(super) fn read(file: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    let read = match file {
        "-" => std::io::stdin().lock().take(BYTES_MAX).read_to_end(&mut bytes),
        file => std::fs::File::open(file)
            .and_then(|opened| opened.take(BYTES_MAX).read_to_end(&mut bytes)),
    };
    match read {
        Ok(_) if bytes.len() as u64 == BYTES_MAX => {
            Err(Error::invalid(format!("{file} has {BYTES_MAX} bytes or more: split it")))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(Error::invalid(format!("{file} cannot be read")).caused_by(error)),
    }
}

/// The commands in `bytes`, with nothing but their outline looked at: the service reads them.
pub(super) fn commands_in<'a>(bytes: &'a [u8], file: &str) -> Result<Vec<Written<'a>>> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Error::invalid(format!("{file} is no text: byte {at} is not UTF-8")).caused_by(error)
    })?;
    let mut commands = vec![];
    let mut objects =
        serde_json::Deserializer::from_str(text).into_iter::<BTreeMap<String, IgnoredAny>>();
    loop {
        let from = objects.byte_offset();
        match objects.next() {
            None if commands.is_empty() => {
                return Err(Error::invalid(format!("{file} holds no command: {SHAPE}")));
            }
            None => return Ok(commands),
            Some(Ok(object)) => commands.push(Written {
                json: text[from..objects.byte_offset()].trim(),
                has_id: object.contains_key("command_id"),
            }),
            Some(Err(error)) => {
                return Err(Error::invalid(format!(
                    "{file} is not JSON commands: {error}: {SHAPE}"
                )));
            }
        }
    }
}

const SHAPE: &str = "write one {\"pool\": ..., \"payload\": {...}}, or one in each line";

impl Written<'_> {
    /// The command as a line, with `id` if it names none.
    pub(super) fn line(&self, id: &str) -> String {
        // Line ends stand between the parts of JSON only, never within a text.
        let line = self.json.replace(['\n', '\r'], " ");
        match line.strip_prefix('{') {
            Some(rest) if !self.has_id => {
                let id = serde_json::Value::from(id);
                let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
                format!("{{\"command_id\":{id}{comma}{rest}\n")
            }
            _ => format!("{line}\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: std::result::Result<&[&str], &str>) {
        let commands = commands_in(text.as_bytes(), "commands.json");
        match (commands, expected) {
            (Ok(commands), Ok(expected)) => {
                let lines: Vec<String> =
                    commands.iter().map(|command| command.line("id-1")).collect();
                assert_eq!(lines, expected);
            }
            (Err(error), Err(said)) => assert!(error.message.contains(said), "{error}"),
            (commands, expected) => panic!("{commands:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn one_or_many_and_ids_where_they_lack() {
        check(
            "{\n \"pool\": \"lab\"\n}\n",
            Ok(&["{\"command_id\":\"id-1\",  \"pool\": \"lab\" }\n"]),
        );
        check(
            "{\"command_id\":\"c-1\"}\n\n{\"pool\":\"}{\"} {}",
            Ok(&[
                "{\"command_id\":\"c-1\"}\n",
                "{\"command_id\":\"id-1\",\"pool\":\"}{\"}\n",
                "{\"command_id\":\"id-1\"}\n",
            ]),
        );
        check("  \n", Err("holds no command"));
        check("{\"a\":1}\n{\"b\":}", Err("line 2 column 6"));
        check("[1]", Err("line 1 column"));
        check("{\"a\":1} x", Err("line 1 column 9"));
    }
}
