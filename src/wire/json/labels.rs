//! Labels, which people like to write by name.

use super::object::Object;
use conclave_core::command::Label;
use conclave_core::limits::LABELS_MAX;
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Labels: `[{"name": "team", "value": "vision"}]` or `{"team": "vision"}`.
#[derive(Default)]
pub(super) struct Labels(pub(super) Vec<Label>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelForm {
    name: String,
    value: String,
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(EitherForm)
    }
}

struct EitherForm;

impl<'de> Visitor<'de> for EitherForm {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels such as {\"team\": \"vision\"}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Labels, A::Error> {
        let forms = Vec::<Object<LabelForm>>::deserialize(SeqAccessDeserializer::new(seq))?;
        let label = |Object(LabelForm { name, value })| Label { name, value };
        Ok(Labels(forms.into_iter().map(label).collect()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
        let mut labels: Vec<Label> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, String>()? {
            if labels.len() == LABELS_MAX {
                return Err(A::Error::custom(format!("at most {LABELS_MAX} labels")));
            }
            if labels.iter().any(|label| label.name == name) {
                return Err(A::Error::custom(format!("label `{name}` stands here twice")));
            }
            labels.push(Label { name, value });
        }
        Ok(Labels(labels))
    }
}
