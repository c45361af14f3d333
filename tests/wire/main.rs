//! Everything about Avro bytes: what is written, what is read, and what must never be read.
#![allow(clippy::unwrap_used, reason = "in a test a panic with the error is the report")]

mod any;
mod damage;
mod digests;
mod evolution;
mod examples;
mod golden;
mod json;
mod laws;
mod schemas;

use conclave::log::{CommandRecord, Headers, StoredCommand};
use conclave::wire::CommandReader;
use conclave_core::command::Command;
use conclave_core::input::{Content, Input};
use conclave_core::limits::DECIDE_VERSION_NEWEST;
use conclave_core::units::{Offset, TimeMs};

/// The position that golden digests were taken at.
const PARTITION: i64 = 3;

fn stored(value: Vec<u8>) -> StoredCommand {
    let time_ms = TimeMs(1_700_000_000_123);
    let record = CommandRecord { time_ms, key: b"vision".to_vec(), value, headers: Headers::new() };
    StoredCommand { offset: Offset(42), record }
}

fn read(reader: &CommandReader, value: &[u8]) -> Input {
    reader.read(PARTITION, &stored(value.to_vec()), DECIDE_VERSION_NEWEST)
}

/// The command in `value`, or the code and sentence that refuse it.
fn content(reader: &CommandReader, value: &[u8]) -> Result<Command, String> {
    content_under(reader, DECIDE_VERSION_NEWEST, value)
}

/// The same to the rules of a version.
fn content_under(reader: &CommandReader, version: i64, value: &[u8]) -> Result<Command, String> {
    match reader.read(PARTITION, &stored(value.to_vec()), version).content {
        Content::Readable { command, .. } => Ok(*command),
        Content::Unreadable(rejected) => {
            Err(format!("{}: {}", rejected.code.as_str(), rejected.detail))
        }
    }
}
