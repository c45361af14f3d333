//! Somebody who sends commands all the time: deciding goes on whatever others do.

use crate::served::{Served, command, quota};
use crate::wire::Wire;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A decision that takes longer is disturbed.
const LONGEST: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) struct Pulse {
    is_over: Arc<AtomicBool>,
    sender: JoinHandle<(usize, Duration)>,
}

impl Pulse {
    pub(crate) fn of(served: &Served) -> Self {
        let mut wire = Wire::open(&served.address);
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let sender = std::thread::spawn(move || {
            let (mut sent, mut longest) = (0, Duration::ZERO);
            while !ends.load(Ordering::Relaxed) || sent == 0 {
                let since = Instant::now();
                let body = command(&format!("pulse-{sent}"), &quota("vision")).to_string();
                let kind = "content-type: application/json\r\n";
                let answer = wire.ask("POST", "/v1/commands", kind, body.as_bytes());
                assert_eq!(answer.status, 200, "{answer:?}");
                assert_eq!(answer.json()["outcome"], "accepted", "{answer:?}");
                longest = longest.max(since.elapsed());
                sent += 1;
                std::thread::sleep(PAUSE);
            }
            (sent, longest)
        });
        Self { is_over, sender }
    }

    /// Ends it; fails when it was disturbed.
    #[track_caller]
    pub(crate) fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        let (sent, longest) = self.sender.join().unwrap();
        assert!(longest < LONGEST, "one of {sent} commands took {longest:?}");
    }
}
