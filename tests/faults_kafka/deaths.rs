//! Instances that die, and those that go on for them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::Broker;
use crate::checker::sound;
use crate::figures::{any_ms, note};
use crate::load::Load;
use crate::sight::Sight;
use crate::site::{Site, turn};
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
    let (first, second) = (site.start("one"), site.start("two"));
    let (sight, load) = (Sight::open(&site), Load::start(&site));
    load.post_to(&[second.url()]);
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    std::thread::sleep(CALM + any_ms(1_000));
    let stopped = Instant::now();
    let ends = site.command_ends();
    let ended = first.stop();
    note("SIGTERM, until the process has ended", ended);
    note("SIGTERM, until another decides", sight.decided_behind(&ends, stopped, &site));
    sound(&site, &load.finish());
}
