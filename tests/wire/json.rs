//! Commands as JSON: what is written is what is read, the page about it is true, and nothing that
//! somebody sends makes the reader panic.

use crate::{any, examples};
use conclave::wire::json::{Defaults, JsonError, read_command, read_lines, write_command};
use conclave_core::command::{Actor, Command, Role};
use conclave_core::decide::COMMANDS;
use conclave_core::units::TimeMs;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../docs/json.md");

fn defaults() -> Defaults {
    let actor = Actor { tenant: "vision".into(), user: "ada".into(), role: Role::Tenant };
    Defaults { command_id: Some("c-9".into()), actor: Some(actor), now: TimeMs(7) }
}

fn read(text: &str) -> Result<Command, JsonError> {
    read_command(text.as_bytes(), &Defaults::default())
}

fn page_examples() -> impl Iterator<Item = &'static str> {
    PAGE.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap())
}

#[test]
fn every_command_is_read_as_it_was_written() {
    for command in examples::commands() {
        assert_eq!(read(&write_command(&command)), Ok(command));
    }
}

#[test]
fn the_page_shows_every_command_and_every_example_is_one() {
    let mut shown = BTreeSet::new();
    for example in page_examples() {
        let command = read_command(example.as_bytes(), &defaults());
        let command = command.unwrap_or_else(|error| panic!("{error}\n{example}"));
        shown.insert(command.payload.name());
    }
    let known: BTreeSet<_> = COMMANDS.iter().map(|row| row.name).collect();
    assert_eq!(shown, known, "docs/json.md has an example of each command");
}

#[test]
fn the_page_names_every_field() {
    for command in examples::commands() {
        let value: serde_json::Value = serde_json::from_str(&write_command(&command)).unwrap();
        let payload = &value["payload"][command.payload.name()];
        for field in payload.as_object().into_iter().flatten().map(|(name, _)| name) {
            let said = field.strip_suffix("_ms").unwrap_or(field).replace("_gpu_milli", "_gpus");
            let is_named = [field, &said].iter().any(|name| {
                PAGE.contains(&format!("\"{name}\"")) || PAGE.contains(&format!("`{name}`"))
            });
            assert!(is_named, "docs/json.md does not name {field} of {}", command.payload.name());
        }
    }
}

#[test]
fn the_page_shows_errors_as_they_are() {
    let block = PAGE.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let mut shown = 0;
    for pair in block.trim_end().split("\n\n") {
        let (sent, answer) = pair.split_once('\n').unwrap();
        let error = read_command(sent.as_bytes(), &defaults()).unwrap_err();
        assert_eq!(error.to_string(), answer, "{sent}");
        shown += 1;
    }
    assert!(shown >= 4, "{shown} errors found on the page");
}

/// One thing done to a text.
#[derive(Clone, Debug)]
enum Damage {
    Cut(Index),
    Drop(Index),
    Put(Index, u8),
    Repeat(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte =
        prop_oneof![prop::sample::select(b"{}[]\",:-.0e\\\nn\x00\xff".as_slice()), any::<u8>(),];
    prop_oneof![
        1 => any::<Index>().prop_map(Damage::Cut),
        3 => any::<Index>().prop_map(Damage::Drop),
        6 => (any::<Index>(), byte).prop_map(|(at, byte)| Damage::Put(at, byte)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Repeat(from, to)),
    ]
}

fn apply(mut text: Vec<u8>, damage: &Damage) -> Vec<u8> {
    if text.is_empty() {
        return text;
    }
    match damage {
        Damage::Cut(at) => text.truncate(at.index(text.len())),
        Damage::Drop(at) => drop(text.remove(at.index(text.len()))),
        Damage::Put(at, byte) => text.insert(at.index(text.len()), *byte),
        Damage::Repeat(from, to) => {
            let (from, to) = (from.index(text.len()), to.index(text.len()));
            let piece = text[from.min(to)..from.max(to)].to_vec();
            text.splice(to..to, piece);
        }
    }
    text
}

/// Whatever was read reads the same once it is written, and errors stand within the text.
fn check(text: &[u8]) -> Result<(), TestCaseError> {
    match read_command(text, &defaults()) {
        Ok(command) => prop_assert_eq!(read(&write_command(&command)), Ok(command)),
        Err(error) => {
            let lines: Vec<_> = text.split(|&byte| byte == b'\n').collect();
            let line = error.line.checked_sub(1).and_then(|at| lines.get(at));
            prop_assert!(line.is_some_and(|line| error.column <= line.len() + 1), "{}", error);
            prop_assert!(!error.to_string().chars().any(char::is_control), "{:?}", error);
        }
    }
    for (number, command) in read_lines(text, &defaults()) {
        prop_assert!(command.err().is_none_or(|error| error.line == number));
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_command_is_read_as_it_was_written(bytes in vec(any::<u8>(), 0..400)) {
        let command: Command = any::any(&bytes);
        let text = write_command(&command);
        prop_assert_eq!(read(&text), Ok(command.clone()), "{}", text);
        let lines = format!("{text}\n\n{text}");
        let read: Vec<_> = read_lines(lines.as_bytes(), &Defaults::default()).collect();
        prop_assert_eq!(read, [(1, Ok(command.clone())), (3, Ok(command))]);
    }

    #[test]
    fn damaged_json_is_read_or_refused(
        example in any::<Index>(),
        damages in vec(damage(), 1..6),
    ) {
        let examples: Vec<_> = page_examples().collect();
        let text = example.get(&examples).as_bytes().to_vec();
        check(&damages.iter().fold(text, apply))?;
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..300)) {
        check(&bytes)?;
    }
}
