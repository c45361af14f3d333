//! What the scripts under `dev/` say to whoever mistypes.

use std::process::Command;

#[test]
fn a_service_that_there_is_not_is_named_with_those_that_there_are() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/dev/services");
    let ended = Command::new(script).args(["up", "redis", "kafak"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("'kafak'") && !said.contains("Docker"), "{said}");
    for known in ["kafka", "registry", "neo4j", "redis", "prometheus", "conclave"] {
        assert!(said.split(' ').any(|word| word.trim() == known), "{known} in {said}");
    }
    assert!(ended.stdout.is_empty(), "nothing is started");
}
