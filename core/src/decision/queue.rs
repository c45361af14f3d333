//! What becomes of a queue that one decision cannot work off.

use crate::units::{PoolId, RequestId, TimeMs};
use serde::{Deserialize, Serialize};

/// The queue was not worked off within one decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueCarriedOver {
    /// Whose queue.
    pub pool: PoolId,
}

/// The queue is worked off again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueCaughtUp {
    /// Whose queue.
    pub pool: PoolId,
}

/// A lease was granted past somebody who is protected, because it ends before he could start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseLetPast {
    /// Its pool.
    pub pool: PoolId,
    /// Whose lease.
    pub request: RequestId,
    /// Who is protected: of those whom it passed, the one who could start first.
    pub protected: RequestId,
    /// No later than he could: the lease is not renewed past that while he waits.
    pub until_ms: TimeMs,
}
