//! Somebody else writes under a partition's name, and the group has not said anything yet.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{ASK_MAX, Broker};
use crate::checker::sound;
use crate::figures::note;
use crate::load::Load;
use crate::sight::Sight;
use crate::site::{PATIENCE, Site, turn};
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
