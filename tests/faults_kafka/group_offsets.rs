//! What is done to the group's offsets and to the topics behind our back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{ASK_MAX, Broker};
use crate::checker::sound;
use crate::load::{Told, about, furnish, pools, producer, send};
use crate::site::{PATIENCE, Site, turn};
use crate::system_common::ask;
use conclave::log::kafka::topics::{self, Wish};
use conclave_core::command::TimeSource;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::producer::Producer as _;
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn admin(site: &Site) -> AdminClient<DefaultClientContext> {
    site.client().create().unwrap()
}

fn wait_for<T>(asked: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(asked)
}

/// Has somebody set the group's offset of partition 0, as `kafka-consumer-groups.sh` does.
#[track_caller]
fn set_offset(site: &Site, offset: i64) {
    let mut client = site.client();
    client.set("group.id", site.group()).set("enable.auto.commit", "false");
    let consumer: BaseConsumer = client.create().unwrap();
    let mut offsets = TopicPartitionList::new();
    let topic = &site.settings.topics.commands;
    offsets.add_partition_offset(topic, 0, Offset::Offset(offset)).unwrap();
    let began = Instant::now();
    // The group has to be empty first.
    while let Err(error) = consumer.commit(&offsets, CommitMode::Sync) {
        assert!(began.elapsed() < PATIENCE, "{error}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[track_caller]
fn delete_group(site: &Site) {
    let began = Instant::now();
    loop {
        let options = AdminOptions::new().operation_timeout(Some(ASK_MAX));
        let (admin, group) = (admin(site), site.group());
        let deleted = wait_for(admin.delete_groups(&[&group], &options)).unwrap();
        if deleted.iter().all(Result::is_ok) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{deleted:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A pool's request in every partition.
fn ask_everywhere(site: &Site, told: &Told, name: &str) {
    let producer = producer(site, told);
    for pool in pools() {
        send(&producer, site, &about(&pool, name, ask(name, "t").into()));
    }
    producer.flush(ASK_MAX).unwrap();
}

#[track_caller]
fn delete_topic(site: &Site, topic: &str) {
    let options = AdminOptions::new().operation_timeout(Some(ASK_MAX));
    let deleted = wait_for(admin(site).delete_topics(&[topic], &options)).unwrap();
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
}

#[track_caller]
fn make_missing_topics(site: &Site) {
    let source = TimeSource::LogAppend;
    let wish = Wish { source, partitions: Some(crate::site::PARTITIONS), replication: None };
    let began = Instant::now();
    while let Err(error) = topics::apply(&site.settings, &wish) {
        assert!(began.elapsed() < PATIENCE, "{error}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn offsets_that_were_set_stop_a_partition_and_deleted_ones_do_not() {
    let name = "offsets_that_were_set_stop_a_partition_and_deleted_ones_do_not";
    let Some(broker) = Broker::shared(name) else { return };
    let _turn = turn();
    let site = Arc::new(Site::make(&broker.brokers(), "offsets"));
    let (instance, told) = (site.start("one"), Told::default());
    furnish(&site, &told);
    site.wait_until_all_is_decided();
    instance.stop();

    let runbook = "docs/runbooks/group-offset.md";
    set_offset(&site, 1);
    ask_everywhere(&site, &told, "behind");
    let instance = site.start("one");
    instance.wait_for("somebody set it back");
    instance.wait_for(runbook);
    instance.stop();

    set_offset(&site, 1_000);
    let instance = site.start("one");
    instance.wait_for("somebody moved it, or decisions are lost");
    instance.stop();

    // What the runbook says to do.
    delete_group(&site);
    let instance = site.start("one");
    instance.wait_for("the group has no offset: its decisions have one");
    ask_everywhere(&site, &told, "gone-on");
    sound(&site, &told.all());
    instance.stop();
}

#[test]
fn a_topic_that_was_made_anew_stops_everything() {
    let Some(broker) = Broker::shared("a_topic_that_was_made_anew_stops_everything") else {
        return;
    };
    let _turn = turn();
    let site = Arc::new(Site::make(&broker.brokers(), "anew"));
    let (mut instance, told) = (site.start("one"), Told::default());
    furnish(&site, &told);
    ask_everywhere(&site, &told, "before");
    site.wait_until_all_is_decided();

    delete_topic(&site, &site.settings.topics.commands);
    make_missing_topics(&site);
    // Beside one that runs: it says so.
    ask_everywhere(&site, &told, "after");
    let said = "the command topic lost records, or is another one";
    instance.wait_for(said);
    assert_eq!(instance.ended(), None, "it still answers questions");
    instance.stop();

    // And one that is started afterwards does not start.
    let mut instance = site.launch("one", "later", None);
    let status = instance.wait_until_it_ends();
    assert_eq!(status.code(), Some(4), "{}", instance.said());
    assert!(instance.said().contains(said), "{}", instance.said());
}

#[test]
fn a_topic_that_is_not_known_for_a_moment_ends_no_start() {
    let Some(broker) = Broker::shared("a_topic_that_is_not_known_for_a_moment_ends_no_start")
    else {
        return;
    };
    let _turn = turn();
    let site = Site::make(&broker.brokers(), "unknown");
    let topic = site.settings.topics.dead_letters.as_str();
    delete_topic(&site, topic);
    let instance = site.launch("one", "one", None);
    instance.wait_for("do not know all topics");
    make_missing_topics(&site);
    instance.wait_until_it_serves();
    instance.stop();

    delete_topic(&site, topic);
    let mut instance = site.launch("one", "later", None);
    let status = instance.wait_until_it_ends();
    assert_eq!(status.code(), Some(2), "{}", instance.said());
    assert!(instance.said().contains(&format!("{topic}: topic is not there")), "in the end");
}
