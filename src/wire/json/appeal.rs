//! The fields of commands about what the council said.

use super::object::Object;
use super::payload::{Form, Gaps};
use super::work::RequestAllocationForm;
use conclave_core::command::{
    Appeal, OverrideAction, OverrideDecision, Payload, RequestAllocation,
};
use conclave_core::units::RequestId;
use serde::Deserialize;

/// What is asked for again, if it has to be said.
type Ask = Option<Object<RequestAllocationForm>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OverrideDecisionForm {
    request: RequestId,
    action: OverrideAction,
    reason: String,
    ask: Ask,
}

impl Form for OverrideDecisionForm {
    fn payload(self) -> Result<Payload, String> {
        let Self { request, action, reason, ask } = self;
        // An operator speaks for others: nothing is filled in from who sends it.
        match gaps(&ask) {
            Gaps { tenant: true, .. } => {
                return Err("missing field `tenant` in `ask`: say whose quota pays".to_owned());
            }
            Gaps { user: true, .. } => {
                return Err("missing field `user` in `ask`: say who asked".to_owned());
            }
            Gaps { tenant: false, user: false } => {}
        }
        let ask = asked(ask, &request)?;
        Ok(Payload::OverrideDecision(OverrideDecision { request, action, reason, ask }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AppealForm {
    request: RequestId,
    reason: String,
    ask: Ask,
}

impl Form for AppealForm {
    fn gaps(&self) -> Gaps {
        gaps(&self.ask)
    }

    fn payload(self) -> Result<Payload, String> {
        let Self { request, reason, ask } = self;
        let ask = asked(ask, &request)?;
        Ok(Payload::Appeal(Appeal { request, reason, ask }))
    }
}

fn gaps(ask: &Ask) -> Gaps {
    ask.as_ref().map(|Object(form)| form.gaps()).unwrap_or_default()
}

fn asked(ask: Ask, about: &RequestId) -> Result<Option<Box<RequestAllocation>>, String> {
    ask.map(|Object(form)| form.ask(Some(about)).map(Box::new)).transpose()
}
