//! Leases that end for other requests: who may take whose place, as far as the decisions tell.

use super::request::{RequestBook, Stage};
use super::{Entry, PoolBook};
use conclave_core::decision::{LeasePreempted, PreemptionNoticed, PreemptionRight};

impl PoolBook {
    pub(super) fn notice(&mut self, event: &PreemptionNoticed, entry: &mut Entry<'_>) {
        let PreemptionNoticed { pool: _, request: id, by, by_tenant, right, ends_at_ms } = event;
        let found = self.requests.get(by).filter(|by| matches!(by.stage, Stage::Waiting));
        let Some(found) = found else {
            entry.cause(format!("'{id}' makes room for '{by}', which does not wait"));
            return;
        };
        let (priority, tenant) = (found.priority, found.tenant.clone());
        if tenant != *by_tenant {
            entry.cause(format!(
                "'{id}' makes room for '{by}' of '{by_tenant}', which is '{tenant}'s"
            ));
        }
        let Some(request) = self.requests.get_mut(id) else {
            entry.cause(format!("'{id}' makes room for '{by}', and nobody asked for it"));
            return;
        };
        if !request.preemptible {
            entry.cause(format!("'{id}' makes room for '{by}', and is not preemptible"));
        }
        if *right == PreemptionRight::Priority && request.priority >= priority {
            entry.cause(format!("'{id}' makes room for '{by}', whose priority is no higher"));
        }
        let Some(lease) = self.requests.get_mut(id).and_then(RequestBook::lease) else {
            entry.cause(format!("'{id}' makes room for '{by}', and holds nothing"));
            return;
        };
        if lease.ends_at_ms < *ends_at_ms || lease.makes_room_for.is_some() {
            entry.cause(format!("'{id}' is told once more, or later, that it ends"));
        }
        (lease.ends_at_ms, lease.makes_room_for) = (*ends_at_ms, Some(by.clone()));
    }

    pub(super) fn preempt(&mut self, event: &LeasePreempted, entry: &mut Entry<'_>) {
        let LeasePreempted { pool: _, request: id, by, by_tenant: _, count } = event;
        let Some(lease) = self.requests.get_mut(id).and_then(RequestBook::lease) else {
            entry.cause(format!("'{id}' made room for '{by}', and held nothing"));
            return;
        };
        let (ends_at_ms, told) = (lease.ends_at_ms, lease.makes_room_for.take());
        let replicas = std::mem::take(&mut lease.replicas);
        if told.as_ref() != Some(by) || entry.now < ends_at_ms {
            entry.cause(format!("'{id}' made room for '{by}' and had not been told, or not yet"));
        }
        self.free(id, &replicas, entry);
        let Some(request) = self.requests.get_mut(id) else { return };
        request.stage = Stage::Waiting;
        request.preemptions += 1;
        if request.preemptions != *count {
            let counted = request.preemptions;
            entry.cause(format!("'{id}' was preempted {counted} times, and {count} are said"));
        }
    }
}
