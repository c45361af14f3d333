//! The stand-in speaks as Confluent's own client expects: the stock `confluent-kafka` of `PyPI`
//! says so.

use crate::registry_common::StandIn;
use conclave::wire::schemas::{COMMAND_SCHEMA, COMMAND_SCHEMA_1};
use std::path::PathBuf;
use std::process::Command;

const PACKAGE: &str = "confluent-kafka[avro,schemaregistry]==2.16.1";

/// A Python with the client; none when it cannot be had here.
fn python() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    let venv = cache.join("conclave/tools/confluent-kafka");
    let python = venv.join("bin/python");
    let import = "import confluent_kafka.schema_registry.avro";
    let runs = |program: &PathBuf, arguments: &[&str]| {
        let ended = Command::new(program).args(arguments).output();
        ended.is_ok_and(|ended| ended.status.success())
    };
    if runs(&python, &["-c", import]) {
        return Some(python);
    }
    let at = venv.to_str()?;
    let is_made = runs(&PathBuf::from("python3"), &["-m", "venv", "--clear", at])
        && runs(&venv.join("bin/pip"), &["install", "--quiet", PACKAGE]);
    (is_made && runs(&python, &["-c", import])).then_some(python)
}

#[test]
fn the_stock_client_finds_what_it_expects() {
    let Some(python) = python() else {
        // Past the harness, which keeps what a test prints to itself.
        use std::io::Write as _;
        let said = b"SKIPPED the stock registry client: pip could not install confluent-kafka\n";
        std::io::stderr().write_all(said).unwrap();
        return;
    };
    let stand_in = StandIn::start(1);
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/registry/stock_client.py");
    command.arg(script).arg(stand_in.url());
    for (name, text) in [("old.avsc", COMMAND_SCHEMA_1), ("new.avsc", COMMAND_SCHEMA)] {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        command.arg(path);
    }
    let ended = command.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{said}");
    assert_eq!(ended.stdout, b"all as expected\n");
}
