//! As much of a state as one command can reach, to be tried on.

use crate::limits::{DUE_VOTES_MAX, DUPLICATE_WINDOW_MS_MAX, POOLS_MAX};
use crate::state::{DuplicateWindow, Pool, State};
use crate::units::{Hash16, PoolId, TimeMs};
use std::collections::BTreeSet;

impl State {
    /// A copy to decide one command about `pool` on at `now`: that pool, and the pools where
    /// something happens by itself before or after the command. Of the duplicate windows it has
    /// `id_hash` at the most, because a full one holds a million ids.
    ///
    /// What is decided on the copy is what would be decided on the state, for that one command.
    #[must_use]
    pub fn for_plan(&self, pool: &PoolId, now: TimeMs, id_hash: Option<Hash16>) -> Self {
        let names = self.within_reach(pool, now);
        let copied = |name: &PoolId| {
            let id_hash = id_hash.filter(|_| name == pool);
            Some((name.clone(), self.pools.get(name)?.for_plan(id_hash, now)))
        };
        let timers = self.timers.iter().filter(|timer| names.contains(&timer.pool));
        Self {
            partition: self.partition,
            log: self.log.clone(),
            decide_version: self.decide_version,
            council: self.council,
            bench: self.bench.clone(),
            time_ms: self.time_ms,
            covered: self.covered,
            pools: names.iter().filter_map(copied).collect(),
            timers: timers.cloned().collect(),
            due: self.due.iter().filter(|due| names.contains(&due.pool)).cloned().collect(),
            carried_over: self.carried_over.clone(),
        }
    }

    fn within_reach(&self, pool: &PoolId, now: TimeMs) -> BTreeSet<PoolId> {
        let is_new = !self.pools.contains_key(pool);
        if is_new && self.pools.len() >= POOLS_MAX {
            // How many pools there are is a bound that it meets.
            return self.pools.keys().cloned().collect();
        }
        let overdue = self.timers.iter().take_while(|timer| timer.at_ms <= now);
        let mut names: BTreeSet<PoolId> = overdue.map(|timer| timer.pool.clone()).collect();
        names.extend(self.due.iter().take(DUE_VOTES_MAX).map(|due| due.pool.clone()));
        names.extend(self.carried_over.iter().cloned());
        names.insert(pool.clone());
        names
    }
}

impl Pool {
    fn for_plan(&self, id_hash: Option<Hash16>, now: TimeMs) -> Self {
        let mut duplicates = DuplicateWindow::new(2, DUPLICATE_WINDOW_MS_MAX);
        if let Some(seen) = id_hash.and_then(|id_hash| self.duplicates.find(id_hash, now)) {
            duplicates.remember(seen);
        }
        Self {
            policy: self.policy.clone(),
            fleet: self.fleet.clone(),
            placer: self.placer.clone(),
            tenants: self.tenants.clone(),
            requests: self.requests.clone(),
            queue: self.queue.clone(),
            deferred_count: self.deferred_count,
            guarantees: self.guarantees,
            unused_guarantees: self.unused_guarantees,
            duplicates,
            denials: self.denials.clone(),
            half_life_ms: self.half_life_ms,
            preemption: self.preemption.clone(),
            tariff: self.tariff.clone(),
            preemptible: self.preemptible.clone(),
            budget_look_ms: self.budget_look_ms,
            lendable: self.lendable,
            borrowed: self.borrowed,
            reservations: self.reservations.clone(),
            lease_ends: self.lease_ends.clone(),
        }
    }
}
