//! Which command it is: a payload is an object with one name in it, or a bare name where there is
//! nothing more to say.

use super::inventory::{DrainNodeForm, RegisterNodeForm, RemoveNodeForm};
use super::object::Object;
use super::policy::{ActivateDeciderForm, OpenLogForm, SetPoolPolicyForm, SetQuotaForm, TickForm};
use super::work::{
    CancelRequestForm, ReleaseLeaseForm, RenewLeaseForm, RequestAllocationForm, ShrinkLeaseForm,
};
use conclave_core::command::{Actor, Payload};
use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use std::fmt;

/// A payload as it may be written. Boxed, because most payloads are small.
pub(super) enum PayloadForm {
    /// Nothing is missing.
    Whole(Box<Payload>),
    /// Who asks may still have to come from the actor.
    Request(Box<RequestAllocationForm>),
}

impl PayloadForm {
    /// The payload, its gaps filled from the `actor` of the command.
    pub(super) fn payload(self, actor: &Actor) -> Result<Payload, String> {
        match self {
            Self::Whole(payload) => Ok(*payload),
            Self::Request(form) => form.payload(actor),
        }
    }
}

/// The fields of one command.
pub(super) trait Form: DeserializeOwned {
    /// The payload, or what contradicts itself in it.
    fn payload(self) -> Result<Payload, String>;
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
            Name::Tick => Ok(PayloadForm::Whole(Box::new(Payload::Tick))),
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
        Name::OpenLog => whole::<OpenLogForm, _>(map),
        Name::ActivateDecider => whole::<ActivateDeciderForm, _>(map),
        Name::Tick => tick(map),
        Name::RegisterNode => whole::<RegisterNodeForm, _>(map),
        Name::DrainNode => whole::<DrainNodeForm, _>(map),
        Name::RemoveNode => whole::<RemoveNodeForm, _>(map),
        Name::SetQuota => whole::<SetQuotaForm, _>(map),
        Name::SetPoolPolicy => whole::<SetPoolPolicyForm, _>(map),
        Name::RequestAllocation => {
            let Object(form) = map.next_value()?;
            Ok(PayloadForm::Request(Box::new(form)))
        }
        Name::CancelRequest => whole::<CancelRequestForm, _>(map),
        Name::RenewLease => whole::<RenewLeaseForm, _>(map),
        Name::ShrinkLease => whole::<ShrinkLeaseForm, _>(map),
        Name::ReleaseLease => whole::<ReleaseLeaseForm, _>(map),
    }
}

/// Its fields are none: `{"Tick": {}}` and `{"Tick": null}` say what the bare name says.
fn tick<'de, A: MapAccess<'de>>(map: &mut A) -> Result<PayloadForm, A::Error> {
    let _: Option<Object<TickForm>> = map.next_value()?;
    Ok(PayloadForm::Whole(Box::new(Payload::Tick)))
}

fn whole<'de, F: Form, A: MapAccess<'de>>(map: &mut A) -> Result<PayloadForm, A::Error> {
    let payload = map.next_value::<Object<F>>()?.0.payload().map_err(A::Error::custom)?;
    Ok(PayloadForm::Whole(Box::new(payload)))
}
