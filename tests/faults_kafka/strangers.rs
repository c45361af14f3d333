//! What others write into the topics, and what they do to the group behind our back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{ASK_MAX, Broker};
use crate::checker::sound;
use crate::load::{Load, Told, about, furnish, pools, producer, send};
use crate::raw;
use crate::site::{PARTITIONS, Site, turn};
use crate::system_common::ask;
use conclave::log::LogReader as _;
use conclave::log::kafka::KafkaReader;
use conclave::wire::{decode_decision, encode_command};
use conclave_core::decision::Outcome;
use conclave_core::units::Offset;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use std::sync::Arc;

/// Bytes of the largest record that the topics take, less what surrounds it.
const LARGE: usize = 1_048_000;

/// Writes what nobody should into partition 0, and returns how many records that were.
fn write_poison(site: &Site, producer: &ThreadedProducer<Told>) -> usize {
    let topic = site.settings.topics.commands.as_str();
    let pool = pools()[0].0.to_string();
    let good = encode_command(&about(&pools()[0], "unread", ask("unread", "t").into()));
    let mut unknown_schema = good.clone();
    unknown_schema[1..5].copy_from_slice(&77_777_u32.to_be_bytes());
    let (large, cut) = (vec![b'x'; LARGE], good[..good.len() / 2].to_vec());
    let garbage = b"\xff\xfe\x00hello".to_vec();
    let values = [garbage, unknown_schema, large, cut, vec![], vec![0, 0, 0]];
    let key = pool.as_bytes();
    for value in &values {
        producer.send(BaseRecord::to(topic).partition(0).key(key).payload(value)).unwrap();
    }
    // Without a key, without a value, without either.
    let keyless: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(0).payload(&good);
    producer.send(keyless).unwrap();
    let tombstone: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(0).key(key);
    producer.send(tombstone).unwrap();
    producer.send(BaseRecord::<[u8], [u8]>::to(topic).partition(0)).unwrap();
    // Names that are ours, and an empty one.
    let mut headers = OwnedHeaders::new();
    for key in ["command_offset", "record_time_ms", "decide_version", ""] {
        headers = headers.insert(Header { key, value: Some("-5") });
        headers = headers.insert(Header::<&str> { key, value: None });
    }
    let named = BaseRecord::to(topic).partition(0).key(key).payload(&values[0]).headers(headers);
    producer.send(named).unwrap();
    producer.flush(ASK_MAX).unwrap();
    let place = (topic, 0);
    raw::produce(&site.settings.brokers, place, (key, b"no UTF-8"), b"\xff\xfename");
    values.len() + 5
}

#[test]
fn poison_is_put_aside_and_the_rest_goes_on() {
    let Some(broker) = Broker::shared("poison_is_put_aside_and_the_rest_goes_on") else { return };
    let _turn = turn();
    let site = Arc::new(Site::make(&broker.brokers(), "poison"));
    let mut instance = site.start("one");
    let load = Load::start(&site);
    load.post_to(&[instance.url()]);
    let (told, mut count) = (Told::default(), 0);
    let producer = producer(&site, &told);
    for _ in 0..3 {
        count += write_poison(&site, &producer);
    }
    // The same command with a readable value and an unreadable header's name is a command.
    let good = encode_command(&about(&pools()[0], "odd-header", ask("odd-header", "t").into()));
    let place = (site.settings.topics.commands.as_str(), 0);
    let pool = pools()[0].0.to_string();
    let at = raw::produce(&broker.brokers(), place, (pool.as_bytes(), &good), b"\xff\xfename");
    let mut acknowledged = load.finish();
    acknowledged.extend(told.all());
    let judged = sound(&site, &acknowledged);
    assert!(judged.dead_letters() >= count as u64, "{count} and {} letters", judged.dead_letters());
    assert_eq!(decision(&site, 0, at).outcome, Outcome::Accepted);
    assert_eq!(instance.ended(), None, "{}", instance.said());
    // The rejection of a foreign schema cannot say that no registry is set.
    assert!(instance.said().contains("set url in [kafka.registry]"), "{}", instance.said());
    instance.stop();
}

/// The decision about the command at `offset`.
#[track_caller]
fn decision(site: &Site, partition: i32, offset: i64) -> conclave_core::decision::Decision {
    let reader = KafkaReader::open(&site.settings, partition).unwrap();
    let records = reader.decisions(Offset(offset), 1).unwrap();
    let decision = decode_decision(&records.first().expect("it is decided").body).unwrap();
    assert_eq!(decision.offset, Offset(offset));
    decision
}

#[test]
fn a_wrong_partitioner_is_refused_with_the_fix() {
    let Some(broker) = Broker::shared("a_wrong_partitioner_is_refused_with_the_fix") else {
        return;
    };
    let _turn = turn();
    let site = Arc::new(Site::make(&broker.brokers(), "astray"));
    let (instance, told) = (site.start("one"), Told::default());
    furnish(&site, &told);
    let mut client = site.client();
    client.set("partitioner", "consistent_random");
    let stock: ThreadedProducer<Told> = client.create_with_context(told.clone()).unwrap();
    for (number, pool) in pools().iter().enumerate() {
        send(&stock, &site, &about(pool, &format!("astray-{number}"), ask("r", "t").into()));
    }
    stock.flush(ASK_MAX).unwrap();
    let judged = sound(&site, &told.all());
    assert!(judged.dead_letters() > 0, "librdkafka's own partitioner puts some of them elsewhere");
    let mut refused = 0;
    for partition in 0..PARTITIONS {
        let reader = KafkaReader::open(&site.settings, partition).unwrap();
        for letter in reader.dead_letters(Offset(0), usize::MAX).unwrap() {
            let Outcome::Rejected(why) = decision(&site, partition, letter.offset.0).outcome else {
                panic!("a dead letter of something that was not refused")
            };
            assert_eq!(why.code.as_str(), "wrong_partition");
            assert!(why.detail.contains("murmur2_random"), "the fix is not named: {}", why.detail);
            refused += 1;
        }
    }
    assert_eq!(refused, judged.dead_letters());
    instance.stop();
}
