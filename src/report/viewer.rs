//! Who looks at a report, and what that hides.

use conclave_core::blocker::Blocker;
use conclave_core::decision::{Event, LeasePreempted, PreemptionNoticed, TenantParentSet};
use conclave_core::state::Pool;
use conclave_core::units::{RequestId, TenantId};

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
            return self.hide_limit(blocker);
        };
        let is_seen = pool.request(protected).is_some_and(|request| self.sees(&request.ask.tenant));
        if is_seen {
            return blocker;
        }
        behind_another()
    }

    /// The same blocker, naming no other tenant whose limit it is.
    #[must_use]
    pub fn hide_limit(&self, mut blocker: Blocker) -> Blocker {
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
