//! kill -9 at every step of a round: `src/log/kafka/crash.rs` names them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::Broker;
use crate::checker::sound;
use crate::load::Load;
use crate::sight::Sight;
use crate::site::{Site, turn};
use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;
use std::time::Instant;

/// In the order in which a round passes them.
const POINTS: [&str; 6] = [
    "before_send",
    "after_send",
    "after_offsets",
    "before_commit",
    "after_commit",
    "before_publish",
];
const SIGABRT: i32 = 6;

#[test]
fn a_round_that_is_cut_off_anywhere_is_decided_once() {
    let Some(broker) = Broker::shared("a_round_that_is_cut_off_anywhere_is_decided_once") else {
        return;
    };
    let _turn = turn();
    let site = Arc::new(Site::make(&broker.brokers(), "cut"));
    let load = Load::start(&site);
    let sight = Sight::open(&site);
    for (number, point) in POINTS.iter().enumerate() {
        // Not always the first round: what comes before it differs.
        let crash_at = format!("{point}:{}", 1 + number * 3);
        let mut instance = site.launch("one", "one", Some(&crash_at));
        let status = instance.wait_until_it_ends();
        assert_eq!(status.signal(), Some(SIGABRT), "{crash_at}: {status}\n{}", instance.said());
    }
    let instance = site.start("one");
    load.post_to(&[instance.url()]);
    sight.decided_behind(&site.command_ends(), Instant::now(), &site);
    sound(&site, &load.finish());
}
