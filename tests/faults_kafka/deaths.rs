//! Instances that die, and those that go on for them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{Broker, BrokerOptions};
use crate::checker::sound;
use crate::figures::{any_ms, note};
use crate::instance::Instance;
use crate::load::Load;
use crate::sight::Sight;
use crate::site::{PARTITIONS, PATIENCE, Site, turn};
use conclave::log::kafka::settings::GroupProtocol;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So long things go well before something happens, at least.
pub(crate) const CALM: Duration = Duration::from_secs(1);

#[test]
fn another_takes_over_from_one_that_was_killed() {
    let Some(broker) = Broker::shared("another_takes_over_from_one_that_was_killed") else {
        return;
    };
    let _turn = turn();
    let site = Arc::new(Site::make(&broker.brokers(), "killed"));
    let (first, second) = (site.start("one"), site.start("two"));
    let (sight, load) = (Sight::open(&site), Load::start(&site));
    load.post_to(&[first.url(), second.url()]);
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    std::thread::sleep(CALM + any_ms(1_500));
    let killed = Instant::now();
    first.kill();
    load.post_to(&[second.url()]);
    note("kill -9, another takes over", sight.decided_behind(&site.command_ends(), killed, &site));

    // The other way round, with one that came back.
    let first = site.start("one");
    load.post_to(&[first.url()]);
    std::thread::sleep(CALM + any_ms(1_500));
    let killed = Instant::now();
    second.kill();
    note("kill -9, another takes over", sight.decided_behind(&site.command_ends(), killed, &site));
    sound(&site, &load.finish());
    drop(first);
}

#[test]
fn one_that_was_killed_goes_on_when_it_is_started_again() {
    let name = "one_that_was_killed_goes_on_when_it_is_started_again";
    let Some(broker) = Broker::shared(name) else { return };
    let _turn = turn();
    let site = Arc::new(Site::make(&broker.brokers(), "again"));
    let mut instance = site.start("one");
    let (sight, load) = (Sight::open(&site), Load::start(&site));
    for _ in 0..3 {
        load.post_to(&[instance.url()]);
        sight.decided_behind(&site.command_ends(), Instant::now(), &site);
        std::thread::sleep(any_ms(1_500));
        instance.kill();
        let (started, ends) = (Instant::now(), site.command_ends());
        instance = site.start("one");
        let took = sight.decided_behind(&ends, started, &site);
        note("kill -9, the same one starts again", took);
    }
    sound(&site, &load.finish());
}

#[test]
fn one_that_is_stopped_hands_over() {
    let Some(broker) = Broker::shared("one_that_is_stopped_hands_over") else { return };
    let _turn = turn();
    let site = Arc::new(Site::make(&broker.brokers(), "stopped"));
    let (mut first, second) = (site.start("one"), site.start("two"));
    let (sight, load) = (Sight::open(&site), Load::start(&site));
    load.post_to(&[second.url()]);
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    std::thread::sleep(CALM + any_ms(1_000));
    let stopped = Instant::now();
    first.signal("TERM");
    let (ended, taken) = both(&site, || first.ended().is_some(), || has_all(&second), stopped);
    let decided = sight.decided_behind(&site.command_ends(), stopped, &site);
    note("SIGTERM, until the process has ended", ended);
    note("SIGTERM, until another has taken over", taken);
    note("SIGTERM, until another decides", decided);
    note("SIGTERM, longest pause of a partition", sight.longest_pause(stopped));
    assert!(first.wait_until_it_ends().success(), "{}", first.said());
    sound(&site, &load.finish());
}

fn has_all(instance: &Instance) -> bool {
    instance.owned() == usize::try_from(PARTITIONS).unwrap()
}

/// How long after `since` the one and the other came true.
#[track_caller]
fn both(
    site: &Site,
    mut one: impl FnMut() -> bool,
    mut other: impl FnMut() -> bool,
    since: Instant,
) -> (Duration, Duration) {
    let mut came = (None, None);
    loop {
        came.0 = came.0.or_else(|| one().then(|| since.elapsed()));
        came.1 = came.1.or_else(|| other().then(|| since.elapsed()));
        if let (Some(one), Some(other)) = came {
            return (one, other);
        }
        assert!(since.elapsed() < PATIENCE, "{came:?} {}", site.said());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn one_that_is_stopped_hands_over_before_everybody_is_answered() {
    let name = "one_that_is_stopped_hands_over_before_everybody_is_answered";
    let Some(broker) = Broker::shared(name) else { return };
    let _turn = turn();
    let site = Arc::new(Site::make(&broker.brokers(), "asked"));
    let (first, second) = (site.start("one"), site.start("two"));
    let (sight, load) = (Sight::open(&site), Load::start(&site));
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    let mut asking = first.connect();
    let half = "POST /v1/commands HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\r\n{";
    asking.write_all(half.as_bytes()).unwrap();
    std::thread::sleep(CALM);
    let stopped = Instant::now();
    first.signal("TERM");
    // Open requests are waited for as long as ten seconds; the partitions do not wait with them.
    while !has_all(&second) {
        let waited = stopped.elapsed();
        assert!(waited < Duration::from_secs(6), "they wait for HTTP {}", site.said());
        std::thread::sleep(Duration::from_millis(5));
    }
    note("SIGTERM with a request half sent, until another has taken over", stopped.elapsed());
    drop(asking);
    sound(&site, &load.finish());
}

#[test]
fn another_takes_over_where_the_brokers_share_out() {
    if !Broker::is_possible("another_takes_over_where_the_brokers_share_out") {
        return;
    }
    let _turn = turn();
    let session = "group.consumer.session.timeout.ms";
    let broker = Broker::start(BrokerOptions::default().property(session, "2500"));
    let site = Site::make(&broker.brokers(), "brokers").shared_out_by(GroupProtocol::Consumer);
    let site = Arc::new(site);
    let (first, second) = (site.start("one"), site.start("two"));
    let (sight, load) = (Sight::open(&site), Load::start(&site));
    load.post_to(&[second.url()]);
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    let shared_out = Instant::now();
    while first.owned() == 0 || second.owned() == 0 {
        assert!(shared_out.elapsed() < PATIENCE, "both have some {}", site.said());
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(CALM);
    let killed = Instant::now();
    first.kill();
    let took = sight.decided_behind(&site.command_ends(), killed, &site);
    note("kill -9, brokers share out, session of 2.5 s, another takes over", took);
    sound(&site, &load.finish());
}
