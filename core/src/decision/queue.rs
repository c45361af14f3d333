//! What becomes of a queue that one decision cannot work off.

use crate::units::PoolId;
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
