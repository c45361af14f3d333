//! Why waiting requests wait, looked up as seldom as the answer allows.
//!
//! Requests of one group differ in arrival only, and of all reasons to wait only a protected
//! request asks for that: it keeps back whoever came after it. So when the first and the last of a
//! group wait for the same reason, everybody between them does.

use super::data::Kind;
use conclave_core::blocker::{Blocker, Blockers};
use conclave_core::state::{Group, Pool, State, Waiter};
use conclave_core::units::{Offset, PoolId, RequestId};
use std::collections::BTreeMap;

/// What the groups of a pool wait for, as last looked up.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    of_group: BTreeMap<Group, Kind>,
    looks: u64,
}

type Waiters = BTreeMap<Offset, Waiter>;

impl Waiting {
    /// How often a reason was looked up so far.
    pub(super) fn looks(&self) -> u64 {
        self.looks
    }

    /// Tells `note` the reason of each newcomer that waits still.
    pub(super) fn look_at_newcomers(
        &mut self,
        state: &State,
        pool_id: &PoolId,
        newcomers: &[RequestId],
        mut note: impl FnMut(&RequestId, &Blocker),
    ) {
        if newcomers.is_empty() {
            return;
        }
        let (pool, blockers) = (state.pool(pool_id), Blockers::of(state, pool_id));
        for id in newcomers {
            self.look(pool, &blockers, id, &mut note);
        }
    }

    /// Tells `note` the reasons of all whose reason may be another than before.
    pub(super) fn look_at_all(
        &mut self,
        state: &State,
        pool_id: &PoolId,
        mut note: impl FnMut(&RequestId, &Blocker),
    ) {
        let (pool, blockers) = (state.pool(pool_id), Blockers::of(state, pool_id));
        for (group, waiters) in pool.queue.groups() {
            let kind = self.common_kind(pool, &blockers, waiters);
            let before = match kind {
                Some(kind) if self.of_group.get(group) == Some(&kind) => continue,
                Some(kind) => self.of_group.insert(group.clone(), kind),
                None => self.of_group.remove(group),
            };
            debug_assert!(before != kind || kind.is_none(), "a known reason is passed over");
            for waiter in waiters.values() {
                self.look(pool, &blockers, &waiter.request, &mut note);
            }
        }
    }

    /// What the whole group waits for, if that is one thing.
    fn common_kind(
        &mut self,
        pool: &Pool,
        blockers: &Blockers<'_>,
        waiters: &Waiters,
    ) -> Option<Kind> {
        let first = waiters.first_key_value().map(|(_, waiter)| &waiter.request)?;
        let last = waiters.last_key_value().map(|(_, waiter)| &waiter.request)?;
        let kind = self.kind(pool, blockers, first)?;
        if kind == Kind::Behind || first == last {
            return Some(kind);
        }
        (self.kind(pool, blockers, last) == Some(kind)).then_some(kind)
    }

    fn kind(&mut self, pool: &Pool, blockers: &Blockers<'_>, id: &RequestId) -> Option<Kind> {
        self.looks += 1;
        blockers.blocker(pool.request(id)?).as_ref().map(Kind::of)
    }

    fn look(
        &mut self,
        pool: &Pool,
        blockers: &Blockers<'_>,
        id: &RequestId,
        note: &mut impl FnMut(&RequestId, &Blocker),
    ) {
        self.looks += 1;
        if let Some(blocker) = pool.request(id).and_then(|request| blockers.blocker(request)) {
            note(id, &blocker);
        }
    }
}
