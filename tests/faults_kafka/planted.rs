//! That the judge would have seen it: topics as three bugs would leave them, written by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{ASK_MAX, Broker};
use crate::checker::{Judged, judge};
use crate::site::{PARTITIONS, Site, turn};
use crate::stored::Stored;
use crate::stream::random_partition;
use crate::system_common::{ask, command};
use conclave::log::kafka::settings::{KafkaSettings, TopicNames};
use conclave::log::kafka::{COMMAND_OFFSET, RECORD_TIME_MS};
use conclave::log::{DecisionRecord, Headers};
use conclave::validate::{Acknowledged, Rule};
use conclave::wire::{CommandReader, decode_decision, encode_command};
use conclave_core::decision::{Decision, Outcome};
use conclave_core::input::Content;
use conclave_core::limits::DECIDE_VERSION_FIRST;
use conclave_core::units::Offset;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

/// Of decisions before and behind what is planted.
const COUNT: usize = 200;

fn record(
    producer: &BaseProducer,
    topic: &str,
    (key, value): (&[u8], &[u8]),
    headers: &Headers,
    (own, number): (&str, i64),
) {
    let mut kafka = OwnedHeaders::new();
    for (key, value) in headers.iter() {
        kafka = kafka.insert(Header { key, value: Some(value) });
    }
    let number = number.to_string();
    kafka = kafka.insert(Header { key: own, value: Some(number.as_bytes()) });
    let record = BaseRecord::to(topic).partition(0).key(key).payload(value).headers(kafka);
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

/// Writes topics by hand, and has the judge look at them. Every command was acknowledged.
fn judged(broker: &Broker, name: &str, stored: &Stored) -> Judged {
    let topics = TopicNames::prefixed(name);
    for topic in [&topics.commands, &topics.decisions, &topics.dead_letters] {
        broker.create_topic(topic, PARTITIONS, &[]);
    }
    let producer: BaseProducer = broker.client().set("acks", "all").create().unwrap();
    for command in &stored.commands {
        let (sent, time) = (&command.record, command.record.time_ms.0);
        let pair = (sent.key.as_slice(), sent.value.as_slice());
        record(&producer, &topics.commands, pair, &sent.headers, (RECORD_TIME_MS, time));
    }
    for decision in &stored.decisions {
        let value = [&[0; 5], decision.body.as_slice()].concat();
        let own = (COMMAND_OFFSET, decision.offset.0);
        record(&producer, &topics.decisions, (b"p", &value), &decision.headers, own);
    }
    for letter in &stored.letters {
        let (pair, own) = ((&*letter.key, &*letter.value), (COMMAND_OFFSET, letter.offset.0));
        record(&producer, &topics.dead_letters, pair, &letter.headers, own);
    }
    producer.flush(ASK_MAX).unwrap();
    let settings = KafkaSettings { topics, ..KafkaSettings::plain(&broker.brokers()) };
    let acknowledged = stored.commands.iter().map(|command| command.offset);
    let acknowledged = acknowledged.map(|offset| Acknowledged::At { partition: 0, offset });
    judge(&Site::of(settings), &acknowledged.collect::<Vec<_>>())
}

fn decided(record: &DecisionRecord) -> Decision {
    decode_decision(&record.body).unwrap()
}

#[test]
fn the_judge_finds_nothing_where_nothing_is() {
    let Some(broker) = Broker::shared("the_judge_finds_nothing_where_nothing_is") else { return };
    let _turn = turn();
    let judged = judged(broker, "planted.nothing", &Stored::of(&random_partition(3, COUNT)));
    assert!(
        judged.reports.iter().all(|report| report.finding_count() == 0),
        "{:#?}",
        judged.reports
    );
    assert!(judged.is_proved(), "{:#?}", judged.proofs);
}

/// The second sending of a command is decided as if it were another one.
#[test]
fn the_judge_sees_that_deduplication_was_skipped() {
    let Some(broker) = Broker::shared("the_judge_sees_that_deduplication_was_skipped") else {
        return;
    };
    let _turn = turn();
    let mut partition = crate::system_common::Partition::with_a_pool();
    partition.send(1, ask("once", "t").into());
    partition.send(2, ask("twice", "t").into());
    let mut stored = Stored::of(&partition);
    let last = stored.commands.len() - 1;
    // What was asked under an id of its own bears the id of what was asked before.
    let id = decided(&stored.decisions[last - 1]).command_id;
    let again = command(&id.0, ask("twice", "t").into());
    stored.commands[last].record.value = encode_command(&again);
    let input = CommandReader::new();
    let input = input.read(0, &stored.commands[last], DECIDE_VERSION_FIRST);
    let Content::Readable { digests, .. } = input.content else { panic!("it can be read") };
    stored.change(last, |decision| {
        decision.command_id = id.clone();
        decision.remembered = Some(digests);
        decision.input_hash = input.input_hash;
    });
    assert_eq!(decided(&stored.decisions[last]).outcome, Outcome::Accepted);
    let judged = judged(broker, "planted.dedup", &stored);
    assert!(judged.count(Rule::Once) > 0, "{:#?}", judged.reports);
    assert!(!judged.is_proved(), "{:#?}", judged.proofs);
}

/// Offsets were committed, the process died before it sent the decisions, and its successor went on
/// behind them.
#[test]
fn the_judge_sees_that_offsets_were_committed_before_sending() {
    let name = "the_judge_sees_that_offsets_were_committed_before_sending";
    let Some(broker) = Broker::shared(name) else { return };
    let _turn = turn();
    let mut stored = Stored::of(&random_partition(5, COUNT));
    let from = stored.round_end(COUNT / 2);
    let to = stored.round_end(from + 1);
    let lost = Offset(i64::try_from(from).unwrap())..Offset(i64::try_from(to).unwrap());
    stored.decisions.retain(|decision| !lost.contains(&decision.offset));
    stored.letters.retain(|letter| !lost.contains(&letter.offset));
    stored.link();
    let judged = judged(broker, "planted.offsets", &stored);
    let count = (to - from) as u64;
    assert_eq!(judged.count(Rule::Acknowledged), count, "{:#?}", judged.reports);
    assert!(judged.count(Rule::Completeness) > 0, "{:#?}", judged.reports);
    assert!(!judged.is_proved(), "{:#?}", judged.proofs);
}

/// One that was fenced off writes its last round beside its successor's, which goes on.
#[test]
fn the_judge_sees_that_a_fence_was_ignored() {
    let Some(broker) = Broker::shared("the_judge_sees_that_a_fence_was_ignored") else { return };
    let _turn = turn();
    let mut stored = Stored::of(&random_partition(7, COUNT));
    let from = stored.round_end(COUNT / 2);
    let to = stored.round_end(from + 1);
    let late: Vec<_> = stored.decisions[from..to].to_vec();
    let behind = stored.round_end(to + 20);
    stored.decisions.splice(behind..behind, late);
    let judged = judged(broker, "planted.fence", &stored);
    let count = (to - from) as u64;
    assert!(judged.count(Rule::Completeness) >= count, "{:#?}", judged.reports);
    assert!(!judged.is_proved(), "{:#?}", judged.proofs);
}
