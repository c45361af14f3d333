//! Golden bytes: `tests/golden/avro/*.json` hold one value each, its bytes and its digests. They
//! are written by `CONCLAVE_BLESS=1 cargo test --test wire golden` and checked here, and by
//! `dev/golden-avro` against an Avro implementation and a BLAKE3 that are not ours.

use crate::examples::{commands, decisions};
use crate::{PARTITION, read};
use conclave::wire::schemas::{
    COMMAND_SCHEMA, COMMAND_SCHEMA_1, COMMAND_SCHEMA_2, COMMAND_SCHEMA_3, DECISION_SCHEMA,
};
use conclave::wire::{
    CommandReader, admit, body_hash, decode_decision, encode_command, encode_decision,
};
use conclave_core::input::Content;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

fn check(name: &str, golden: &Value) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/avro");
    let path = folder.join(format!("{name}.json"));
    if std::env::var_os("CONCLAVE_BLESS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        fs::write(&path, format!("{golden:#}\n")).unwrap();
    }
    let stored = fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let stored: Value = serde_json::from_slice(&stored).unwrap();
    assert_eq!(&stored, golden, "{name}: released bytes must not change");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Digests as hexadecimal text instead of arrays of numbers.
fn for_people(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| match value {
                Value::Array(bytes) if name.ends_with("_hash") => {
                    let bytes = bytes.iter().map(|byte| u8::try_from(byte.as_u64().unwrap()));
                    let bytes: Vec<u8> = bytes.collect::<Result<_, _>>().unwrap();
                    (name, hex(&bytes).into())
                }
                value => (name, for_people(value)),
            });
            fields.collect()
        }
        Value::Array(items) => items.into_iter().map(for_people).collect(),
        value => value,
    }
}

#[test]
fn every_command_has_its_golden_bytes_and_digests() {
    let reader = CommandReader::new();
    for command in commands() {
        let value = encode_command(&command);
        let input = read(&reader, &value);
        let Content::Readable { command: read, digests } = input.content else {
            panic!("{command:?} cannot be read back");
        };
        assert_eq!(*read, command);
        let golden = json!({
            "record": "Command",
            "partition": PARTITION,
            "offset": input.offset,
            "time_ms": input.time_ms,
            "key": String::from_utf8(input.key).unwrap(),
            "value": for_people(serde_json::to_value(&command).unwrap()),
            "bytes": hex(&value),
            "input_hash": input.input_hash.to_string(),
            "id_hash": digests.id_hash.to_string(),
            "payload_hash": digests.payload_hash.to_string(),
        });
        check(&format!("command.{}", command.payload.name()), &golden);
    }
}

#[test]
fn every_event_and_outcome_has_its_golden_bytes() {
    for (name, decision) in decisions() {
        let body = encode_decision(&decision);
        assert_eq!(decode_decision(&body).unwrap(), decision, "{name}");
        let golden = json!({
            "record": "Decision",
            "value": for_people(serde_json::to_value(&decision).unwrap()),
            "bytes": hex(&body),
            "body_hash": body_hash(&body).to_string(),
        });
        check(&format!("decision.{name}"), &golden);
    }
}

#[test]
fn schemas_have_their_golden_fingerprints() {
    let command = admit(COMMAND_SCHEMA).unwrap().fingerprint();
    let decision = apache_avro::Schema::parse_str(DECISION_SCHEMA).unwrap().canonical_form();
    let decision = body_hash(decision.as_bytes());
    let first = admit(COMMAND_SCHEMA_1).unwrap().fingerprint();
    let second = admit(COMMAND_SCHEMA_2).unwrap().fingerprint();
    let third = admit(COMMAND_SCHEMA_3).unwrap().fingerprint();
    let golden = json!({
        "command": command.to_string(),
        "command-1": first.to_string(),
        "command-2": second.to_string(),
        "command-3": third.to_string(),
        "decision": decision.to_string(),
    });
    check("fingerprints", &golden);
}
