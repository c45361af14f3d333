//! A command's id is acted upon once: what the decisions say was remembered, kept anew.

use super::digits::Digits;
use super::findings::Findings;
use super::rule::Rule;
use conclave_core::command::OpenLog;
use conclave_core::decision::{Decision, Event, Outcome, Remembered};
use conclave_core::input::{Content, Input};
use conclave_core::limits::{DUPLICATE_IDS_MAX, DUPLICATE_WINDOW_MS_MAX};
use conclave_core::units::{Hash16, Offset, PoolId, TimeMs};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Which ids are remembered, per pool. As many as the log was opened for, and no more.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Once {
    opened: Option<OpenLog>,
    pools: BTreeMap<PoolId, Window>,
}

/// Kept between runs as what came, in order.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "VecDeque<Came>")]
struct Window {
    by_id: HashMap<[u8; 16], Seen>,
    /// In the order in which they came; the oldest is forgotten first.
    in_order: VecDeque<Came>,
}

/// An id, and what answered it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Came {
    id_hash: Digits<Hash16>,
    seen: Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    offset: Offset,
    time_ms: TimeMs,
}

impl Once {
    /// Checks what a decision makes of its command's id, and remembers what it says to remember.
    pub(super) fn check(
        &mut self,
        decision: &Decision,
        input: Option<&Input>,
        findings: &mut Findings,
    ) {
        self.note_events(decision);
        let digests = input.and_then(digests);
        if let (Some(kept), Some(due)) = (decision.remembered, digests)
            && kept != due
        {
            findings.add(Rule::Once, "it remembers another id or payload than its command has");
        }
        let Some(id_hash) = digests.or(decision.remembered).map(|digests| digests.id_hash) else {
            return;
        };
        let seen = self.find(&decision.pool, id_hash, decision.time_ms);
        let (first, id) = (seen.map(|seen| seen.offset), &decision.command_id);
        match (&decision.outcome, first) {
            (Outcome::Duplicate(duplicate), _) if first != Some(duplicate.first_offset) => {
                let named = duplicate.first_offset;
                let sentence =
                    format!("it says that '{id}' was answered at {named}: it was not remembered");
                findings.add(Rule::Once, sentence);
            }
            (Outcome::Accepted, Some(first)) => {
                let sentence = format!("'{id}' was answered at {first} and is acted upon again");
                findings.add(Rule::Once, sentence);
            }
            _ if first.is_some() && decision.remembered.is_some() => {
                let sentence = format!("'{id}' is remembered twice");
                findings.add(Rule::Once, sentence);
            }
            _ => {}
        }
        if decision.remembered.is_some() {
            self.remember(decision, id_hash);
        }
    }

    fn note_events(&mut self, decision: &Decision) {
        for event in &decision.events {
            match event {
                Event::LogOpened(opened) => self.opened = Some(opened.log.clone()),
                Event::PoolPolicySet(set) => {
                    self.pools.entry(set.pool.clone()).or_default();
                }
                _ => {}
            }
        }
    }

    fn find(&self, pool: &PoolId, id_hash: Hash16, now: TimeMs) -> Option<Seen> {
        let seen = *self.pools.get(pool)?.by_id.get(&id_hash.0)?;
        (!self.is_too_old(seen, now)).then_some(seen)
    }

    fn is_too_old(&self, seen: Seen, now: TimeMs) -> bool {
        let window =
            self.opened.as_ref().map_or(DUPLICATE_WINDOW_MS_MAX, |log| log.duplicate_window_ms);
        seen.time_ms.0.saturating_add(window.0) <= now.0
    }

    fn remember(&mut self, decision: &Decision, id_hash: Hash16) {
        let ids_max = self.opened.as_ref().map_or(DUPLICATE_IDS_MAX, |log| log.duplicate_ids);
        let ids_max = usize::try_from(ids_max).unwrap_or(0);
        let seen = Seen { offset: decision.offset, time_ms: decision.time_ms };
        let Some(mut window) = self.pools.remove(&decision.pool) else { return };
        while let Some(&Came { seen: oldest, .. }) = window.in_order.front()
            && (window.in_order.len() >= ids_max || self.is_too_old(oldest, seen.time_ms))
        {
            window.forget_oldest();
        }
        if ids_max > 0 {
            window.push(Came { id_hash: Digits(id_hash), seen });
        }
        self.pools.insert(decision.pool.clone(), window);
    }
}

impl From<VecDeque<Came>> for Window {
    fn from(came: VecDeque<Came>) -> Self {
        let mut window = Self::default();
        came.into_iter().for_each(|came| window.push(came));
        window
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.in_order.serialize(to)
    }
}

impl Window {
    fn push(&mut self, came: Came) {
        self.in_order.push_back(came);
        self.by_id.insert(came.id_hash.0.0, came.seen);
    }

    fn forget_oldest(&mut self) {
        let Some(Came { id_hash: Digits(id_hash), seen: oldest }) = self.in_order.pop_front()
        else {
            return;
        };
        // An id that was remembered twice stands for the later one.
        if self.by_id.get(&id_hash.0) == Some(&oldest) {
            self.by_id.remove(&id_hash.0);
        }
    }
}

fn digests(input: &Input) -> Option<Remembered> {
    match &input.content {
        Content::Readable { digests, .. } => Some(*digests),
        Content::Unreadable(_) => None,
    }
}
