//! Commits whose end nobody hears of, or hears of late.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::{Broker, BrokerOptions};
use crate::checker::sound;
use crate::figures::note;
use crate::load::Load;
use crate::proxy::{Proxy, Trick};
use crate::sight::Sight;
use crate::site::{PATIENCE, Site, turn};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn a_commit_that_nobody_hears_of_is_decided_once() {
    if !Broker::is_possible("a_commit_that_nobody_hears_of_is_decided_once") {
        return;
    }
    let _turn = turn();
    let proxy = Proxy::listen();
    let options = BrokerOptions::default().listener_behind("PROXIED", "PLAINTEXT", proxy.port());
    let broker = Broker::start(options);
    proxy.lead_to(&broker.listener("PROXIED"));
    let site = Arc::new(Site::make(&format!("127.0.0.1:{}", proxy.port()), "replies"));
    let mut instance = site.start("one");
    let (sight, load) = (Sight::open(&site), Load::start(&site));
    load.post_to(&[instance.url()]);
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    let tricks = [
        ("an EndTxn reply is lost", Trick::Swallow, 1),
        ("EndTxn replies are lost with their connections", Trick::Break, 3),
        ("an EndTxn reply is 3 s late", Trick::Delay(Duration::from_secs(3)), 1),
        ("an EndTxn reply is 8 s late", Trick::Delay(Duration::from_secs(8)), 1),
    ];
    for (figure, trick, count) in tricks {
        let began = Instant::now();
        proxy.play(trick, count);
        while proxy.left() > 0 {
            assert!(began.elapsed() < PATIENCE, "{trick:?} was not played {}", site.said());
            std::thread::sleep(Duration::from_millis(5));
        }
        sight.decided_behind(&site.command_ends(), Instant::now(), &site);
        note(&format!("{figure}, longest pause of a partition"), sight.longest_pause(began));
    }
    assert_eq!(instance.ended(), None, "{}", instance.said());
    sound(&site, &load.finish());
}
