//! What a pool keeps about preemption.

use crate::command::PreemptionRules;
use crate::state::history::DAY_MS;
use crate::units::{Offset, RequestId, TimeMs};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The rules of a pool, and who waits for whose lease to end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preemption {
    /// Who may be preempted; nobody when none.
    pub rules: Option<PreemptionRules>,
    /// By request for whom, the leases that have notice.
    pub claims: BTreeMap<RequestId, Claim>,
    /// Waiting requests for whom all these leases have ended: they are looked at before all others,
    /// so that nobody takes the room that was made for them.
    pub served: BTreeSet<RequestId>,
}

/// Leases that end for one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// When that request arrived: another one may bear its name by the time they end.
    pub arrival: Offset,
    /// Whose leases.
    pub victims: BTreeSet<RequestId>,
}

/// How many leases of a tenant were preempted on one day of log time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreemptedOnDay {
    day: i64,
    count: i64,
}

impl Preemption {
    /// `victim` has notice because of `by`, which arrived at `arrival`.
    pub(crate) fn claim(&mut self, by: &RequestId, arrival: Offset, victim: &RequestId) {
        let empty = || Claim { arrival, victims: BTreeSet::new() };
        let claim = self.claims.entry(by.clone()).or_insert_with(empty);
        assert_eq!(claim.arrival, arrival, "leases end for another request of the name {by}");
        claim.victims.insert(victim.clone());
    }

    /// The lease of `victim` ended, in whatever way. When it was the last one that had to end for
    /// `by`, returns when that arrived.
    pub(crate) fn settle(&mut self, by: &RequestId, victim: &RequestId) -> Option<Offset> {
        let claim = self.claims.get_mut(by).expect("whoever has notice has it for somebody");
        assert!(claim.victims.remove(victim), "{victim} has no notice because of {by}");
        if !claim.victims.is_empty() {
            return None;
        }
        self.claims.remove(by).map(|claim| claim.arrival)
    }
}

impl PreemptedOnDay {
    /// How many on the day of `now`.
    #[must_use]
    pub fn on(&self, now: TimeMs) -> i64 {
        if now.0.div_euclid(DAY_MS.0) == self.day { self.count } else { 0 }
    }

    /// One more.
    pub(crate) fn add(&mut self, now: TimeMs) {
        let count = self.on(now) + 1;
        *self = Self { day: now.0.div_euclid(DAY_MS.0), count };
    }
}
