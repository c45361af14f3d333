//! A command as JSON. Whatever the bytes are, the answer is a command, which reads the same once
//! it is written, or an error with a position in them.
#![no_main]

use conclave::wire::json::{Defaults, JSON_BYTES_MAX, read_command, read_lines, write_command};
use conclave_core::command::{Actor, Command, Role};
use conclave_core::units::TimeMs;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static DEFAULTS: LazyLock<Defaults> = LazyLock::new(|| {
    let actor = Actor { tenant: "vision".into(), user: "ada".into(), role: Role::Tenant };
    Defaults { command_id: Some("c-1".into()), actor: Some(actor), now: TimeMs(7) }
});

fuzz_target!(|bytes: &[u8]| {
    match read_command(bytes, &DEFAULTS) {
        Ok(command) => reads_the_same(&command),
        Err(error) => {
            let lines = bytes.split(|&byte| byte == b'\n').count();
            assert!(error.line >= 1 && error.line <= lines, "{error}: of {lines} lines");
            assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
        }
    }
    for (number, command) in read_lines(bytes, &DEFAULTS) {
        match command {
            Ok(command) => reads_the_same(&command),
            Err(error) => assert_eq!(error.line, number, "{error}"),
        }
    }
});

fn reads_the_same(command: &Command) {
    let written = write_command(command);
    let again = read_command(written.as_bytes(), &Defaults::default());
    // What was left out may take more bytes than one command has.
    if written.len() <= JSON_BYTES_MAX {
        assert_eq!(again.as_ref(), Ok(command), "{written}");
    }
}
