//! How long the jobs of an import waited.

use conclave_core::decision::{Decision, Event, Outcome};
use conclave_core::units::{DurationMs, RequestId, TimeMs};
use std::collections::BTreeMap;

/// How long jobs waited until they were granted, over the whole log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    asked: BTreeMap<RequestId, TimeMs>,
    /// Jobs that were granted in the very decision that asked for them, or at the same time.
    pub at_once: u64,
    /// Jobs that were granted later.
    pub later: u64,
    /// Which of these waited longest, and how long.
    pub longest: Option<(DurationMs, RequestId)>,
}

impl Waits {
    /// Learns what was decided.
    pub fn see(&mut self, decision: &Decision) {
        if decision.kind == "RequestAllocation" && matches!(decision.outcome, Outcome::Accepted) {
            self.asked.insert(decision.request.clone(), decision.time_ms);
        }
        for event in &decision.events {
            match event {
                Event::LeaseGranted(granted) => {
                    self.grant(granted.request.clone(), decision.time_ms);
                }
                Event::RequestEnded(ended) => {
                    self.asked.remove(&ended.request);
                }
                _ => {}
            }
        }
    }

    fn grant(&mut self, request: RequestId, now: TimeMs) {
        let Some(asked) = self.asked.remove(&request) else { return };
        let waited = DurationMs(now.0 - asked.0);
        if waited.0 == 0 {
            self.at_once += 1;
            return;
        }
        self.later += 1;
        if self.longest.as_ref().is_none_or(|(longest, _)| waited > *longest) {
            self.longest = Some((waited, request));
        }
    }

    /// A request worth asking about: the one that waits longest still, else the one that waited
    /// longest.
    #[must_use]
    pub fn worth_asking(&self) -> Option<&RequestId> {
        let waiting = self.asked.iter().min_by_key(|(_, asked)| **asked).map(|(id, _)| id);
        waiting.or_else(|| self.longest.as_ref().map(|(_, id)| id))
    }
}
