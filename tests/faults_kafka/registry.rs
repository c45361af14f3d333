//! A registry that is away while an owner needs it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{ASK_MAX, Broker};
use crate::instance::Instance;
use crate::load::{Told, about, furnish, pools, producer};
use crate::registry_common::{Fault, StandIn};
use crate::site::{Site, protocol, turn};
use crate::system_common::ask;
use conclave::log::kafka::settings::GroupProtocol;
use conclave::wire::encode_command;
use conclave::wire::schemas::{COMMAND_SCHEMAS, DECISION_SCHEMA};
use rdkafka::producer::{BaseRecord, Producer as _};
use std::time::{Duration, Instant};

const AVRO: &str = "application/vnd.conclave.command+avro";

/// A registry that gives our schemas the numbers of the local table, and does not know any other.
fn registry(prefix: &str) -> StandIn {
    let stand_in = StandIn::start(1);
    for text in COMMAND_SCHEMAS {
        stand_in.register(&format!("{prefix}.commands-value"), text);
    }
    stand_in.register(&format!("{prefix}.decisions-value"), DECISION_SCHEMA);
    stand_in
}

/// The first pool's owner waits for a schema of a registry that is away.
fn waiting(broker: &Broker, prefix: &str) -> (StandIn, Site, Instance) {
    let stand_in = registry(prefix);
    let site = Site::make(&broker.brokers(), prefix).asking(stand_in.url());
    let (instance, told) = (site.start("one"), Told::default());
    furnish(&site, &told);
    site.wait_until_all_is_decided();
    stand_in.set(Fault::Status(500));
    let (pool, producer) = (&pools()[0], producer(&site, &told));
    let mut foreign = encode_command(&about(pool, "foreign", ask("foreign", "t").into()));
    foreign[1..5].copy_from_slice(&999_u32.to_be_bytes());
    let topic = &site.settings.topics.commands;
    let record = BaseRecord::to(topic).key(pool.0.as_bytes()).payload(&foreign);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(ASK_MAX).unwrap();
    instance.wait_for("a command waits: it is tried again and again");
    (stand_in, site, instance)
}

#[test]
fn an_owner_keeps_its_tenure_while_the_registry_is_away() {
    let name = "an_owner_keeps_its_tenure_while_the_registry_is_away";
    let Some(broker) = Broker::shared(name) else { return };
    let _turn = turn();
    let (stand_in, site, instance) = waiting(broker, "untold");
    std::thread::sleep(Duration::from_secs(5));
    let said = instance.said();
    assert_eq!(said.matches("a partition is taken over partition=0").count(), 1, "{said}");
    assert_eq!(said.matches("deciding is interrupted").count(), 0, "{said}");
    stand_in.set(Fault::None);
    site.wait_until_all_is_decided();
    let said = instance.said();
    assert_eq!(said.matches("a partition is taken over partition=0").count(), 1, "{said}");
}

#[test]
fn who_waits_for_a_decision_is_told_when_the_last_instance_stops() {
    let name = "who_waits_for_a_decision_is_told_when_the_last_instance_stops";
    let Some(broker) = Broker::shared(name) else { return };
    // There the brokers do not say who is left.
    if protocol() == GroupProtocol::Consumer {
        return;
    }
    let _turn = turn();
    let (_stand_in, _site, instance) = waiting(broker, "last");
    let url = format!("{}/v1/commands", instance.url());
    let command = about(&pools()[0], "late", ask("late", "t").into());
    let asking = std::thread::spawn(move || {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let sent = ureq::Agent::from(config).post(&url).header("content-type", AVRO);
        let mut answer = sent.send(&encode_command(&command)).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    });
    std::thread::sleep(Duration::from_secs(1));
    assert!(!asking.is_finished(), "nobody decides it");
    let began = Instant::now();
    let took = instance.stop();
    let (status, body) = asking.join().unwrap();
    assert!(body.contains("the command is kept and will be decided"), "{status} {body}");
    assert!(body.contains("\"position\":"), "{status} {body}");
    assert_eq!(status, 408, "{body}");
    assert!(took < Duration::from_secs(3), "{took:?} of {:?}", began.elapsed());
}
