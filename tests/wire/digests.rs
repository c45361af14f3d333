//! What the digests of a command depend on, and what they do not.

use crate::examples::commands;
use crate::{PARTITION, stored};
use conclave::log::{Headers, StoredCommand};
use conclave::wire::{CommandReader, encode_command};
use conclave_core::command::{Command, Payload, Role};
use conclave_core::decision::Remembered;
use conclave_core::input::Content;
use conclave_core::limits::{DECIDE_VERSION_FIRST, DECIDE_VERSION_NEWEST};
use conclave_core::units::{Hash32, Offset, TimeMs};
use std::collections::BTreeSet;

fn example() -> Command {
    commands().into_iter().find(|command| command.payload.name() == "RequestAllocation").unwrap()
}

fn digests(change: impl FnOnce(&mut Command)) -> Remembered {
    let mut command = example();
    change(&mut command);
    match CommandReader::new()
        .read(PARTITION, &stored(encode_command(&command)), DECIDE_VERSION_NEWEST)
        .content
    {
        Content::Readable { digests, .. } => digests,
        Content::Unreadable(rejected) => panic!("{}", rejected.detail),
    }
}

#[test]
fn a_retry_with_another_clock_has_the_same_digests_and_any_other_change_shows() {
    let first = digests(|_| {});
    assert_eq!(digests(|command| command.submitted_at_ms = TimeMs(-7)), first);

    let other_id = digests(|command| command.command_id = "other".into());
    assert_ne!(other_id.id_hash, first.id_hash);
    assert_eq!(other_id.payload_hash, first.payload_hash);

    let other_pool = digests(|command| command.pool = "speech".into());
    assert_ne!(other_pool.id_hash, first.id_hash);
    assert_ne!(other_pool.payload_hash, first.payload_hash);

    let changes: [fn(&mut Command); 3] = [
        |command| command.actor.user = "grace".into(),
        |command| command.actor.role = Role::Operator,
        |command| command.payload = Payload::Tick,
    ];
    for change in changes {
        let other = digests(change);
        assert_eq!(other.id_hash, first.id_hash);
        assert_ne!(other.payload_hash, first.payload_hash);
    }
}

#[test]
fn pool_and_command_id_do_not_run_into_each_other() {
    let split = |pool: &str, id: &str| {
        digests(|command| (command.pool, command.command_id) = (pool.into(), id.into())).id_hash
    };
    assert_ne!(split("ab", "c"), split("a", "bc"));
}

#[test]
fn the_input_hash_covers_everything_but_headers() {
    let hash = |partition: i64, change: &dyn Fn(&mut StoredCommand)| -> Hash32 {
        let mut stored = stored(encode_command(&example()));
        change(&mut stored);
        CommandReader::new().read(partition, &stored, DECIDE_VERSION_FIRST).input_hash
    };
    let first = hash(PARTITION, &|_| {});
    let headers = Headers::from([("traceparent", b"00-1-2-01")]);
    assert_eq!(hash(PARTITION, &|stored| stored.record.headers.clone_from(&headers)), first);

    let changes: [&dyn Fn(&mut StoredCommand); 8] = [
        &|stored| stored.offset = Offset(43),
        &|stored| stored.record.time_ms.0 += 1,
        &|stored| stored.record.key.clear(),
        &|stored| stored.record.value.push(0), // trailing byte: framed, not readable
        &|stored| stored.record.value[0] = 1,  // broken framing
        &|stored| stored.record.value[4] = 9,  // unknown schema
        &|stored| stored.record.value.truncate(3),
        &|stored| stored.record.value.clear(),
    ];
    let mut hashes: BTreeSet<Hash32> =
        changes.iter().map(|change| hash(PARTITION, change)).collect();
    hashes.extend([first, hash(PARTITION + 1, &|_| {})]);
    assert_eq!(hashes.len(), changes.len() + 2, "two different inputs have one hash");
}

#[test]
fn other_encodings_of_the_same_command_have_the_same_payload_hash() {
    // Java may write arrays in blocks that start with minus their count and their bytes.
    let command = example();
    let value = encode_command(&command);
    let models = [4, 8, b'H', b'1', b'0', b'0', 8, b'A', b'1', b'0', b'0', 0];
    let blocks = [3, 20, 8, b'H', b'1', b'0', b'0', 8, b'A', b'1', b'0', b'0', 0];
    let at = value.windows(models.len()).position(|window| window == models).unwrap();
    let again = [&value[..at], &blocks, &value[at + models.len()..]].concat();
    let reader = CommandReader::new();
    let (first, again) = [value, again]
        .map(|value| reader.read(PARTITION, &stored(value), DECIDE_VERSION_FIRST))
        .into();
    assert_eq!(first.content, again.content);
    assert_ne!(first.input_hash, again.input_hash);
}
