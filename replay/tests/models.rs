//! A log that networks voted in is proved with their file, wherever it is; without it the program
//! says what is missing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod common;
#[path = "../../tests/system_common/council.rs"]
mod council;

use common::{open, operator, replay, story};
use conclave::council::{CouncilSeat, Models, keep};
use conclave::engine::Engine;
use conclave_core::command::{ActivateCouncil, ActivateDecider, Payload};
use conclave_core::council::ModelId;

#[test]
fn votes_are_computed_again_with_the_councils_file() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("log");
    let ModelId(model) = keep(&council::write(dir.path()), &data).unwrap();
    let seat = CouncilSeat::new(Models::beside(&data));
    let mut commands = story();
    let version = Payload::ActivateDecider(ActivateDecider { version: 2 });
    let model = Payload::ActivateCouncil(ActivateCouncil { model: model.to_string() });
    let seated = [operator(0, "version", version), operator(0, "council", model)];
    commands.splice(1..1, seated);
    let (mut engine, _) = Engine::open(open(&data), seat, 1_000_000).unwrap();
    engine.accept(&commands).unwrap();
    engine.run_to_end(|_| {}).unwrap();
    engine.close().unwrap();

    let whole = replay(&data, "verify --output json");
    assert_eq!((whole.code, &whole.json()["verdict"]), (0, &"clean".into()), "{whole:?}");
    let elsewhere = dir.path().join("elsewhere");
    std::fs::rename(data.join("models"), &elsewhere).unwrap();
    let missing = replay(&data, "verify --output json");
    assert_eq!(missing.code, 3, "{missing:?}");
    let said = missing.json()["councils_missing"][0].to_string();
    assert!(said.contains("put it there"), "{said}");
    let found = replay(&data, &format!("verify --models {} --output json", elsewhere.display()));
    assert_eq!(found.code, 0, "{found:?}");
    let file = std::fs::read_dir(&elsewhere).unwrap().next().unwrap().unwrap().path();
    // A directory that was named is looked through: the digest counts, not the name.
    let renamed = elsewhere.join("as-it-was-downloaded.council");
    std::fs::rename(&file, &renamed).unwrap();
    let found = replay(&data, &format!("verify --models {}", elsewhere.display()));
    assert_eq!(found.code, 0, "{found:?}");
    std::fs::rename(&renamed, &file).unwrap();
    for no_directory in [dir.path().join("nowhere"), file.clone()] {
        let refused = replay(&data, &format!("verify --models {}", no_directory.display()));
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{refused:?}");
        assert!(refused.err.contains("is no directory: name the one that holds"), "{refused:?}");
    }
    // Another file under its name proves nothing.
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let changed = replay(&data, &format!("verify --models {}", elsewhere.display()));
    assert_eq!(changed.code, 3, "{changed:?}");
    assert!(changed.out.contains("council"), "{changed:?}");
}
