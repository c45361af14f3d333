//! What people say above or against the council.

use super::RequestAllocation;
use crate::units::RequestId;
use serde::{Deserialize, Serialize};

/// Sets an operator's word above the council's, or ends a request whatever its stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideDecision {
    /// Which request.
    pub request: RequestId,
    /// What is done with it.
    pub action: OverrideAction,
    /// Why; it stands in the decision.
    pub reason: String,
    /// To approve a request that is not live any more, say because the council denied it: what it
    /// asks for. Null for a live one, and to end one.
    pub ask: Option<Box<RequestAllocation>>,
}

/// What an operator does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideAction {
    /// It joins the queue, whatever the council says; hard rules stay.
    Approve,
    /// It ends: its waiting, or its lease.
    End,
}

/// Asks the council to look again, once per request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appeal {
    /// Which request: one that was put off, or that was denied lately.
    pub request: RequestId,
    /// Why, for people; it stands in the decision.
    pub reason: String,
    /// For a request that was denied: what it asks for. Null for one that was put off.
    pub ask: Option<Box<RequestAllocation>>,
}
