//! Which command it is: a payload is an object with one name in it, or a bare name where there is
//! nothing more to say.

use super::appeal::{AppealForm, OverrideDecisionForm};
use super::inventory::{DrainNodeForm, RegisterNodeForm, RemoveNodeForm, ReportNodeHealthForm};
use super::object::Object;
use super::policy::{
    ActivateCouncilForm, ActivateDeciderForm, OpenLogForm, SetFairShareForm, SetPoolPolicyForm,
    SetPreemptionForm, SetQuotaForm, SetTariffForm, SetTenantParentForm, TickForm, TopUpBudgetForm,
};
use super::reservation::{CancelReservationForm, ReserveForm};
use super::work::{
    CancelRequestForm, ReleaseLeaseForm, RenewLeaseForm, RequestAllocationForm, ShrinkLeaseForm,
};
use conclave_core::command::{Actor, Payload, RequestAllocation};
use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use std::fmt;

/// A payload as it may be written.
pub(super) struct PayloadForm {
    /// Boxed, because most payloads are small.
    payload: Box<Payload>,
    gaps: Gaps,
}

/// What a request left to the actor of its command.
#[derive(Clone, Copy, Default)]
pub(super) struct Gaps {
    /// Whose quota pays.
    pub(super) tenant: bool,
    /// Who asks.
    pub(super) user: bool,
}

/// The fields of one command.
pub(super) trait Form: DeserializeOwned {
    /// What is still to be filled in what [`Self::payload`] makes.
    fn gaps(&self) -> Gaps {
        Gaps::default()
    }

    /// The payload, or what contradicts itself in it.
    fn payload(self) -> Result<Payload, String>;
}

impl PayloadForm {
    /// The payload, its gaps filled from the `actor` of the command.
    pub(super) fn payload(mut self, actor: &Actor) -> Result<Payload, String> {
        let Gaps { tenant, user } = self.gaps;
        if tenant && actor.tenant.0.is_empty() {
            return Err("missing field `tenant`: say whose quota pays".to_owned());
        }
        if let Some(ask) = asked(&mut self.payload) {
            if tenant {
                ask.tenant = actor.tenant.clone();
            }
            if user {
                ask.user = actor.user.clone();
            }
        }
        Ok(*self.payload)
    }

    fn whole(payload: Payload) -> Self {
        Self { payload: Box::new(payload), gaps: Gaps::default() }
    }
}

/// The names of all commands, as people type them.
#[derive(Clone, Copy, Deserialize)]
enum Name {
    OpenLog,
    ActivateDecider,
    Tick,
    RegisterNode,
    DrainNode,
    RemoveNode,
    SetQuota,
    SetPoolPolicy,
    RequestAllocation,
    CancelRequest,
    RenewLease,
    ShrinkLease,
    ReleaseLease,
    ReportNodeHealth,
    OverrideDecision,
    Appeal,
    ActivateCouncil,
    SetFairShare,
    SetPreemption,
    TopUpBudget,
    SetTariff,
    SetTenantParent,
    Reserve,
    CancelReservation,
}

/// What a sender may ask for in its own name.
fn asked(payload: &mut Payload) -> Option<&mut RequestAllocation> {
    match payload {
        Payload::RequestAllocation(ask) => Some(ask),
        Payload::Appeal(appeal) => appeal.ask.as_deref_mut(),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for PayloadForm {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Named)
    }
}

struct Named;

impl<'de> Visitor<'de> for Named {
    type Value = PayloadForm;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a payload such as {\"CancelRequest\": {…}}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PayloadForm, E> {
        let name: StrDeserializer<'_, E> = text.into_deserializer();
        match Name::deserialize(name)? {
            Name::Tick => Ok(PayloadForm::whole(Payload::Tick)),
            _ => Err(E::custom(format!("{text} has fields: write {{\"{text}\": {{…}}}}"))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PayloadForm, A::Error> {
        let Some(name) = map.next_key::<Name>()? else {
            return Err(A::Error::custom("the payload is empty: it names one command"));
        };
        let form = fields(name, &mut map)?;
        match map.next_key::<String>()? {
            None => Ok(form),
            Some(_) => Err(A::Error::custom("a second name in one payload: send two commands")),
        }
    }
}

fn fields<'de, A: MapAccess<'de>>(name: Name, map: &mut A) -> Result<PayloadForm, A::Error> {
    match name {
        Name::OpenLog => form::<OpenLogForm, _>(map),
        Name::ActivateDecider => form::<ActivateDeciderForm, _>(map),
        Name::Tick => tick(map),
        Name::RegisterNode => form::<RegisterNodeForm, _>(map),
        Name::DrainNode => form::<DrainNodeForm, _>(map),
        Name::RemoveNode => form::<RemoveNodeForm, _>(map),
        Name::SetQuota => form::<SetQuotaForm, _>(map),
        Name::SetPoolPolicy => form::<SetPoolPolicyForm, _>(map),
        Name::RequestAllocation => form::<RequestAllocationForm, _>(map),
        Name::CancelRequest => form::<CancelRequestForm, _>(map),
        Name::RenewLease => form::<RenewLeaseForm, _>(map),
        Name::ShrinkLease => form::<ShrinkLeaseForm, _>(map),
        Name::ReleaseLease => form::<ReleaseLeaseForm, _>(map),
        Name::ReportNodeHealth => form::<ReportNodeHealthForm, _>(map),
        Name::OverrideDecision => form::<OverrideDecisionForm, _>(map),
        Name::Appeal => form::<AppealForm, _>(map),
        Name::ActivateCouncil => form::<ActivateCouncilForm, _>(map),
        Name::SetFairShare => form::<SetFairShareForm, _>(map),
        Name::SetPreemption => form::<SetPreemptionForm, _>(map),
        Name::TopUpBudget => form::<TopUpBudgetForm, _>(map),
        Name::SetTariff => form::<SetTariffForm, _>(map),
        Name::SetTenantParent => form::<SetTenantParentForm, _>(map),
        Name::Reserve => form::<ReserveForm, _>(map),
        Name::CancelReservation => form::<CancelReservationForm, _>(map),
    }
}

/// Its fields are none: `{"Tick": {}}` and `{"Tick": null}` say what the bare name says.
fn tick<'de, A: MapAccess<'de>>(map: &mut A) -> Result<PayloadForm, A::Error> {
    let _: Option<Object<TickForm>> = map.next_value()?;
    Ok(PayloadForm::whole(Payload::Tick))
}

fn form<'de, F: Form, A: MapAccess<'de>>(map: &mut A) -> Result<PayloadForm, A::Error> {
    let Object(form) = map.next_value::<Object<F>>()?;
    let gaps = form.gaps();
    let payload = form.payload().map_err(A::Error::custom)?;
    Ok(PayloadForm { payload: Box::new(payload), gaps })
}
