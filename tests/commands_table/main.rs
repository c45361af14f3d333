//! `docs/commands.md` is made from the code that it describes. After a change of the code:
//!
//! ```text
//! UPDATE_DOCS=1 cargo test --release --test commands_table
//! ```

mod rejections;

use conclave_core::command::Role;
use conclave_core::decide::{COMMANDS, CommandRow, STAGE_ONE};
use conclave_core::rejection::RejectionCode;
use std::path::{Path, PathBuf};

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

const HEAD: &str = "\
# Commands, and why they are refused

Made from `conclave_core::decide::COMMANDS` and `conclave_core::rejection::RejectionCode` by
`tests/commands_table`; `UPDATE_DOCS=1 cargo test --release --test commands_table` writes it anew.

## Commands

A command is about one pool and bears its name as the record's key; log commands (OpenLog,
ActivateDecider, Tick) bear an empty one. The sender is the least role that may send it: a higher
one may, too, and a tenant only for what is its own. A command that is *alone in its round* is
decided after everything before it and before everything after it.

The events are the command's own. Any decision may also hold those of timers that were due
(LeaseEnded, DeferralDue, RequestEnded), of votes that were due (RequestVoted and what follows from
it) and of the queue (LeaseGranted, QueueCarriedOver, QueueCaughtUp).
";

const STAGE_ONE_HEAD: &str = "\
Before its own rules are asked, any command can be refused with";

const REJECTIONS_HEAD: &str = "\
## Rejections

A rejection is an answer: it stands in the decision log with its code and a detail that holds the
numbers. Nothing of a refused command happened. Where *dead letter* says yes, the sender's program
or its set-up is broken, and the command's bytes are also kept among the dead letters. A command
that was answered before is no rejection: its decision says `Duplicate` and names the first one. A
refused command may have used its id up, too: to try again, take a new id.

A command whose decision would stop the partition can be skipped by a person
(`docs/runbooks/skip.md`). Its decision says `Failed` with that person's name and reason; nothing of
it happened, no timer fired before it, and its id is free.

Show the decision with `replay --from OFFSET --until OFFSET --log DIR`.
";

fn role_text(role: Role) -> &'static str {
    match role {
        Role::Reader => "reader",
        Role::Tenant => "tenant",
        Role::Operator => "operator",
        Role::Administrator => "administrator",
    }
}

fn yes_no(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// Each word as code, in one cell.
fn cell<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = words.map(|word| format!("`{word}`")).collect();
    if quoted.is_empty() { "–".to_owned() } else { quoted.join(" ") }
}

fn codes(codes: &[RejectionCode]) -> String {
    cell(codes.iter().map(|code| code.as_str()))
}

fn row(cells: &[&str]) -> String {
    assert!(cells.iter().all(|cell| !cell.contains(['|', '\n'])), "a cell ends early: {cells:?}");
    format!("| {} |\n", cells.join(" | "))
}

fn command_row(command: &CommandRow) -> String {
    row(&[
        command.name,
        role_text(command.least_role),
        yes_no(command.is_control),
        command.precondition,
        &cell(command.events.iter().copied()),
        &codes(command.rejections),
    ])
}

fn rejection_row(&code: &RejectionCode) -> String {
    let (meaning, remedy) = rejections::explain(code);
    row(&[&format!("`{}`", code.as_str()), yes_no(code.is_dead_letter()), meaning, remedy])
}

fn document() -> String {
    let commands_head = row(&[
        "Command",
        "Sender",
        "Alone in its round",
        "What has to hold",
        "Events",
        "Rejections",
    ]);
    let rejections_head = row(&["Code", "Dead letter", "What it means", "What to do"]);
    let commands: String = COMMANDS.iter().map(command_row).collect();
    let rejections: String = RejectionCode::ALL.iter().map(rejection_row).collect();
    format!(
        "{HEAD}\n{commands_head}|---|---|---|---|---|---|\n{commands}\n{STAGE_ONE_HEAD}\n{}.\n\n\
         {REJECTIONS_HEAD}\n{rejections_head}|---|---|---|---|\n{rejections}",
        codes(STAGE_ONE)
    )
}

#[test]
fn the_document_says_what_the_code_does() {
    let path = in_repository("docs/commands.md");
    let expected = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    let differs = written.lines().zip(expected.lines()).find(|(written, made)| written != made);
    assert_eq!(differs, None, "run it again with UPDATE_DOCS=1 (left: the file's line and ours)");
    assert_eq!(written, expected, "run it again with UPDATE_DOCS=1");
}

#[test]
fn the_table_lists_the_branches_of_the_schema_in_their_order() {
    let text = std::fs::read_to_string(in_repository("schemas/command.avsc")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    let fields = schema["fields"].as_array().unwrap();
    let payload = fields.iter().find(|field| field["name"] == "payload").unwrap();
    let branches = payload["type"].as_array().unwrap().iter();
    let branches: Vec<_> =
        branches.map(|branch| branch["name"].as_str().or(branch.as_str()).unwrap()).collect();
    assert_eq!(COMMANDS.iter().map(|row| row.name).collect::<Vec<_>>(), branches);
}

#[test]
fn every_code_can_be_met_and_is_explained() {
    let of_commands = COMMANDS.iter().flat_map(|row| row.rejections);
    let listed: Vec<_> = of_commands.chain(STAGE_ONE).copied().collect();
    for &code in RejectionCode::ALL {
        assert!(listed.contains(&code), "no command is refused with {}", code.as_str());
        let (meaning, remedy) = rejections::explain(code);
        for sentence in [meaning, remedy] {
            assert!(
                sentence.len() > 20 && sentence.ends_with('.'),
                "{}: {sentence}",
                code.as_str()
            );
        }
    }
}
