//! Brokers that go and come back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{Broker, BrokerOptions};
use crate::checker::sound;
use crate::deaths::CALM;
use crate::figures::{any_ms, note};
use crate::load::Load;
use crate::sight::Sight;
use crate::site::{PATIENCE, Site, protocol, turn};
use conclave::log::kafka::settings::GroupProtocol;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn a_broker_comes_back_after_a_stop_and_after_a_kill() {
    if !Broker::is_possible("a_broker_comes_back_after_a_stop_and_after_a_kill") {
        return;
    }
    let _turn = turn();
    let mut broker = Broker::start(BrokerOptions::default());
    let site = Arc::new(Site::make(&broker.brokers(), "restart"));
    let mut instances = [site.start("one"), site.start("two")];
    let (sight, load) = (Sight::open(&site), Load::start(&site));
    load.post_to(&instances.each_ref().map(crate::instance::Instance::url));
    for (figure, is_kill) in [("a broker is stopped", false), ("a broker is killed", true)] {
        sight.decided_behind(&site.command_ends(), Instant::now(), &site);
        std::thread::sleep(CALM + any_ms(1_000));
        if is_kill {
            broker.kill();
        } else {
            broker.stop();
        }
        broker.start_again();
        let answers = Instant::now();
        let took = sight.decided_behind(&site.command_ends(), answers, &site);
        note(&format!("{figure}, from its first answer on"), took);
    }
    sound(&site, &load.finish());
    for instance in &mut instances {
        assert_eq!(instance.ended(), None, "{}", site.said());
    }
}

/// Joins the group of `site` under a name, and goes away without a word.
fn take_name(site: &Site, name: &str) {
    let mut client = site.client();
    client.set("group.id", site.group()).set("group.instance.id", name);
    client.set("partition.assignment.strategy", "cooperative-sticky");
    client.set("session.timeout.ms", "6000").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = client.create().unwrap();
    consumer.subscribe(&[&site.settings.topics.commands]).unwrap();
    let began = Instant::now();
    // An assignment may be empty, and a membership without one is said only like this.
    while consumer.assignment().unwrap().count() == 0 {
        assert!(began.elapsed() < PATIENCE, "nobody got the name {}", site.said());
        let _passed_over = consumer.poll(Duration::from_millis(50));
    }
}

#[test]
fn a_fence_after_an_absence_is_excused_once() {
    let name = "a_fence_after_an_absence_is_excused_once";
    // Where the brokers share out there are no names.
    if !Broker::is_possible(name) || protocol() == GroupProtocol::Consumer {
        return;
    }
    let _turn = turn();
    let mut broker = Broker::start(BrokerOptions::default());
    // A session that outlives the absence: the name is still this instance's afterwards.
    let site = Arc::new(Site::make(&broker.brokers(), "excused").timeouts_ms(30_000, 5_000));
    let mut instance = site.start("one");
    let (sight, load) = (Sight::open(&site), Load::start(&site));
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    broker.stop();
    broker.start_again();
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);

    take_name(&site, "one");
    let fenced = Instant::now();
    instance.wait_for("fenced after an absence of the brokers: it joins anew");
    let took = sight.decided_behind(&site.command_ends(), fenced, &site);
    note("fenced by its own name after an absence, until it decides again", took);
    assert_eq!(instance.ended(), None, "{}", instance.said());

    take_name(&site, "one");
    let status = instance.wait_until_it_ends();
    assert_eq!(status.code(), Some(3), "{}", instance.said());
    assert!(instance.said().contains("another instance has the same name"), "{}", instance.said());
    let _another = site.start("one");
    sound(&site, &load.finish());
}
