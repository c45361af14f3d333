//! Who looks at a report, and what that hides.

use conclave_core::blocker::Blocker;
use conclave_core::decision::{Event, LeasePreempted, PreemptionNoticed, TenantParentSet};
use conclave_core::state::Pool;
use conclave_core::units::{RequestId, ReservationId, TenantId};

/// Whom a report is for. What belongs to somebody else is counted and never named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// An operator, or whoever reads the log itself.
    Everything,
    /// A tenant: its own in full, the others' as counts.
    Tenant(TenantId),
}

/// What stands where the name of another tenant would.
pub const ANOTHER_TENANT: &str = "another tenant";

impl Viewer {
    /// Whether what belongs to `tenant` is shown in full.
    #[must_use]
    pub fn sees(&self, tenant: &TenantId) -> bool {
        match self {
            Self::Everything => true,
            Self::Tenant(own) => own == tenant,
        }
    }

    /// The tenant's name, or that it is another one.
    #[must_use]
    pub fn name_of(&self, tenant: &TenantId) -> String {
        if self.sees(tenant) { tenant.to_string() } else { ANOTHER_TENANT.to_owned() }
    }

    /// The same event, naming no request of anybody else, and no tenant above its own.
    #[must_use]
    pub fn hide_event(&self, mut event: Event) -> Event {
        if let Event::TenantParentSet(TenantParentSet { parent, .. }) = &mut event {
            if !parent.0.is_empty() {
                *parent = TenantId::from(self.name_of(parent));
            }
            return event;
        }
        // Whose request that is, the event does not say.
        if let (Event::LeaseLetPast(past), Self::Tenant(_)) = (&mut event, self) {
            past.protected = RequestId::from("a request that waits longer".to_owned());
        }
        let by = match &mut event {
            Event::PreemptionNoticed(PreemptionNoticed { by, by_tenant, .. })
            | Event::LeasePreempted(LeasePreempted { by, by_tenant, .. }) => (by, by_tenant),
            _ => return event,
        };
        if !self.sees(by.1) {
            *by.0 = RequestId::from(format!("a request of {ANOTHER_TENANT}"));
            *by.1 = TenantId::from(ANOTHER_TENANT);
        }
        event
    }

    /// The same blocker, naming no request of anybody else.
    #[must_use]
    pub fn hide(&self, pool: &Pool, blocker: Blocker) -> Blocker {
        let Blocker::BehindProtected { protected } = &blocker else {
            return self.hide_owner(blocker);
        };
        let is_seen = pool.request(protected).is_some_and(|request| self.sees(&request.ask.tenant));
        if is_seen {
            return blocker;
        }
        behind_another()
    }

    /// The same blocker, naming no other tenant whose limit it is, and no reservation, which is
    /// always another one's.
    #[must_use]
    pub fn hide_owner(&self, mut blocker: Blocker) -> Blocker {
        if let (Blocker::Reserved { reservation, .. }, Self::Tenant(_)) = (&mut blocker, self) {
            *reservation = ReservationId::from(format!("a reservation of {ANOTHER_TENANT}"));
        }
        if let Blocker::TenantLimit { tenant, .. } | Blocker::BorrowLimit { tenant, .. } =
            &mut blocker
        {
            *tenant = TenantId::from(self.name_of(tenant));
        }
        blocker
    }
}

/// What keeps a request back behind one whose name the viewer may not see.
#[must_use]
pub fn behind_another() -> Blocker {
    let protected = RequestId::from(format!("a request of {ANOTHER_TENANT}"));
    Blocker::BehindProtected { protected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_core::units::TimeMs;

    #[test]
    fn a_reservation_that_keeps_a_tenant_back_has_no_name_for_it() {
        let (start_ms, until_ms) = (TimeMs(1), TimeMs(2));
        let reservation = ReservationId::from("secret");
        let blocker = Blocker::Reserved { reservation, start_ms, until_ms };
        assert_eq!(Viewer::Everything.hide_owner(blocker.clone()), blocker);
        let hidden = Viewer::Tenant("a".into()).hide_owner(blocker);
        let Blocker::Reserved { reservation, .. } = hidden else { panic!("{hidden:?}") };
        assert_eq!(reservation.0.to_string(), "a reservation of another tenant");
    }
}
