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

    /// Tells `note` the reason of each newcomer that waits still and, when `all` are asked for, of
    /// everybody whose reason may be another than before.
    pub(super) fn look(
        &mut self,
        state: &State,
        pool_id: &PoolId,
        (newcomers, all): (&[RequestId], bool),
        mut note: impl FnMut(&RequestId, &Blocker),
    ) {
        let pool = state.pool(pool_id);
        if pool.queue.is_empty() || (newcomers.is_empty() && !all) {
            return;
        }
        let blockers = Blockers::of(state, pool_id);
        // To find out who is protected, everybody who waits is passed, a little each.
        self.looks += pool.queue.len().unsigned_abs() / 8;
        for id in newcomers {
            self.look_at(pool, &blockers, id, &mut note);
        }
        if all {
            self.look_at_all(pool, &blockers, &mut note);
        }
    }

    fn look_at_all(
        &mut self,
        pool: &Pool,
        blockers: &Blockers<'_>,
        note: &mut impl FnMut(&RequestId, &Blocker),
    ) {
        for (group, waiters) in pool.queue.groups() {
            match self.common_kind(pool, blockers, waiters) {
                Some(kind) if self.of_group.get(&**group) == Some(&kind) => continue,
                Some(kind) => self.of_group.insert(Group::clone(group), kind),
                None => self.of_group.remove(&**group),
            };
            for waiter in waiters.values() {
                self.look_at(pool, blockers, &waiter.request, note);
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

    fn look_at(
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
