//! Instances that stall, share a name, or come and go.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{Broker, BrokerOptions};
use crate::checker::sound;
use crate::deaths::CALM;
use crate::figures::note;
use crate::load::Load;
use crate::sight::Sight;
use crate::site::{Site, protocol, turn};
use conclave::log::kafka::settings::GroupProtocol;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn one_that_was_stalled_past_its_session_writes_nothing_of_its_old_tenure() {
    let name = "one_that_was_stalled_past_its_session_writes_nothing_of_its_old_tenure";
    let Some(broker) = Broker::shared(name) else { return };
    let _turn = turn();
    // The session is the broker's to say there.
    let own = (protocol() == GroupProtocol::Consumer).then(|| {
        let session = "group.consumer.session.timeout.ms";
        Broker::start(BrokerOptions::default().property(session, "2500"))
    });
    let brokers = own.as_ref().unwrap_or(broker).brokers();
    let site = Arc::new(Site::make(&brokers, "stalled").timeouts_ms(2_500, 1_500));
    let (mut first, second) = (site.start("one"), site.start("two"));
    let (sight, load) = (Sight::open(&site), Load::start(&site));
    load.post_to(&[second.url()]);
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    for _ in 0..2 {
        std::thread::sleep(CALM);
        let stalled = Instant::now();
        first.signal("STOP");
        let took = sight.decided_behind(&site.command_ends(), stalled, &site);
        note("SIGSTOP, session of 2.5 s, another takes over", took);
        std::thread::sleep(CALM);
        first.signal("CONT");
        // Whatever it had in hand it would write now.
        std::thread::sleep(2 * CALM);
        assert_eq!(first.ended(), None, "it goes on:\n{}", first.said());
        sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    }
    let said = first.said();
    assert!(said.contains("partitions are taken away"), "{said}");
    sound(&site, &load.finish());
}

#[test]
fn of_two_with_one_name_one_ends_and_says_so() {
    let Some(broker) = Broker::shared("of_two_with_one_name_one_ends_and_says_so") else { return };
    if protocol() == GroupProtocol::Consumer {
        return; // There are no names: `kafka.instance_id` is refused.
    }
    let _turn = turn();
    let site = Arc::new(Site::make(&broker.brokers(), "namesakes"));
    let mut first = site.start("one");
    let (sight, load) = (Sight::open(&site), Load::start(&site));
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    let mut second = site.launch("one", "one-again", None);
    second.wait_until_it_serves();
    load.post_to(&[second.url()]);
    let began = Instant::now();
    let status = first.wait_until_it_ends();
    note("two with one name, until the first has ended", began.elapsed());
    assert_eq!(status.code(), Some(3), "{}", first.said());
    let sentence = "another instance has the same name";
    assert!(first.said().contains(sentence), "{}", first.said());
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    assert_eq!(second.ended(), None, "{}", second.said());
    sound(&site, &load.finish());
}

#[test]
fn a_storm_of_comings_and_goings_loses_nothing() {
    let Some(broker) = Broker::shared("a_storm_of_comings_and_goings_loses_nothing") else {
        return;
    };
    let _turn = turn();
    let site = Arc::new(Site::make(&broker.brokers(), "storm"));
    let steady = [site.start("one"), site.start("two")];
    let (sight, load) = (Sight::open(&site), Load::start(&site));
    load.post_to(&steady.each_ref().map(crate::instance::Instance::url));
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    let began = Instant::now();
    for _ in 0..6 {
        let third = site.start("three");
        std::thread::sleep(Duration::from_secs(1));
        third.stop();
    }
    note("rebalance storm, longest pause of a partition", sight.longest_pause(began));
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    sound(&site, &load.finish());
}
