//! Who decides: first come, first served in three ways, and the rules of a whole pool.

use crate::demo::Workload;
use conclave_core::command::{
    Payload, PlacementPolicy, PreemptionRules, SetFairShare, SetPreemption,
};
use conclave_core::limits::GPU_MILLI_WHOLE;
use conclave_core::units::{DurationMs, GpuMilli};
use serde::Serialize;

const HOUR_MS: i64 = 3_600_000;
/// What every job has where it is of no account who it is.
const PRIORITY: i64 = 5;

/// A way to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rules {
    /// By arrival, and nobody passes the first who waits for the same models; nodes by best fit.
    Fifo,
    /// By arrival, smaller ones pass until somebody has waited six hours; nodes by best fit.
    BestFit,
    /// The same; nodes by FGD.
    Fgd,
    /// A whole pool's: fair share, and priorities and preemption where the trace has them; nodes by
    /// the policy called default.
    Default,
}

impl Rules {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Fifo, Self::BestFit, Self::Fgd, Self::Default];

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::BestFit => "best-fit + fifo",
            Self::Fgd => "fgd + fifo",
            Self::Default => "default",
        }
    }

    /// Has `workload` decided like this, and says what else is sent before the first arrival.
    pub(super) fn apply(self, workload: &mut Workload) -> Vec<Payload> {
        workload.policy.placement = match self {
            Self::Fifo | Self::BestFit => PlacementPolicy::BestFit,
            Self::Fgd => PlacementPolicy::Fgd,
            Self::Default => PlacementPolicy::Default,
        };
        // Nothing is kept free for anybody, and anybody may have all: for all rules alike.
        let all = workload.nodes.iter().map(|node| node.gpu_count * GPU_MILLI_WHOLE).sum();
        for quota in &mut workload.quotas {
            (quota.guarantee_gpu_milli, quota.limit_gpu_milli) = (GpuMilli(0), GpuMilli(all));
        }
        if self == Self::Default {
            let has_preemptible = workload.arrivals.iter().any(|one| one.ask.preemptible);
            return pool_rules(has_preemptible);
        }
        if self == Self::Fifo {
            workload.policy.wait_bound_ms = DurationMs(0);
        }
        for arrival in &mut workload.arrivals {
            (arrival.ask.priority, arrival.ask.preemptible) = (PRIORITY, false);
        }
        vec![]
    }
}

/// Fair share with a half-life of a day; whoever may be interrupted is, after ten minutes at the
/// least and with a minute's notice, at most three times.
fn pool_rules(has_preemptible: bool) -> Vec<Payload> {
    let half_life_ms = Some(DurationMs(24 * HOUR_MS));
    let fair_share = Payload::SetFairShare(SetFairShare { half_life_ms });
    let rules = PreemptionRules {
        min_run_ms: DurationMs(HOUR_MS / 6),
        grace_ms: DurationMs(HOUR_MS / 60),
        per_request: 3,
        per_tenant_and_day: 1_000,
    };
    let preemption = Payload::SetPreemption(SetPreemption { rules: Some(rules) });
    std::iter::once(fair_share).chain(has_preemptible.then_some(preemption)).collect()
}
