//! Whatever is sent, there is exactly one decision about it, it says what is wrong, the original
//! bytes are kept when their sender has to mend something, and the log stays sound.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[path = "bad_input/damage.rs"]
mod damage;
#[path = "bad_input/random.rs"]
mod random;
mod system_common;

use conclave::engine::Engine;
use conclave::log::CommandRecord;
use conclave::telemetry::Correlation;
use conclave::wire::{COMMAND_BYTES_MAX, encode_command};
use conclave_core::command::{ActivateDecider, Command, OpenLog, Payload, RequestAllocation, Role};
use conclave_core::decision::{Decision, Event, Outcome};
use conclave_core::limits::{ID_BYTES_MAX, TIME_MS_MAX};
use conclave_core::rejection::RejectionCode as Code;
use conclave_core::seat::RuleSeat;
use conclave_core::units::{CommandId, DurationMs, GpuMilli, PoolId, TenantId, TimeMs};
use system_common::*;

/// Bytes before the datum: a zero byte and the schema's id.
const FRAME_BYTES: usize = 5;

/// Sends `record` to `partition` and compares the refusal: its code, what its detail says, and
/// whether the original bytes are kept. Afterwards the partition goes on and its log verifies.
#[track_caller]
fn check(mut partition: Partition, record: CommandRecord, code: Code, detail: &str) {
    let decision = partition.record(record.clone());
    check_refusal(&decision, code, detail);
    check_dead_letters(&partition, &[(&record, &decision)]);
    check_alive(&mut partition);
}

#[track_caller]
fn check_refusal(decision: &Decision, code: Code, detail: &str) {
    let Outcome::Rejected(rejected) = &decision.outcome else {
        panic!("not refused but {:?}", decision.outcome);
    };
    assert_eq!(rejected.code, code, "{}", rejected.detail);
    assert!(rejected.detail.contains(detail), "'{}' does not say '{detail}'", rejected.detail);
}

/// The dead letters are exactly the refused records whose code asks for it, byte for byte, with
/// headers that say why.
#[track_caller]
fn check_dead_letters(partition: &Partition, sent: &[(&CommandRecord, &Decision)]) {
    let mut letters = partition.disk.all_dead_letters().into_iter();
    for (record, decision) in sent {
        let Outcome::Rejected(rejected) = &decision.outcome else { continue };
        if !rejected.code.is_dead_letter() {
            continue;
        }
        let letter = letters.next().expect("a refusal of this code keeps the original bytes");
        assert_eq!(letter.offset, decision.offset);
        assert_eq!((&letter.key, &letter.value), (&record.key, &record.value));
        let header = |name: &str| {
            let found = letter.headers.iter().find(|(found, _)| *found == name);
            let (_, value) = found.unwrap_or_else(|| panic!("a dead letter without {name}"));
            String::from_utf8(value.to_vec()).unwrap()
        };
        assert_eq!(header("correlation_id"), "who-asked");
        // The command is the cause, by its name or by its place; the trace is its decision's.
        let (envelope, malformed) = Correlation::parse(&letter.headers);
        let decided = partition.disk.all_decisions();
        let decided = decided.iter().find(|decided| decided.offset == letter.offset).unwrap();
        assert_eq!((envelope, malformed), Correlation::parse(&decided.headers));
        assert_eq!(header("rejection_code"), rejected.code.as_str());
        assert_eq!(header("rejection_detail"), rejected.detail);
        assert_eq!(header("command_offset"), decision.offset.to_string());
    }
    assert_eq!(letters.next(), None, "a dead letter of something that is no dead letter");
}

/// The partition still grants, and every byte of its log can be computed again.
#[track_caller]
fn check_alive(partition: &mut Partition) {
    let is_open = !partition.engine.folded().state.pools.is_empty();
    if is_open {
        let decision = partition.send(0, ask("afterwards", "u").slice(1).cpu_only(0).into());
        assert_eq!(decision.outcome, Outcome::Accepted);
    }
    let (again, _) = Engine::open(partition.disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap();
    assert_eq!(again.folded(), partition.engine.folded(), "the log cannot be taken up again");
    let report = partition.disk.verify();
    let decisions = partition.disk.all_decisions().len();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.decisions, u64::try_from(decisions).unwrap());
    assert_eq!(decisions, partition.disk.all_commands().len());
}

fn pool() -> Partition {
    Partition::with_a_pool()
}

/// The bytes of a sound request.
fn sound() -> Vec<u8> {
    encode_command(&command("sound", ask("r", "t").into()))
}

fn asking(change: impl FnOnce(&mut RequestAllocation)) -> CommandRecord {
    let mut asked = ask("r", "t").0;
    change(&mut asked);
    record(0, &command("bad", Payload::RequestAllocation(asked)))
}

// Bytes that are no command.

#[test]
fn an_empty_body() {
    check(pool(), bytes(0, b"p", vec![]), Code::Unreadable, "0 bytes");
}

#[test]
fn a_body_cut_anywhere() {
    for length in 0..sound().len() {
        let expected = if length < FRAME_BYTES { "the framing alone" } else { "" };
        check(pool(), bytes(0, b"p", sound()[..length].to_vec()), Code::Unreadable, expected);
    }
}

#[test]
fn bytes_behind_the_command() {
    for extra in 1..4 {
        let value = [sound(), vec![0; extra]].concat();
        check(
            pool(),
            bytes(0, b"p", value),
            Code::Unreadable,
            &format!("bytes trail the value: {extra}"),
        );
    }
}

#[test]
fn a_wrong_magic_byte() {
    for magic in [1, 0x7b, 0xff] {
        let mut value = sound();
        value[0] = magic;
        check(pool(), bytes(0, b"p", value), Code::Unreadable, &format!("byte {magic}, not 0"));
    }
}

#[test]
fn an_unknown_schema_id() {
    for id in [0_u32, 5, u32::MAX] {
        let mut value = sound();
        value[1..FRAME_BYTES].copy_from_slice(&id.to_be_bytes());
        check(pool(), bytes(0, b"p", value), Code::UnknownSchema, &format!("schema {id}"));
    }
}

#[test]
fn a_branch_or_a_role_of_the_future_or_of_nonsense() {
    let mut value = encode_command(&command("t", Payload::Tick));
    // A tick has no fields: the last byte is its branch, zigzag-encoded.
    let branch = value.len() - 1;
    assert_eq!(value[branch], 2 * 2, "Tick is branch 2");
    for number in [13, 14, 63, -1] {
        value[branch] = u8::try_from(if number < 0 { 1 } else { number * 2 }).unwrap();
        check(pool(), bytes(0, b"", value.clone()), Code::Unreadable, "");
    }
    let mut value = sound();
    let user = value.windows(8).position(|bytes| bytes == b"somebody").unwrap();
    let role = user + 8;
    value[role] = 9 * 2;
    check(pool(), bytes(0, b"p", value), Code::Unreadable, "");
}

#[test]
fn text_that_is_not_utf_8() {
    let mut value = sound();
    let at = value.windows(5).position(|bytes| bytes == b"sound").unwrap();
    value[at] = 0xff;
    check(pool(), bytes(0, b"p", value), Code::Unreadable, "");
}

#[test]
fn a_length_that_promises_more_than_there_is() {
    for promised in [&[0xfe, 0xff, 0xff, 0xff, 0x0f][..], &[0x01], &[0xff; 10]] {
        let value = [&sound()[..FRAME_BYTES], promised].concat();
        check(pool(), bytes(0, b"p", value), Code::Unreadable, "");
    }
}

#[test]
fn a_body_that_is_too_long() {
    for length in [COMMAND_BYTES_MAX + 1, 1024 * 1024, 4 * 1024 * 1024] {
        let expected = format!("{length} bytes; at most {COMMAND_BYTES_MAX}");
        check(pool(), bytes(0, b"p", vec![0; length]), Code::Unreadable, &expected);
    }
}

#[test]
fn a_round_of_bodies_of_one_mebibyte_each() {
    let mut partition = pool();
    let records = vec![bytes(0, b"p", vec![7; 1024 * 1024]); 70];
    let decisions = partition.records(&records);
    decisions.iter().for_each(|decision| check_refusal(decision, Code::Unreadable, "1048576"));
    let sent: Vec<_> = records.iter().zip(&decisions).collect();
    check_dead_letters(&partition, &sent);
    check_alive(&mut partition);
}

// Numbers and names.

#[test]
fn negative_and_huge_numbers() {
    for number in [i64::MIN, -1, i64::MAX] {
        let said = number.to_string();
        for record in [
            asking(|ask| ask.replicas = number),
            asking(|ask| ask.gpu_count = number),
            asking(|ask| ask.gpu_milli = GpuMilli(number)),
            asking(|ask| ask.expected_duration_ms = DurationMs(number)),
            asking(|ask| ask.priority = number),
            asking(|ask| ask.deadline_ms = Some(TimeMs(number))),
            record(0, &command("bad", renew("r", 0, number))),
            record(0, &command("bad", shrink("r", 0, number))),
            record(0, &command("bad", node("n", number, "A100"))),
        ] {
            check(pool(), record, Code::OutOfRange, &said);
        }
    }
}

#[test]
fn a_fencing_number_from_nowhere() {
    for number in [i64::MIN, -1, i64::MAX] {
        let mut partition = pool();
        partition.send(0, ask("r", "t").into());
        let bad = record(0, &command("bad", release("r", number)));
        check(partition, bad, Code::StaleFencing, &number.to_string());
    }
}

#[test]
fn a_gang_larger_than_the_pool() {
    check(pool(), asking(|ask| ask.replicas = 9), Code::ExceedsPool, "9 replicas");
}

#[test]
fn a_slice_of_more_than_one_gpu() {
    check(pool(), asking(|ask| ask.gpu_milli = GpuMilli(1_001)), Code::OutOfRange, "1001");
}

#[test]
fn an_unknown_pool() {
    let elsewhere = Command { pool: PoolId::from("q"), ..command("bad", ask("r", "t").into()) };
    check(pool(), record(0, &elsewhere), Code::UnknownPool, "pool 'q'");
}

#[test]
fn an_unknown_tenant() {
    let mut bad = command("bad", ask("r", "x").into());
    check(pool(), record(0, &bad), Code::UnknownTenant, "tenant 'x'");
    bad.actor.role = Role::Administrator;
    check(pool(), record(0, &bad), Code::UnknownTenant, "tenant 'x'");
}

#[test]
fn ids_that_are_too_long_or_missing() {
    let long = "x".repeat(ID_BYTES_MAX + 1);
    let sound = command("bad", ask("r", "t").into());
    for (bad, field) in [
        (
            Command { command_id: CommandId::from(long.clone()), ..sound.clone() },
            "command_id has 129",
        ),
        (Command { command_id: CommandId::default(), ..sound.clone() }, "command_id is empty"),
        (Command { pool: PoolId::from(long.clone()), ..sound.clone() }, "pool has 129"),
        (command("bad", ask(&long, "t").into()), "request has 129"),
        (command("bad", ask("", "t").into()), "request is empty"),
        (command("bad", ask("r", &long).into()), "tenant has 129"),
        (command("bad", ask("r", "t").on(&[&long]).into()), "gpu_models has 129"),
        (command("bad", ask(&"x".repeat(200_000), "t").into()), "request has 200000"),
    ] {
        check(pool(), record(0, &bad), Code::OutOfRange, field);
    }
}

#[test]
fn an_id_of_the_greatest_length_in_any_script() {
    let id = "é".repeat(ID_BYTES_MAX / 2);
    let mut partition = pool();
    let decision = partition.send(0, ask(&id, "t").into());
    assert_eq!((decision.outcome, decision.request.0), (Outcome::Accepted, id.into()));
    check_alive(&mut partition);
}

// Keys and partitions.

#[test]
fn a_wrong_key() {
    for key in [&b""[..], b"q", b"p ", b"P", &[0xff, 0xfe], &[b'k'; 70_000]] {
        check(pool(), bytes(0, key, sound()), Code::WrongKey, "has to be the pool, 'p'");
    }
}

#[test]
fn a_log_command_about_a_pool_and_a_pools_command_about_none() {
    let tick = Command { pool: PoolId::from(POOL), ..command("bad", Payload::Tick) };
    check(pool(), record(0, &tick), Code::WrongKey, "only log commands");
    let nowhere = Command { pool: PoolId::default(), ..command("bad", ask("r", "t").into()) };
    check(pool(), record(0, &nowhere), Code::WrongKey, "only log commands");
}

#[test]
fn a_pool_of_another_partition() {
    let mut partition = Partition::empty();
    let Payload::OpenLog(open) = open_log() else { unreachable!() };
    partition.send(0, Payload::OpenLog(OpenLog { partition_count: 2, ..open }));
    let home = |name: &str| conclave_core::partition::home_partition(&PoolId::from(name), 2);
    let foreign = (0..).map(|index| format!("pool-{index}")).find(|name| home(name) == 1).unwrap();
    let bad = Command { pool: PoolId::from(foreign), ..command("bad", set(policy())) };
    check(partition, record(0, &bad), Code::WrongPartition, "lives in partition 1, not 0");
}

// Said before, or by somebody else.

#[test]
fn a_duplicate_node() {
    check(pool(), record(0, &command("bad", node("a", 1, "T4"))), Code::DuplicateNode, "'a'");
}

#[test]
fn a_duplicate_command_id() {
    let mut partition = pool();
    let first = command("same", ask("r", "t").into());
    let answered = partition.record(record(0, &first));
    let again = partition.record(record(5, &Command { submitted_at_ms: TimeMs(5), ..first }));
    let Outcome::Duplicate(duplicate) = again.outcome else { panic!("{again:?}") };
    assert_eq!((duplicate.first_offset, again.events), (answered.offset, vec![]));
    let other = record(5, &command("same", ask("other", "t").into()));
    check(partition, other, Code::IdReused, &format!("offset {}", answered.offset));
}

#[test]
fn a_stale_fencing_number() {
    let mut partition = pool();
    partition.send(0, ask("r", "t").into());
    let stale = partition.fencing("r");
    partition.send(0, renew("r", stale, HOUR));
    for payload in [release("r", stale), renew("r", stale, HOUR), shrink("r", stale, 1)] {
        let decision = partition.send(0, payload);
        check_refusal(&decision, Code::StaleFencing, &format!("fencing {stale}"));
    }
    check_alive(&mut partition);
}

#[test]
fn a_renewal_after_expiry() {
    let mut partition = pool();
    partition.send(0, ask("r", "t").into());
    let late = renew("r", partition.fencing("r"), HOUR);
    check(partition, record(HOUR + MINUTE, &command("bad", late)), Code::UnknownRequest, "'r'");
}

#[test]
fn a_release_of_somebody_elses_lease() {
    let mut partition = pool();
    partition.send(0, ask("r", "t").into());
    let mut theft = command("bad", release("r", partition.fencing("r")));
    theft.actor.role = Role::Tenant;
    theft.actor.tenant = TenantId::from("u");
    check(partition, record(0, &theft), Code::NotPermitted, "not of tenant 'u'");
}

#[test]
fn an_order_from_somebody_who_may_not_give_it() {
    for (role, payload) in [
        (Role::Reader, ask("r", "t").into()),
        (Role::Tenant, node("n", 1, "T4")),
        (Role::Operator, Payload::ActivateDecider(ActivateDecider { version: 1 })),
    ] {
        let mut bad = command("bad", payload);
        (bad.actor.role, bad.actor.tenant) = (role, TenantId::from("t"));
        check(pool(), record(0, &bad), Code::NotPermitted, "needs the role");
    }
}

// Time, and the beginning of a log.

#[test]
fn time_that_goes_backwards_or_to_its_ends() {
    let mut partition = pool();
    let mut now = TimeMs(0);
    for (time_ms, expected) in [
        (HOUR, HOUR),
        (HOUR - 1, HOUR),
        (0, HOUR),
        (-1, HOUR),
        (i64::MIN, HOUR),
        (HOUR + 1, HOUR + 1),
        (i64::MAX, TIME_MS_MAX.0),
        (0, TIME_MS_MAX.0),
    ] {
        let decision = partition.send(time_ms, ask(&format!("at {now}"), "t").into());
        now = decision.time_ms;
        assert_eq!(now, TimeMs(expected), "a record of {time_ms}");
    }
    check_alive(&mut partition);
}

#[test]
fn a_record_before_the_log_is_open() {
    for bad in [
        command("bad", Payload::Tick),
        command("bad", set(policy())),
        command("bad", ask("r", "t").into()),
    ] {
        check(Partition::empty(), record(0, &bad), Code::LogNotOpen, "send OpenLog first");
    }
    check(Partition::empty(), bytes(0, b"", vec![]), Code::Unreadable, "");
    let Payload::OpenLog(open) = open_log() else { unreachable!() };
    let nowhere = Payload::OpenLog(OpenLog { partition_count: 0, ..open });
    let mut partition = Partition::empty();
    check_refusal(&partition.send(0, nowhere), Code::OutOfRange, "partition_count");
    let opened = partition.send(0, open_log());
    assert!(matches!(opened.events[..], [Event::LogOpened(_)]), "{opened:?}");
}

#[test]
fn a_log_that_is_opened_twice() {
    let again = record(0, &command("bad", open_log()));
    check(pool(), again, Code::LogAlreadyOpen, "belongs to log story already");
}

#[test]
fn everything_at_once() {
    let mut partition = pool();
    let mut records = vec![];
    for length in 0..sound().len() {
        records.push(bytes(0, b"p", sound()[..length].to_vec()));
        records.push(record(0, &command(&format!("c{length}"), cancel("nobody"))));
        records.push(asking(|ask| ask.replicas = -1));
    }
    let decisions = partition.records(&records);
    let sent: Vec<_> = records.iter().zip(&decisions).collect();
    check_dead_letters(&partition, &sent);
    check_alive(&mut partition);
}
