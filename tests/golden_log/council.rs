//! What the council would have been told along the golden log: a model is trained for one table of
//! features, so neither its text nor a value may change under the same version.

#[path = "../../core/tests/features/told.rs"]
mod told;

use crate::{committed_batches, decide, is_blessing, path};
use conclave::council::feature_schema;
use conclave::fold::Folded;
use conclave::log::LogReader;
use conclave::snapshot;
use conclave::wire::{CommandReader, decode_decision};
use conclave_core::council::features::FEATURES_VERSION;
use conclave_core::decision::Decision;
use conclave_core::input::Input;
use conclave_core::limits::DECIDE_VERSION_FIRST;
use serde_json::{Value, json};
use std::fs;
use told::{Told, told_at_open, told_of_outcomes};

/// The golden log: its commands, its decisions, and the fold that each round opened on.
struct Golden {
    inputs: Vec<Input>,
    decisions: Vec<Decision>,
    openings: Vec<Folded>,
    head: String,
}

fn golden() -> Golden {
    let disk = decide(&committed_batches());
    let reader = CommandReader::new();
    let inputs = disk
        .all_commands()
        .iter()
        .map(|stored| reader.read(0, stored, DECIDE_VERSION_FIRST))
        .collect();
    let (mut folded, mut openings, mut decisions) = (Folded::nothing(0), vec![], vec![]);
    for record in disk.all_decisions() {
        let decision = decode_decision(&record.body).unwrap();
        if decision.round == decision.offset {
            openings.push(folded.clone());
        }
        folded.add(&[record]).unwrap();
        decisions.push(decision);
    }
    let head = disk.ends().unwrap().head.to_string();
    Golden { inputs, decisions, openings, head }
}

impl Golden {
    /// What is told when a round opens on `folded`.
    fn told(&self, folded: &Folded) -> Vec<Told> {
        let first = usize::try_from(folded.next().0).unwrap();
        let of_round = |decision: &&Decision| decision.round == folded.next();
        let count = self.decisions[first..].iter().take_while(of_round).count();
        told_at_open(&folded.state, &self.inputs[first..first + count])
    }
}

#[test]
fn the_council_is_told_the_same_until_the_table_has_another_version() {
    let golden = golden();
    let requests = golden.openings.iter().flat_map(|folded| golden.told(folded));
    let told: Vec<_> = requests.chain(told_of_outcomes(&golden.decisions)).collect();
    let values = told.iter().flat_map(|one| one.features.values().map(i8::cast_unsigned));
    let values: Vec<u8> = values.collect();
    let now = json!({
        "head": golden.head,
        "version": FEATURES_VERSION,
        "schema": feature_schema().0.to_string(),
        "steps": told.len(),
        "values": blake3::hash(&values).to_hex().as_str(),
    });
    let read = fs::read(path("features.json"));
    let then: Value = read.map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap());
    // A golden log that grew may say more under the same table, and under no other.
    let is_same = |field: &str| now[field] == then[field];
    let may_differ = !is_same("version") || (is_same("schema") && !is_same("head"));
    if is_blessing() && may_differ {
        fs::write(path("features.json"), format!("{now:#}\n")).unwrap();
        return;
    }
    assert_eq!(now, then, "restore the features or raise FEATURES_VERSION and bless");
}

#[test]
fn a_snapshot_tells_the_council_the_same() {
    let golden = golden();
    let mut count = 0;
    for folded in &golden.openings {
        let bytes = snapshot::encode(folded);
        let restored = snapshot::decode(&bytes, folded.next()).unwrap();
        let told = golden.told(folded);
        assert_eq!(golden.told(&restored), told, "the round at {}", folded.next());
        count += told.len();
    }
    assert!(count > 20, "only {count} requests");
}
