//! Who has a partition, when the group has not said anything yet, or cannot be asked.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{ASK_MAX, Broker, BrokerOptions};
use crate::checker::sound;
use crate::figures::note;
use crate::load::{Load, Told, about, furnish, pools, producer, send};
use crate::sight::Sight;
use crate::site::{PATIENCE, Site, protocol, turn};
use crate::system_common::{ask, policy, set};
use conclave::log::kafka::settings::GroupProtocol;
use conclave_core::command::{Payload, SetPoolPolicy};
use conclave_core::units::DurationMs;
use rdkafka::producer::{BaseProducer, Producer as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn one_that_is_fenced_asks_the_group_before_it_takes_over_again() {
    let name = "one_that_is_fenced_asks_the_group_before_it_takes_over_again";
    let Some(broker) = Broker::shared(name) else { return };
    let _turn = turn();
    let site = Arc::new(Site::make(&broker.brokers(), "fenced"));
    let instance = site.start("one");
    let (sight, load) = (Sight::open(&site), Load::start(&site));
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    let taken = |instance: &crate::instance::Instance| {
        instance.said().matches("a partition is taken over partition=0").count()
    };
    assert_eq!(taken(&instance), 1, "{}", instance.said());

    // As the owner of a newer tenure does it.
    let mut client = site.client();
    client.set("transactional.id", site.settings.topics.transactional_id(0));
    let outsider: BaseProducer = client.create().unwrap();
    outsider.init_transactions(ASK_MAX).unwrap();
    instance.wait_for("deciding is interrupted: the group is asked");
    let fenced = Instant::now();
    while taken(&instance) == 1 {
        assert!(fenced.elapsed() < PATIENCE, "it does not go on:\n{}", instance.said());
        std::thread::sleep(Duration::from_millis(5));
    }
    let took = fenced.elapsed();
    note("fenced, until it takes over again", took);
    assert!(took > Duration::from_millis(900), "it took over again unasked after {took:?}");
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    sound(&site, &load.finish());
}

#[test]
fn one_whose_tick_nobody_takes_notices_the_end_of_its_tenure() {
    let name = "one_whose_tick_nobody_takes_notices_the_end_of_its_tenure";
    // Where the brokers share out, nobody learns without them that a session has ended.
    if !Broker::is_possible(name) || protocol() == GroupProtocol::Consumer {
        return;
    }
    let _turn = turn();
    let broker = Broker::start(BrokerOptions::default());
    let site = Site::make(&broker.brokers(), "ticks").timeouts_ms(4_000, 1_500);
    let (instance, told) = (site.start("one"), Told::default());
    furnish(&site, &told);
    // A lease that ends while the broker is away: its owner wants to send a tick then.
    let Payload::RequestAllocation(mut short) = ask("short", "t").into() else { unreachable!() };
    short.expected_duration_ms = DurationMs(2_000);
    let (pool, producer) = (&pools()[0], producer(&site, &told));
    let rules = set(SetPoolPolicy { lease_grace_ms: DurationMs(0), ..policy() });
    send(&producer, &site, &about(pool, "no-grace", rules));
    send(&producer, &site, &about(pool, "short", Payload::RequestAllocation(short)));
    producer.flush(ASK_MAX).unwrap();
    site.wait_until_all_is_decided();
    broker.pause();
    instance.wait_for("is_lost=true");
    let lost = Instant::now();
    instance.wait_for("a partition is decided elsewhere from now on partition=0");
    let took = lost.elapsed();
    broker.resume();
    note("brokers away, from the end of a tenure until its owner has noticed", took);
    assert!(took < Duration::from_secs(2), "it was busy for {took:?} {}", site.said());
    site.wait_until_all_is_decided();
    sound(&site, &told.all());
}
