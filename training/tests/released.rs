//! What was released can be voted with: every council in `models/` is read and proved, means the
//! features of today, and has a card of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use conclave_core::council::{CouncilFile, FastCouncil, self_test};
use conclave_training::export::{model_id, schema};
use std::path::Path;

#[test]
fn every_released_council_can_be_voted_with_and_has_its_card() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "council"));
    assert!(!paths.is_empty(), "no council was released");
    for path in paths {
        let read = CouncilFile::read(&std::fs::read(&path).unwrap(), model_id).unwrap();
        let council = read.council();
        assert_eq!(council.parts().schema, schema(), "{}: train it anew", path.display());
        self_test(&FastCouncil::new(council), council, read.golden()).unwrap();
        let card = std::fs::read_to_string(path.with_extension("md")).unwrap();
        let id = format!("`{}`", read.id().0);
        assert!(card.contains(&id), "the card of {} is another's", path.display());
    }
}
