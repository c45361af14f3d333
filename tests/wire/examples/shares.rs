//! Events of how a pool is shared.

use super::{preemption_rules, tariff};
use conclave_core::command::{SetFairShare, SetPreemption};
use conclave_core::decision::*;
use conclave_core::units::*;

/// Those that `decide_version` 3 brought.
pub(super) fn events_of_shares() -> Vec<Event> {
    let (pool, request) = (|| PoolId::from("vision"), || RequestId::from("r-7"));
    vec![
        Event::FairShareSet(FairShareSet {
            pool: pool(),
            fair_share: SetFairShare { half_life_ms: None },
        }),
        Event::PreemptionSet(PreemptionSet {
            pool: pool(),
            preemption: SetPreemption { rules: Some(preemption_rules()) },
        }),
        Event::PreemptionNoticed(PreemptionNoticed {
            pool: pool(),
            request: request(),
            by: "r-9".into(),
            by_tenant: "étoile".into(),
            right: PreemptionRight::Guarantee,
            ends_at_ms: TimeMs(1_700_000_120_000),
        }),
        Event::LeasePreempted(LeasePreempted {
            pool: pool(),
            request: request(),
            by: "r-9".into(),
            by_tenant: "étoile".into(),
            count: 2,
        }),
        Event::BudgetToppedUp(BudgetToppedUp {
            pool: pool(),
            tenant: "étoile".into(),
            operator: "ada".into(),
            gpu_hours: 129,
            window_start_ms: TimeMs(1_699_920_000_000),
            reason: "die Frist läuft ab".into(),
        }),
        Event::BudgetAwaited(BudgetAwaited {
            pool: pool(),
            until_ms: Some(TimeMs(1_700_524_800_000)),
        }),
        Event::TariffSet(TariffSet { pool: pool(), tariff: tariff() }),
        Event::TenantParentSet(TenantParentSet {
            pool: pool(),
            tenant: "étoile".into(),
            parent: "".into(),
            lend_gpu_milli: None,
        }),
    ]
}
