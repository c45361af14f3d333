//! Whom the council denied lately: who may still appeal. What was asked is not kept, because the
//! decision that denied a newcomer does not hold it: an appeal brings it along.

use crate::limits::{DENIAL_WINDOW_MS, DENIALS_MAX};
use crate::units::{Offset, RequestId, TenantId, TimeMs};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The latest denials of a pool, one per name: at most [`DENIALS_MAX`], for [`DENIAL_WINDOW_MS`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denials {
    by_request: BTreeMap<RequestId, Denial>,
    oldest_first: BTreeSet<(Offset, RequestId)>,
}

/// A request that the council denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Whose request it was.
    pub tenant: TenantId,
    /// The decision that denied it.
    pub offset: Offset,
    /// When that was.
    pub at_ms: TimeMs,
    /// Whether somebody appealed, before or after: nobody does twice.
    pub is_appealed: bool,
}

impl Denials {
    /// What is remembered of a request at `now`.
    #[must_use]
    pub fn find(&self, request: &RequestId, now: TimeMs) -> Option<&Denial> {
        self.by_request.get(request).filter(|denial| !denial.is_too_old(now))
    }

    /// Those that can be found at `now`, by name.
    pub fn iter(&self, now: TimeMs) -> impl Iterator<Item = (&RequestId, &Denial)> {
        self.by_request.iter().filter(move |(_, denial)| !denial.is_too_old(now))
    }

    /// Remembers a denial and forgets those that no longer fit.
    pub(crate) fn remember(&mut self, request: RequestId, denial: Denial) {
        self.forget(&request);
        while let Some((_, oldest)) = self.oldest_first.first().cloned() {
            let is_old = self.by_request[&oldest].is_too_old(denial.at_ms);
            if !is_old && self.by_request.len() < DENIALS_MAX {
                break;
            }
            self.forget(&oldest);
        }
        self.oldest_first.insert((denial.offset, request.clone()));
        self.by_request.insert(request, denial);
    }

    /// Forgets a request, if it is remembered.
    pub(crate) fn forget(&mut self, request: &RequestId) {
        if let Some(denial) = self.by_request.remove(request) {
            self.oldest_first.remove(&(denial.offset, request.clone()));
        }
    }

    /// Notes that somebody appealed.
    ///
    /// # Panics
    /// When the request is not remembered: decide has found it.
    pub(crate) fn note_appeal(&mut self, request: &RequestId) {
        let denial = self.by_request.get_mut(request);
        let denial = denial.unwrap_or_else(|| panic!("nobody remembers that {request} was denied"));
        denial.is_appealed = true;
    }

    /// Whether both orders hold the same, and no more than they may.
    pub(crate) fn is_sound(&self) -> bool {
        let in_order = self.by_request.iter().map(|(id, denial)| (denial.offset, id.clone()));
        self.by_request.len() <= DENIALS_MAX
            && in_order.collect::<BTreeSet<_>>() == self.oldest_first
    }
}

impl Denial {
    fn is_too_old(&self, now: TimeMs) -> bool {
        self.at_ms.plus(DENIAL_WINDOW_MS) <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(offset: i64, at_ms: i64) -> Denial {
        let (tenant, offset, at_ms) = (TenantId::from("t"), Offset(offset), TimeMs(at_ms));
        Denial { tenant, offset, at_ms, is_appealed: false }
    }

    #[test]
    fn the_oldest_is_forgotten_when_there_are_too_many_or_its_time_is_over() {
        let mut denials = Denials::default();
        let name = |n: usize| RequestId::from(format!("r{n}"));
        for n in 0..=DENIALS_MAX {
            let at = i64::try_from(n).unwrap_or(0);
            denials.remember(name(n), denied(at, at));
            assert!(denials.is_sound());
        }
        assert_eq!(denials.find(&name(0), TimeMs(0)), None);
        assert!(denials.find(&name(1), TimeMs(DENIAL_WINDOW_MS.0)).is_some());
        assert_eq!(denials.find(&name(1), TimeMs(DENIAL_WINDOW_MS.0 + 1)), None);
        let late = DENIAL_WINDOW_MS.0 * 2;
        denials.remember(name(1), denied(5_000, late));
        assert_eq!(denials.by_request.len(), 1);
        denials.note_appeal(&name(1));
        assert!(denials.is_sound() && denials.iter(TimeMs(late)).all(|(_, one)| one.is_appealed));
    }
}
