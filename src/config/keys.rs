//! Reading TOML strictly: which keys there are is asked of the defaults.

use crate::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Edits between a key and the one that it was probably meant to be.
const EDITS_MAX: usize = 6;

/// Reads `text`, and refuses keys that `T` does not have.
pub(super) fn parse<T: DeserializeOwned + Serialize + Default>(text: &str) -> Result<T> {
    let wrong = |error: toml::de::Error| Error::invalid(placed(text, &error));
    let mut unknown = Vec::new();
    let document = toml::Deserializer::parse(text).map_err(wrong)?;
    let read = serde_ignored::deserialize(document, |path| unknown.push(path.to_string()));
    match (read, unknown.first()) {
        (Ok(read), None) => Ok(read),
        (_, Some(key)) => Err(Error::invalid(suggestion(key, &known(&T::default())))),
        (Err(error), None) => Err(Error::invalid(placed(text, &error))),
    }
}

/// What is wrong, and in which line.
fn placed(text: &str, error: &toml::de::Error) -> String {
    let message = error.message();
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message.to_owned(),
    }
}

fn suggestion(key: &str, known: &[String]) -> String {
    let own_part = |known: &str| known.rsplit('.').next().unwrap_or_default().to_owned();
    let last = own_part(key);
    let distance = |known: &&String| {
        let whole = strsim::damerau_levenshtein(key, known);
        // The right name in the wrong section is a slip, too.
        if own_part(known) == last { whole.min(1) } else { whole }
    };
    let nearest = known.iter().min_by_key(distance).filter(|known| distance(known) <= EDITS_MAX);
    match nearest {
        Some(nearest) => format!("there is no setting '{key}'; did you mean '{nearest}'?"),
        None => format!("there is no setting '{key}'; known keys: {}", known.join(", ")),
    }
}

/// Every key of a value, sections and what is in them. Optional ones that are not set are listed,
/// too, since the defaults are written with them.
fn known(defaults: &impl Serialize) -> Vec<String> {
    let mut keys = Vec::new();
    let value = serde_json::to_value(defaults).unwrap_or_default();
    collect("", &value, &mut keys);
    keys
}

fn collect(prefix: &str, value: &serde_json::Value, keys: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        collect(&path, value, keys);
        keys.push(path);
    }
}
