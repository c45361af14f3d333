//! A log whose commands bear a registry's ids is proved by the texts kept beside it, and the
//! program says which are missing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod common;

use common::{open, replay, story};
use conclave::engine::Engine;
use conclave::registry::DIRECTORY;
use conclave::wire::schemas::{COMMAND_SCHEMA, COMMAND_SCHEMAS};
use conclave::wire::{SchemaAnswer, SchemaSource, fingerprint, reframe};
use conclave_core::seat::RuleSeat;
use std::collections::BTreeMap;
use std::path::Path;

/// The id of a schema that is not ours.
const NEWER: u32 = 813;

/// A registry of three schemas.
#[derive(Debug)]
struct Listed(BTreeMap<u32, String>);

impl SchemaSource for Listed {
    fn schema(&mut self, id: u32) -> SchemaAnswer {
        self.0.get(&id).cloned().map_or(SchemaAnswer::NotFound, SchemaAnswer::Known)
    }
}

/// Our schema as a later release may have it: its datum is ours and a zero.
fn newer() -> String {
    let field = r#"{"name": "later", "type": "long", "default": 0}"#;
    let mut schema: serde_json::Value = serde_json::from_str(COMMAND_SCHEMA).unwrap();
    schema["fields"].as_array_mut().unwrap().push(serde_json::from_str(field).unwrap());
    schema.to_string()
}

/// The story as a newer writer's client sends some of it.
fn tell(data: &Path) {
    let mut commands = story();
    for (command, number) in commands.iter_mut().zip(0..) {
        if command.value[0] != 0 {
            continue;
        }
        reframe(&mut command.value, [810, 811, 812, 813]);
        if number % 3 == 2 {
            command.value[1..5].copy_from_slice(&NEWER.to_be_bytes());
            command.value.push(0);
        }
    }
    let (mut engine, _) = Engine::open(open(data), RuleSeat, 1_000_000).unwrap();
    let [first, second, ..] = COMMAND_SCHEMAS.map(str::to_owned);
    let listed = BTreeMap::from([(810, first), (811, second), (NEWER, newer())]);
    engine.ask_for_schemas(Box::new(Listed(listed)));
    engine.accept(&commands).unwrap();
    engine.run_to_end(|_| {}).unwrap();
    engine.close().unwrap();
}

#[test]
fn a_proof_takes_the_texts_that_are_kept_and_says_which_are_not() {
    let data = tempfile::tempdir().unwrap();
    tell(data.path());
    let kept = data.path().join(DIRECTORY);
    std::fs::create_dir(&kept).unwrap();
    let text = kept.join(format!("{}.avsc", fingerprint(&newer()).unwrap()));
    let missing = replay(data.path(), "verify --output json");
    assert_eq!(missing.code, 3, "{missing:?}");
    assert_eq!(missing.json()["schemas_missing"], serde_json::json!([NEWER]));
    std::fs::write(&text, newer()).unwrap();
    let whole = replay(data.path(), "verify --output json");
    assert_eq!((whole.code, &whole.json()["divergences"]), (0, &0.into()), "{whole:?}");
    std::fs::write(&text, newer().replace("later", "earlier")).unwrap();
    assert_eq!(replay(data.path(), "verify").code, 3, "a text that was changed proves nothing");
}
