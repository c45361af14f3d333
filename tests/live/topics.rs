//! That topics are made as their files say, opened once, and told apart when they are not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{ASK_MAX, Broker};
use conclave::error::ErrorKind;
use conclave::log::kafka::settings::{KafkaSettings, TopicNames};
use conclave::log::kafka::topics::{self, Applied, Harm, Wish};
use conclave_core::command::TimeSource;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

const LIVE: Wish = Wish { source: TimeSource::LogAppend, partitions: Some(3), replication: None };

fn settings(broker: &Broker, prefix: &str) -> KafkaSettings {
    KafkaSettings {
        topics: TopicNames::prefixed(prefix),
        ..KafkaSettings::plain(&broker.brokers())
    }
}

/// What is wrong and harmful: topic without prefix, and setting.
#[track_caller]
fn check_harm(settings: &KafkaSettings, source: TimeSource, wanted: &[(&str, &str)]) {
    let differences = topics::check(settings, source).unwrap();
    let harmful = differences.iter().filter(|difference| difference.harm == Harm::Decisions);
    let found: Vec<_> = harmful
        .map(|difference| {
            let (_, topic) = difference.topic.split_once('.').unwrap();
            (topic, difference.setting.as_str())
        })
        .collect();
    assert_eq!(found, wanted, "{differences:#?}");
    let refused = topics::refuse_harm(settings, source);
    assert_eq!(refused.is_err(), !wanted.is_empty(), "{refused:?}");
}

#[test]
fn topics_are_made_once_and_opened_once() {
    let Some(broker) = Broker::shared("topics_are_made_once_and_opened_once") else { return };
    let settings = settings(broker, "once");
    let missing = [("commands", "topic"), ("decisions", "topic"), ("dead-letters", "topic")];
    check_harm(&settings, TimeSource::LogAppend, &missing);
    let Applied { created, opened, differences } = topics::apply(&settings, &LIVE).unwrap();
    assert_eq!((created.len(), opened), (4, vec![0, 1, 2]));
    let is_about_one_broker = |setting: &str| setting == "replication";
    assert!(differences.iter().all(|found| is_about_one_broker(&found.setting)), "{differences:?}");
    let again = topics::apply(&settings, &Wish { partitions: None, ..LIVE }).unwrap();
    assert_eq!((again.created.len(), again.opened.len()), (0, 0));
    assert_eq!(broker.committed(&settings.topics.commands).len(), 3);
    check_harm(&settings, TimeSource::LogAppend, &[]);
    let other = topics::apply(&settings, &Wish { partitions: Some(4), ..LIVE }).unwrap_err();
    assert!(other.message.contains("3 partitions, for life"), "{other}");
}

#[test]
fn several_at_once_agree_on_the_log() {
    let Some(broker) = Broker::shared("several_at_once_agree_on_the_log") else { return };
    for round in 0..5 {
        let settings = settings(broker, &format!("race{round}"));
        std::thread::scope(|scope| {
            let all = [(); 4].map(|()| scope.spawn(|| topics::apply(&settings, &LIVE)));
            for one in all {
                one.join().unwrap().unwrap();
            }
        });
        check_harm(&settings, TimeSource::LogAppend, &[]);
        let records = broker.committed(&settings.topics.commands);
        assert!((3..=12).contains(&records.len()), "{}", records.len());
    }
}

#[test]
fn what_could_lose_or_change_decisions_is_found() {
    let Some(broker) = Broker::shared("what_could_lose_or_change_decisions_is_found") else {
        return;
    };
    let settings = settings(broker, "astray");
    // As a broker makes them by itself: a week, and clients' times.
    for topic in [&settings.topics.commands, &settings.topics.dead_letters] {
        broker.create_topic(topic, 2, &[]);
    }
    broker.create_topic(&settings.topics.decisions, 1, &[("cleanup.policy", "compact")]);
    let applied = topics::apply(&settings, &Wish { partitions: None, ..LIVE }).unwrap();
    assert_eq!((applied.created, applied.opened), (vec!["astray.artifacts".into()], vec![0, 1]));
    let astray = [
        ("commands", "message.timestamp.type"),
        ("commands", "retention.ms"),
        ("decisions", "cleanup.policy"),
        ("decisions", "partitions"),
        ("dead-letters", "max.message.bytes"),
    ];
    check_harm(&settings, TimeSource::LogAppend, &astray);
    let refused = topics::refuse_harm(&settings, TimeSource::LogAppend).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Invalid);
    let mending = "--entity-name astray.commands --add-config retention.ms=-1";
    assert!(refused.message.contains(mending), "{refused}");
}

#[test]
fn partitions_that_were_added_later_are_told_and_left_alone() {
    let name = "partitions_that_were_added_later_are_told_and_left_alone";
    let Some(broker) = Broker::shared(name) else { return };
    let settings = settings(broker, "raised");
    topics::apply(&settings, &LIVE).unwrap();
    let admin: AdminClient<DefaultClientContext> = broker.client().create().unwrap();
    let names =
        [&settings.topics.commands, &settings.topics.decisions, &settings.topics.dead_letters];
    let more = names.map(|name| NewPartitions::new(name, 4));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let options = AdminOptions::new().operation_timeout(Some(ASK_MAX));
    runtime.block_on(admin.create_partitions(&more, &options)).unwrap();
    let applied = topics::apply(&settings, &Wish { partitions: None, ..LIVE }).unwrap();
    assert!(applied.opened.is_empty(), "{:?}", applied.opened);
    let beginnings = [0, 1, 2, 3].map(|partition| format!("beginning of partition {partition}"));
    let wanted = beginnings.each_ref().map(|beginning| ("commands", beginning.as_str()));
    check_harm(&settings, TimeSource::LogAppend, &wanted);
}

fn write(broker: &Broker, topic: &str, time_ms: i64) {
    let producer: BaseProducer = broker.client().create().unwrap();
    let record = BaseRecord::<(), str>::to(topic).partition(1).payload("first").timestamp(time_ms);
    producer.send(record).unwrap();
    producer.flush(ASK_MAX).unwrap();
}

#[test]
fn a_partition_that_somebody_wrote_to_first_is_told_and_left_alone() {
    let name = "a_partition_that_somebody_wrote_to_first_is_told_and_left_alone";
    let Some(broker) = Broker::shared(name) else { return };
    let settings = settings(broker, "early");
    let append = [("message.timestamp.type", "LogAppendTime"), ("retention.ms", "-1")];
    broker.create_topic(&settings.topics.commands, 3, &append);
    write(broker, &settings.topics.commands, 0);
    let applied = topics::apply(&settings, &LIVE).unwrap();
    assert_eq!(applied.opened, [0, 2]);
    let first = [("commands", "beginning of partition 1")];
    check_harm(&settings, TimeSource::LogAppend, &first);
}

#[test]
fn topics_of_a_trace_take_its_times_and_are_no_live_ones() {
    let name = "topics_of_a_trace_take_its_times_and_are_no_live_ones";
    let Some(broker) = Broker::shared(name) else { return };
    let settings = settings(broker, "trace");
    let carried = Wish { source: TimeSource::Carried, ..LIVE };
    let applied = topics::apply(&settings, &carried).unwrap();
    assert_eq!((applied.created.len(), applied.opened.len()), (4, 0));
    check_harm(&settings, TimeSource::Carried, &[]);
    for time_ms in [1_000, 200_000_000_000_000] {
        write(broker, &settings.topics.decisions, time_ms);
    }
    assert_eq!(broker.committed(&settings.topics.decisions).len(), 2, "1970, and the year 8307");
    let live = topics::refuse_harm(&settings, TimeSource::LogAppend).unwrap_err();
    assert!(live.message.contains("message.timestamp.type is CreateTime"), "{live}");
}

#[test]
fn nobody_there_is_said_with_what_to_do() {
    let settings = KafkaSettings::plain("127.0.0.1:1");
    let error = topics::check(&settings, TimeSource::LogAppend).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("Connection refused"), "{error}");
    assert!(error.message.contains("kafka.brokers"), "{error}");
}
