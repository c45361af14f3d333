//! A record of the command log. Whatever its value is, it is read as a command, which reads the
//! same once it is written, or as one that cannot be read; and twice in the same way.
#![no_main]

use conclave::log::{CommandRecord, Headers, StoredCommand};
use conclave::wire::{CommandReader, encode_command, init};
use conclave_core::input::Content;
use conclave_core::units::{Offset, TimeMs};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static READER: LazyLock<CommandReader> = LazyLock::new(CommandReader::new);

fuzz_target!(init: init(), |value: &[u8]| {
    let content = read(value.to_vec());
    assert_eq!(content, read(value.to_vec()), "one value was read in two ways");
    if let Content::Readable { command, digests } = content {
        let again = Content::Readable { command: command.clone(), digests };
        assert_eq!(read(encode_command(&command)), again, "it was written as something else");
    }
});

fn read(value: Vec<u8>) -> Content {
    let (time_ms, key) = (TimeMs(1_700_000_000_123), b"vision".to_vec());
    let record = CommandRecord { time_ms, key, value, headers: Headers::new() };
    READER.read(3, &StoredCommand { offset: Offset(42), record }).content
}
