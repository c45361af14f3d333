//! Events of how a pool is shared.

use super::{preemption_rules, tariff};
use conclave_core::command::*;
use conclave_core::decision::*;
use conclave_core::units::*;

/// The commands that `decide_version` 3 brought.
pub(super) fn commands_of_shares() -> Vec<Payload> {
    vec![
        Payload::SetFairShare(SetFairShare { half_life_ms: Some(DurationMs(604_800_000)) }),
        Payload::SetPreemption(SetPreemption { rules: Some(preemption_rules()) }),
        Payload::TopUpBudget(TopUpBudget {
            tenant: "étoile".into(),
            gpu_hours: 1_000_000_000,
            window_at_ms: Some(TimeMs(1_700_000_000_000)),
            reason: "die Frist läuft ab".into(),
        }),
        Payload::SetTariff(tariff()),
        Payload::SetTenantParent(SetTenantParent {
            tenant: "étoile".into(),
            parent: "ciel".into(),
            lend_gpu_milli: Some(GpuMilli(1_500)),
        }),
        Payload::Reserve(Box::new(reserve())),
        Payload::CancelReservation(CancelReservation {
            reservation: "messe".into(),
            reason: "verschoben".into(),
        }),
    ]
}

/// The events that `decide_version` 3 brought.
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
        Event::ReservationMade(Box::new(ReservationMade {
            pool: pool(),
            operator: "ada".into(),
            reserve: reserve(),
            gpu_model: "A100".into(),
            replicas: vec![Placement { node: "gpu-0001".into(), gpus: vec![0, 7] }],
        })),
        Event::ReservationStarted(ReservationStarted { pool: pool(), reservation: "messe".into() }),
        Event::ReservationEnded(ReservationEnded { pool: pool(), reservation: "messe".into() }),
        Event::ReservationCancelled(ReservationCancelled {
            pool: pool(),
            reservation: "messe".into(),
            operator: "ada".into(),
            reason: "verschoben".into(),
        }),
        Event::LeaseLetPast(LeaseLetPast {
            pool: pool(),
            request: request(),
            protected: "r-9".into(),
            until_ms: TimeMs(1_700_000_120_000),
        }),
    ]
}

fn reserve() -> Reserve {
    Reserve {
        reservation: "messe".into(),
        tenant: "étoile".into(),
        start_ms: TimeMs(1_700_000_000_000),
        end_ms: TimeMs(1_700_086_400_000),
        gpu_models: vec!["A100".into(), "H100".into()],
        replicas: 2,
        gpu_count: 8,
        gpu_milli: GpuMilli(1_000),
        cpu_milli: CpuMilli(64_000),
        memory_mib: MemoryMib(512 * 1024),
        topology: Topology::SameGroup,
        reason: "die Messe".into(),
    }
}
