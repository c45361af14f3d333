//! A request for GPUs from the day it is admitted to the end of its lease.

use super::bench::Said;
use super::ledger::Amounts;
use crate::command::RequestAllocation;
use crate::decision::{Placement, PreemptionRight};
use crate::units::{DurationMs, GpuMilli, GpuModel, MicroUsd, Offset, RequestId, TenantId, TimeMs};
use serde::{Deserialize, Serialize};

/// A live request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Offset of the command that asked: its place in the order among equals.
    pub arrival: Offset,
    /// When it asked.
    pub arrived_at_ms: TimeMs,
    /// What it asked.
    pub ask: RequestAllocation,
    /// How many votes it has had.
    pub attempts: i64,
    /// Whether somebody appealed: nobody does twice.
    pub is_appealed: bool,
    /// How often it was preempted.
    pub preemptions: i64,
    /// How often of these for requests of its own tenant.
    pub preemptions_by_own: i64,
    /// What the members of a council said of it when they last voted; none once the rules did.
    pub said: Option<Box<Said>>,
    /// Where it stands.
    pub stage: Stage,
}

/// Where a request stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Admitted by the event before; the next event of the same decision says what follows.
    Admitted,
    /// In the queue.
    Waiting {
        /// Since when.
        since_ms: TimeMs,
    },
    /// Put off by the council.
    Deferred {
        /// Until when.
        retry_at_ms: TimeMs,
    },
    /// Its next vote is taken when the next round opens.
    Due {
        /// When its timer was due.
        retry_at_ms: TimeMs,
    },
    /// It has its GPUs.
    Running(Lease),
}

/// A timed right to GPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Offset of the decision that last granted, shrank or renewed it.
    pub fencing: Offset,
    /// When it was granted.
    pub granted_at_ms: TimeMs,
    /// When it ends by itself.
    pub ends_at_ms: TimeMs,
    /// Model of its GPUs; empty for CPU only.
    pub gpu_model: GpuModel,
    /// Per replica, the price of a GPU-hour at the grant; empty in a pool without prices.
    pub hourly_micro_usd: Vec<MicroUsd>,
    /// Where its replicas sit.
    pub replicas: Vec<Placement>,
    /// For whom it ends before its time, when it does.
    pub notice: Option<Box<Notice>>,
    /// What of it was promised to others, and idle, when it was granted.
    pub loans: Vec<Loan>,
    /// Past whom it was granted, when somebody is protected.
    pub let_past: Option<Box<LetPast>>,
}

/// That a lease was granted past a protected request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetPast {
    /// Whose request that is.
    pub protected: RequestId,
    /// When that arrived: another one may bear its name by now.
    pub arrival: Offset,
    /// The lease is not renewed past that time while the request waits.
    pub until_ms: TimeMs,
}

/// What a lease borrowed of one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loan {
    /// Whose guarantee it is.
    pub lender: TenantId,
    /// How much.
    pub gpu_milli: GpuMilli,
}

/// That a lease ends for another request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// For whom.
    pub by: RequestId,
    /// Whose request that is.
    pub by_tenant: TenantId,
    /// By which right.
    pub right: PreemptionRight,
    /// Whether it ends earlier than by itself: then its request waits again.
    pub is_early: bool,
}

impl Lease {
    /// How long it was held, were it to end at `now`. Whatever command notices its end later, it
    /// ends when it was to end.
    #[must_use]
    pub fn held_until(&self, now: TimeMs) -> DurationMs {
        now.min(self.ends_at_ms).since(self.granted_at_ms)
    }

    /// What it borrowed.
    #[must_use]
    pub fn borrowed_gpu_milli(&self) -> GpuMilli {
        GpuMilli(self.loans.iter().map(|loan| loan.gpu_milli.0).sum())
    }

    /// Takes `given` off its loans, the last one first; returns what that gives back of each.
    pub(crate) fn repay(&mut self, given: GpuMilli) -> Vec<Loan> {
        let (mut left, mut repaid) = (given.0, Vec::new());
        while left > 0 {
            let Some(loan) = self.loans.last_mut() else { break };
            let part = loan.gpu_milli.0.min(left);
            let (lender, gpu_milli) = (loan.lender.clone(), GpuMilli(part));
            repaid.push(Loan { lender, gpu_milli });
            loan.gpu_milli.0 -= part;
            left -= part;
            if loan.gpu_milli.0 == 0 {
                self.loans.pop();
            }
        }
        repaid
    }
}

impl Request {
    /// How often it was preempted for requests of other tenants.
    #[must_use]
    pub fn preemptions_by_others(&self) -> i64 {
        self.preemptions - self.preemptions_by_own
    }

    /// Since when it waits for capacity, when it does.
    #[must_use]
    pub fn waits_since(&self) -> Option<TimeMs> {
        match self.stage {
            Stage::Waiting { since_ms } => Some(since_ms),
            Stage::Admitted | Stage::Deferred { .. } | Stage::Due { .. } | Stage::Running(_) => {
                None
            }
        }
    }

    /// Its lease, when it runs.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        match &self.stage {
            Stage::Running(lease) => Some(lease),
            Stage::Admitted
            | Stage::Waiting { .. }
            | Stage::Deferred { .. }
            | Stage::Due { .. } => None,
        }
    }

    pub(crate) fn lease_mut(&mut self) -> Option<&mut Lease> {
        match &mut self.stage {
            Stage::Running(lease) => Some(lease),
            Stage::Admitted
            | Stage::Waiting { .. }
            | Stage::Deferred { .. }
            | Stage::Due { .. } => None,
        }
    }

    /// GPUs that it holds now.
    ///
    /// # Panics
    /// Never: a gang is bounded.
    #[must_use]
    pub fn held_gpu_milli(&self) -> GpuMilli {
        GpuMilli(self.held_replicas() * self.ask.replica_gpu_milli().0)
    }

    /// What it holds now.
    ///
    /// # Panics
    /// Never: a gang is bounded.
    #[must_use]
    pub fn held_amounts(&self) -> Amounts {
        Amounts::of(&self.ask, self.held_replicas())
    }

    fn held_replicas(&self) -> i64 {
        let replicas = self.lease().map_or(0, |lease| lease.replicas.len());
        i64::try_from(replicas).expect("a gang is bounded")
    }
}

impl RequestAllocation {
    /// GPUs of one replica.
    #[must_use]
    pub fn replica_gpu_milli(&self) -> GpuMilli {
        GpuMilli(self.gpu_count * self.gpu_milli.0)
    }

    /// GPUs of the whole gang.
    #[must_use]
    pub fn total_gpu_milli(&self) -> GpuMilli {
        GpuMilli(self.replicas * self.replica_gpu_milli().0)
    }
}
