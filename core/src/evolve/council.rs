//! What the council's events do to the state.

use crate::command::CouncilMode;
use crate::council::Features;
use crate::council::features::Ended;
use crate::decision::{
    CouncilActivated, CouncilRemembered, CouncilVoted, CouncilWeighed, LeaseEnded,
};
use crate::state::memory::Outcome;
use crate::state::{Bench, Memory, Said, State};

impl State {
    pub(super) fn hear(&mut self, voted: &CouncilVoted) {
        let seated = self.council;
        assert_eq!(seated, Some(voted.model), "who voted on {} does not sit", voted.request);
        self.bench.note_vote(voted);
        let said = Box::new(Said::of(voted));
        self.count_vote(&voted.pool, &voted.request, voted.attempt, Some(said));
    }

    /// What one council remembers means nothing to another, and what its members earned neither.
    pub(super) fn seat_council(&mut self, activated: &CouncilActivated) {
        self.council = activated.model;
        self.bench = Bench::default();
        let tenants = self.pools.values_mut().flat_map(|pool| pool.tenants.values_mut());
        tenants.for_each(|tenant| tenant.memory = Memory::default());
    }

    pub(super) fn remember(&mut self, remembered: &CouncilRemembered) {
        let CouncilRemembered { pool, tenant, stepped_at_ms, heard, words } = remembered;
        self.bench.note_state(words);
        let tenant = self.pool_mut(pool).tenant_mut(tenant);
        tenant.memory.step(words, *stepped_at_ms, *heard);
    }

    /// The lease is still there.
    pub(super) fn weigh(&mut self, weighed: &CouncilWeighed) {
        self.bench.weigh(weighed);
        let at_ms = self.time_ms;
        let pool = self.pool_mut(&weighed.pool);
        let tenant = pool.requests[&weighed.request].ask.tenant.clone();
        pool.tenant_mut(&tenant).memory.weighed_at_ms = Some(at_ms);
    }

    /// Keeps what the council will be told of a lease that ends, as the pool stands while the lease
    /// still holds its GPUs.
    pub(super) fn tell_of(&mut self, ended: &LeaseEnded) {
        let at_ms = self.time_ms;
        let pool = self.pool_mut(&ended.pool);
        if pool.policy.council == CouncilMode::Off {
            return;
        }
        let request = &pool.requests[&ended.request];
        let told = Ended::of(request, ended, at_ms).expect("lease_mut finds it next");
        let features = Features::of_outcome(pool, &told, at_ms);
        let tenant = request.ask.tenant.clone();
        pool.tenant_mut(&tenant).memory.note(Outcome { at_ms, features });
    }
}
