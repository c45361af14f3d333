//! Events that somebody gave a reason for.

use crate::command::{NodeHealth, OverrideAction};
use crate::units::{NodeId, PoolId, RequestId, UserId};
use serde::{Deserialize, Serialize};

/// A node broke, or works again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeHealthChanged {
    /// Its pool.
    pub pool: PoolId,
    /// Which node.
    pub node: NodeId,
    /// How it is from now on.
    pub health: NodeHealth,
    /// What was seen, as reported.
    pub reason: String,
}

/// An operator set the council aside, or ended a request; the events after it say what followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionOverridden {
    /// The request's pool.
    pub pool: PoolId,
    /// Which request.
    pub request: RequestId,
    /// Who did it.
    pub operator: UserId,
    /// What was done.
    pub action: OverrideAction,
    /// Why.
    pub reason: String,
}

/// Somebody asked the council to look again; the events after it say what followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppealFiled {
    /// The request's pool.
    pub pool: PoolId,
    /// Which request.
    pub request: RequestId,
    /// Why.
    pub reason: String,
}
