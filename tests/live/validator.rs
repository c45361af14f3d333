//! Faults planted in real topics are found while they are followed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{ASK_MAX, Broker};
use crate::stored::Stored;
use crate::stream::random_partition;
use conclave::log::Headers;
use conclave::log::kafka::settings::{KafkaSettings, TopicNames};
use conclave::log::kafka::{COMMAND_OFFSET, RECORD_TIME_MS};
use conclave::validate::{KafkaFeed, Rule, Validator, Verdict, Watch};
use conclave::wire::RecordedReader;
use conclave_core::decision::Event;
use conclave_core::units::Offset;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::time::{Duration, Instant};

/// How soon a fault has to be found.
const FOUND_WITHIN: Duration = Duration::from_secs(10);

/// Topics of one log, and who writes to them.
struct Topics {
    settings: KafkaSettings,
    /// Of commands.
    sender: BaseProducer,
    /// Of decisions and dead letters, in transactions: their marks are part of the topics.
    producer: BaseProducer,
}

impl Topics {
    fn create(broker: &Broker, prefix: &str) -> Self {
        let topics = TopicNames::prefixed(prefix);
        for topic in [&topics.commands, &topics.decisions, &topics.dead_letters] {
            broker.create_topic(topic, 1, &[]);
        }
        let settings = KafkaSettings { topics, ..KafkaSettings::plain(&broker.brokers()) };
        let sender = broker.client().set("acks", "all").create().unwrap();
        let producer: BaseProducer =
            broker.client().set("transactional.id", prefix).create().unwrap();
        producer.init_transactions(ASK_MAX).unwrap();
        Self { settings, sender, producer }
    }

    fn write(&self, stored: &Stored, from: usize) {
        let topics = &self.settings.topics;
        for stored in stored.commands.iter().skip(from) {
            let record = &stored.record;
            let own = (RECORD_TIME_MS, record.time_ms.0);
            let envelope = (&record.headers, own);
            send(&self.sender, &topics.commands, (&record.key, &record.value), envelope);
        }
        self.sender.flush(ASK_MAX).unwrap();
        assert_eq!(self.sender.in_flight_count(), 0, "not all were acknowledged");
        self.producer.begin_transaction().unwrap();
        for decision in stored.decisions.iter().skip(from) {
            let value = [&[0; 5], decision.body.as_slice()].concat();
            let own = (COMMAND_OFFSET, decision.offset.0);
            let envelope = (&decision.headers, own);
            send(&self.producer, &topics.decisions, (b"p", &value), envelope);
        }
        let from = Offset(i64::try_from(from).unwrap());
        for letter in stored.letters.iter().filter(|letter| letter.offset >= from) {
            let own = (COMMAND_OFFSET, letter.offset.0);
            let envelope = (&letter.headers, own);
            send(&self.producer, &topics.dead_letters, (&letter.key, &letter.value), envelope);
        }
        self.producer.commit_transaction(ASK_MAX).unwrap();
    }

    fn watch(&self) -> Watch<KafkaFeed> {
        let validator = Validator::new(0, RecordedReader::new([]), &[]);
        Watch::new(KafkaFeed::open(&self.settings, 0).unwrap(), validator)
    }
}

fn send(
    producer: &BaseProducer,
    topic: &str,
    (key, value): (&[u8], &[u8]),
    (headers, (own, number)): (&Headers, (&str, i64)),
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

/// Follows a log, has `plant` change what is written next, and waits until `rule` is found
/// broken.
fn check(broker: &Broker, name: &str, rule: Rule, plant: impl FnOnce(&mut Stored, usize)) {
    let topics = Topics::create(broker, name);
    let whole = Stored::of(&random_partition(4, 300));
    let half = whole.round_end(150);
    let mut first = whole.clone();
    first.commands.truncate(half);
    first.decisions.truncate(half);
    first.letters.retain(|letter| letter.offset < Offset(i64::try_from(half).unwrap()));
    topics.write(&first, 0);
    let mut watch = topics.watch();
    while watch.look().unwrap() {}
    let seen = watch.validator().decision_count();
    assert_eq!(seen, half as u64, "{name}: all of the sound part was seen");
    assert_eq!(watch.validator().findings(), &[], "{name}: the sound part");
    // What comes next is looked at by another one, which knows what this one does.
    let kept = watch.kept().unwrap().expect("the sound part is settled");
    let (validator, places) = Validator::of_kept(&kept, 0, RecordedReader::new([])).unwrap();
    let mut watch =
        Watch::resume(KafkaFeed::open(&topics.settings, 0).unwrap(), validator, places).unwrap();

    let mut second = whole;
    plant(&mut second, half);
    topics.write(&second, half);
    let planted = Instant::now();
    while watch.validator().count(rule) == 0 {
        let findings = watch.validator().findings();
        assert!(planted.elapsed() < FOUND_WITHIN, "{name}: not found, but {findings:?}");
        watch.look().unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("{name}: {} broken, found after {:?}", rule.as_str(), planted.elapsed());
}

#[test]
fn faults_in_real_topics_are_found_within_seconds() {
    let test = "faults_in_real_topics_are_found_within_seconds";
    let Some(broker) = Broker::shared(test) else { return };
    check(broker, "validate.gap", Rule::Completeness, |stored, half| {
        stored.decisions.remove(half + 20);
    });
    check(broker, "validate.again", Rule::Completeness, |stored, half| {
        let again = stored.decisions[half + 20].clone();
        stored.decisions.insert(half + 30, again);
    });
    check(broker, "validate.swap", Rule::Order, |stored, half| {
        stored.decisions.swap(half + 20, half + 21);
    });
    check(broker, "validate.event", Rule::Capacity, |stored, half| {
        let is_grant = |event: &Event| matches!(event, Event::LeaseGranted(_));
        let grant = stored.find_event_from(half, is_grant);
        stored.change(grant, |decision| {
            for event in &mut decision.events {
                if let Event::LeaseGranted(granted) = event {
                    granted.replicas[0].gpus = vec![99];
                }
            }
        });
    });
    check(broker, "validate.letter", Rule::DeadLetters, |stored, _| {
        stored.letters.pop();
    });
}

#[test]
fn sound_topics_have_no_findings() {
    let Some(broker) = Broker::shared("sound_topics_have_no_findings") else { return };
    let topics = Topics::create(broker, "validate.sound");
    let stored = Stored::of(&random_partition(9, 500));
    topics.write(&stored, 0);
    let mut watch = topics.watch();
    let began = Instant::now();
    // The mark of a transaction may land a moment after its end was answered.
    while !watch.look_to_the_end(|_| {}).unwrap() {
        assert!(began.elapsed() < FOUND_WITHIN, "nobody writes");
    }
    let report = watch.finish(true);
    assert_eq!(report.verdict(), Verdict::Sound, "{report:#?}");
    assert_eq!(report.decisions, stored.decisions.len() as u64);

    // Something that is no decision of ours.
    let (headers, decisions) = (Headers::new(), &topics.settings.topics.decisions);
    send(&topics.sender, decisions, (b"p", b"hello"), (&headers, ("somebody", 7)));
    topics.sender.flush(ASK_MAX).unwrap();
    let mut watch = topics.watch();
    let is_at_rest = watch.look_to_the_end(|_| {}).unwrap();
    let report = watch.finish(is_at_rest);
    assert_eq!((report.count(Rule::Schema), report.finding_count()), (1, 1), "{report:#?}");
}
