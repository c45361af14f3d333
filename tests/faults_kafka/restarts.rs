//! Brokers that go and come back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{Broker, BrokerOptions};
use crate::checker::sound;
use crate::deaths::CALM;
use crate::figures::{any_ms, note};
use crate::load::Load;
use crate::sight::Sight;
use crate::site::{Site, turn};
use std::sync::Arc;
use std::time::Instant;

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
    // The client library gives a membership up when the answer that renamed it was lost with the
    // broker: such an instance ends with a sentence, for whoever keeps services running to start.
    for instance in &mut instances {
        let Some(status) = instance.ended() else { continue };
        assert_eq!(status.code(), Some(3), "{}", site.said());
        assert!(instance.said().contains("an answer of theirs was lost"), "{}", site.said());
    }
}
