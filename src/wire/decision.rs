//! Decisions: the body is the bare datum, and the hash chain covers it byte for byte.
//!
//! A body names no schema. Its first field does: `decide_version` is also the version of the schema
//! that wrote it, so a body can be read without anything beside it.

use super::datum::{read, write};
use super::schemas::{DECISION_READER, Versioned};
use crate::error::{Error, Result};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use conclave_core::decision::{Decision, Event};
use conclave_core::limits::{DECIDE_VERSION_NEWEST, DECISION_BYTES_MAX, knows_version};
use conclave_core::units::Hash32;
use std::sync::LazyLock;

/// Bytes of most bodies: what a buffer starts with.
const BODY_BYTES_USUAL: usize = 512;

/// The body of `decision`.
///
/// # Panics
/// When the decision was made by another version's rules, or is larger than the core's bound
/// allows: the core counted wrong.
#[must_use]
pub fn encode_decision(decision: &Decision) -> Vec<u8> {
    assert!(is_known(decision), "a decision is written by the schema of its own version");
    let mut body = Vec::with_capacity(BODY_BYTES_USUAL);
    write(decision, &mut body);
    let bytes = body.len();
    assert!(bytes <= DECISION_BYTES_MAX, "{bytes} bytes: the core bounds decisions by less");
    body
}

/// The decision that `body` holds.
///
/// # Errors
/// `Unavailable` when another version of the rules wrote it; `Corrupt` when it is not what
/// [`encode_decision`] writes.
pub fn decode_decision(body: &[u8]) -> Result<Decision> {
    let corrupt = |why: String| Error::corrupt(format!("a decision cannot be read: {why}"));
    if body.len() > DECISION_BYTES_MAX {
        return Err(corrupt(format!("{} bytes; at most {DECISION_BYTES_MAX}", body.len())));
    }
    if let Some(decision) = read::<Decision>(body).filter(is_known) {
        return Ok(decision);
    }
    let version = decide_version(body).ok_or_else(|| corrupt("it has no version".to_owned()))?;
    if !knows_version(version) {
        return Err(Error::unavailable(format!(
            "a decision was made by decide_version {version} and this release reads up to \
             {DECIDE_VERSION_NEWEST}: use the release that made it, or a newer one"
        )));
    }
    let decision: Decision = DECISION_READER.read(body).map_err(corrupt)?;
    if let Some(version) = activated(&decision).filter(|version| !knows_version(*version)) {
        return Err(Error::unavailable(format!(
            "a decision activates decide_version {version} and this release reads up to \
             {DECIDE_VERSION_NEWEST}: use a newer release"
        )));
    }
    if !is_known(&decision) {
        return Err(corrupt(format!("version {version} has no such event")));
    }
    Ok(decision)
}

/// The version that decides from the next command on, when that is news.
fn activated(decision: &Decision) -> Option<i64> {
    decision.events.iter().find_map(|event| match event {
        Event::DeciderActivated(activated) => Some(activated.version),
        _ => None,
    })
}

/// Whether this release knows the decision's version, and that one all of its events.
fn is_known(decision: &Decision) -> bool {
    let version = decision.decide_version;
    knows_version(version) && decision.events.iter().all(|event| event.since() <= version)
}

/// A body names the version of its schema itself.
impl Versioned for Decision {
    fn oldest_id(&self) -> u32 {
        0
    }
}

/// The digest that the next decision's `prev_hash` repeats.
#[must_use]
pub fn body_hash(body: &[u8]) -> Hash32 {
    Hash32(blake3::hash(body).into())
}

fn decide_version(body: &[u8]) -> Option<i64> {
    static READER: LazyLock<GenericDatumReader<'static>> = LazyLock::new(|| {
        let reader = GenericDatumReader::builder(&Schema::Long).build();
        reader.expect("a number refers to nothing that could be missing")
    });
    READER.read_deser(&mut &body[..]).ok()
}
