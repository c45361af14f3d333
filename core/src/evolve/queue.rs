//! What the events of the queue do to the state.

use crate::decision::LeaseLetPast;
use crate::state::{LetPast, State};

impl State {
    pub(super) fn let_past(&mut self, past: &LeaseLetPast) {
        let LeaseLetPast { pool, request, protected, until_ms } = past;
        let arrival = self.pool(pool).requests[protected].arrival;
        let (protected, until_ms) = (protected.clone(), *until_ms);
        let lease = self.lease_mut(pool, request);
        lease.let_past = Some(Box::new(LetPast { protected, arrival, until_ms }));
    }
}
