//! That the broker of the other tests does what they rely on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{ASK_MAX, Broker, BrokerOptions};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::net::TcpStream;
use std::time::Duration;

/// Writes `values` to partition 0, all of them acknowledged.
fn write(broker: &Broker, topic: &str, values: &[&str]) {
    let producer: BaseProducer = broker.client().set("acks", "all").create().unwrap();
    for value in values {
        let record = BaseRecord::<(), str>::to(topic).partition(0).payload(value);
        producer.send(record).unwrap();
    }
    producer.flush(ASK_MAX).unwrap();
    assert_eq!(producer.in_flight_count(), 0, "not all were acknowledged");
}

#[track_caller]
fn holds(broker: &Broker, topic: &str, expected: &[&str]) {
    let records = broker.committed(topic).into_iter();
    let values: Vec<_> = records.map(|one| String::from_utf8(one.value).unwrap()).collect();
    assert_eq!(values, expected);
}

#[test]
fn a_shared_broker_makes_topics_as_asked() {
    let Some(broker) = Broker::shared("a_shared_broker_makes_topics_as_asked") else { return };
    broker.create_topic("life.asked", 3, &[("message.timestamp.type", "LogAppendTime")]);
    write(broker, "life.asked", &["one"]);
    holds(broker, "life.asked", &["one"]);
    let consumer: BaseConsumer = broker.client().create().unwrap();
    let metadata = consumer.fetch_metadata(Some("life.asked"), ASK_MAX).unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 3);
    let unknown = consumer.fetch_metadata(Some("life.unknown"), ASK_MAX).unwrap();
    assert!(unknown.topics()[0].error().is_some(), "it makes no topic that nobody asked for");
}

#[test]
fn a_broker_keeps_its_data_and_address_through_kill_and_stop() {
    if !Broker::is_possible("a_broker_keeps_its_data_and_address_through_kill_and_stop") {
        return;
    }
    let mut broker = Broker::start(BrokerOptions::default());
    let address = broker.brokers();
    broker.create_topic("life.kept", 1, &[]);
    write(&broker, "life.kept", &["before the kill"]);
    broker.kill();
    TcpStream::connect(&address).expect_err("a killed broker listens no more");
    broker.start_again();
    write(&broker, "life.kept", &["before the stop"]);
    broker.stop();
    TcpStream::connect(&address).expect_err("a stopped broker listens no more");
    broker.start_again();
    holds(&broker, "life.kept", &["before the kill", "before the stop"]);
    assert_eq!(broker.brokers(), address);

    broker.pause();
    let consumer: BaseConsumer = broker.client().create().unwrap();
    let asked = consumer.fetch_metadata(None, Duration::from_millis(500));
    assert!(asked.is_err(), "a paused broker answers nothing");
    broker.resume();
    consumer.fetch_metadata(None, ASK_MAX).expect("it goes on where it was");
}

#[test]
fn a_broker_has_the_listeners_and_properties_that_a_test_adds() {
    if !Broker::is_possible("a_broker_has_the_listeners_and_properties_that_a_test_adds") {
        return;
    }
    let login = "org.apache.kafka.common.security.plain.PlainLoginModule required \
                 user_ada=\"secret\";";
    let options = BrokerOptions::default()
        .listener("PASSWORD", "SASL_PLAINTEXT")
        .property("sasl.enabled.mechanisms", "PLAIN")
        .property("listener.name.password.plain.sasl.jaas.config", login);
    let broker = Broker::start(options);
    let ask = |password: &str| {
        let consumer: BaseConsumer = broker
            .client()
            .set("bootstrap.servers", broker.listener("PASSWORD"))
            .set("security.protocol", "SASL_PLAINTEXT")
            .set("sasl.mechanism", "PLAIN")
            .set("sasl.username", "ada")
            .set("sasl.password", password)
            .create()
            .unwrap();
        consumer.fetch_metadata(None, Duration::from_secs(3)).map(|_| ())
    };
    ask("secret").expect("the right password");
    ask("wrong").expect_err("the wrong one");
}
