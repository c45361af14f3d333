//! Random bytes, damaged commands, and commands that contradict each other.

use super::check_dead_letters;
use crate::system_common::*;
use conclave::engine::Engine;
use conclave::log::{CommandRecord, Headers};
use conclave::wire::encode_command;
use conclave_core::command::{Payload, Role};
use conclave_core::invariants::check as check_invariants;
use conclave_core::seat::RuleSeat;
use conclave_core::units::{PoolId, TenantId, TimeMs};
use proptest::collection::vec;
use proptest::prelude::*;

/// `PROPTEST_CASES` streams, or as many as the ordinary suite has time for.
fn config() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(150),
    }
}

fn payloads() -> impl Strategy<Value = Payload> {
    let name = prop_oneof![Just("r1"), Just("r2"), Just(""), Just("a"), Just("t")];
    let number = prop_oneof![0..20_i64, Just(-1), any::<i64>()];
    (0..12_u8, name, number).prop_map(|(kind, name, number)| match kind {
        0 => open_log(),
        1 => set(policy()),
        2 => node(name, number, "A100"),
        3 => drain(name),
        4 => remove(name),
        5 => quota(name, 0, number.clamp(-5, 1_000)),
        6 => cancel(name),
        7 => renew(name, number, number),
        8 => shrink(name, number, number),
        9 => release(name, number),
        10 => Payload::Tick,
        _ => ask(name, "t").replicas(number).into(),
    })
}

fn values() -> impl Strategy<Value = Vec<u8>> {
    let ids = prop_oneof![Just("same"), Just("other"), Just("")];
    let roles = prop_oneof![
        4 => Just(Role::Administrator),
        2 => Just(Role::Tenant),
        1 => Just(Role::Reader),
    ];
    let pools = prop_oneof![6 => Just(None), 1 => Just(Some("q")), 1 => Just(Some(""))];
    let sound = (ids, payloads(), roles, pools).prop_map(|(id, payload, role, pool)| {
        let mut command = command(id, payload);
        command.actor.role = role;
        command.actor.tenant = TenantId::from("t");
        if let Some(pool) = pool {
            command.pool = PoolId::from(pool);
        }
        encode_command(&command)
    });
    let flips = vec((any::<prop::sample::Index>(), 0..8_u32), 0..3);
    let damaged = (sound.boxed(), flips).prop_map(|(mut value, flips)| {
        for (at, bit) in flips {
            let at = at.index(value.len());
            value[at] ^= 1 << bit;
        }
        value
    });
    let framed = vec(any::<u8>(), 0..80).prop_map(|tail| [vec![0, 0, 0, 0, 1], tail].concat());
    prop_oneof![8 => damaged, 1 => vec(any::<u8>(), 0..80), 2 => framed]
}

fn records() -> impl Strategy<Value = CommandRecord> {
    let keys = prop_oneof![
        8 => Just(b"p".to_vec()),
        3 => Just(vec![]),
        1 => vec(any::<u8>(), 0..200),
    ];
    let times = prop_oneof![
        6 => 0..1_000_000_i64,
        2 => 0..400_000_000_i64,
        1 => any::<i64>(),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX)],
    ];
    let headers = vec((".{0,8}", vec(any::<u8>(), 0..20)), 0..3);
    (times, keys, values(), headers).prop_map(|(time_ms, key, value, extra)| {
        let mut headers = Headers::from([("correlation_id", b"who-asked")]);
        let taken = ["correlation_id", "rejection_code", "rejection_detail", "command_offset"];
        let extra = extra.into_iter().filter(|(name, _)| !taken.contains(&name.as_str()));
        extra.for_each(|(name, value)| headers.push(&name, &value));
        CommandRecord { time_ms: TimeMs(time_ms), key, value, headers }
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_stream_of_records_is_decided_one_by_one_and_verifies(
        records in vec(records(), 1..150),
        is_open in prop::bool::weighted(0.9),
    ) {
        let mut partition =
            if is_open { Partition::with_a_pool() } else { Partition::empty() };
        let decisions = partition.records(&records);
        let sent: Vec<_> = records.iter().zip(&decisions).collect();
        check_dead_letters(&partition, &sent);
        check_invariants(&partition.engine.folded().state);
        let (again, _) = Engine::open(partition.disk.clone(), RuleSeat, NO_SNAPSHOT).unwrap();
        prop_assert_eq!(again.folded(), partition.engine.folded());
        let report = partition.disk.verify();
        prop_assert!(report.is_clean(), "{:?}", report);
    }
}
