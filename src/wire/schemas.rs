//! The schemas that writers of commands may use, by their id in the Confluent framing.
//!
//! Without a registry the local table answers, and "not found" is final.

use super::admission::adapt;
use super::datum;
use super::init;
use crate::error::{Error, Result};
use apache_avro::Schema;
use apache_avro::error::Details;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::ResolvedSchema;
use conclave_core::units::Hash32;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

/// The schema of commands, as it stands in `schemas/`.
pub const COMMAND_SCHEMA: &str = include_str!("../../schemas/command.avsc");
/// The schema of decisions, as it stands in `schemas/`.
pub const DECISION_SCHEMA: &str = include_str!("../../schemas/decision.avsc");

/// The local table's id of [`COMMAND_SCHEMA`]. The next version takes the next id, and this one
/// then names the text kept in `schemas/released/`.
pub const COMMAND_SCHEMA_ID: u32 = 1;

/// Bytes of a schema's text.
pub const SCHEMA_BYTES_MAX: usize = 1024 * 1024;

/// A schema that some writer uses, checked against ours and made ready for reading.
pub struct WriterSchema {
    fingerprint: Hash32,
    /// Whether the types mirror it field by field.
    is_ours: bool,
    reader: GenericDatumReader<'static>,
}

impl fmt::Debug for WriterSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterSchema")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl WriterSchema {
    /// BLAKE3 of the schema's Parsing Canonical Form: the same wherever the schema is registered,
    /// and whatever its documentation says.
    #[must_use]
    pub fn fingerprint(&self) -> Hash32 {
        self.fingerprint
    }

    /// Reads `datum`, all of it, straight into `T`.
    ///
    /// # Errors
    /// A sentence of ours about the first thing that does not fit; never the crate's, whose wording
    /// must not reach a decision.
    pub(super) fn read<T: DeserializeOwned>(&self, datum: &[u8]) -> std::result::Result<T, String> {
        if self.is_ours
            && let Some(value) = datum::read(datum)
        {
            return Ok(value);
        }
        let mut rest = datum;
        let value = self.reader.read_deser(&mut rest).map_err(|error| misfit(error.details()))?;
        match rest.len() {
            0 => Ok(value),
            trailing => Err(format!("bytes trail the value: {trailing}")),
        }
    }
}

/// Checks the schema of somebody who writes commands: may be ours, older (fewer branches, optional
/// fields missing) or newer (more branches, fields or symbols), but renames and promotes nothing.
///
/// An admitted schema is kept until the process ends; there are as many as versions in use.
///
/// # Errors
/// `Invalid`, naming the place, when it is no schema or does not match ours.
pub fn admit(schema_text: &str) -> Result<WriterSchema> {
    if schema_text.len() > SCHEMA_BYTES_MAX {
        let bytes = schema_text.len();
        return Err(Error::invalid(format!(
            "a schema of {bytes} bytes; at most {SCHEMA_BYTES_MAX}"
        )));
    }
    let theirs = parse(schema_text)?;
    let ours = parse(COMMAND_SCHEMA)?;
    writer_schema(&theirs, &ours)
}

/// The table that answers without a registry.
pub(super) fn local_commands() -> BTreeMap<u32, WriterSchema> {
    let current = admit(COMMAND_SCHEMA).expect("our own schema matches itself");
    BTreeMap::from([(COMMAND_SCHEMA_ID, current)])
}

/// Reads decisions written under [`DECISION_SCHEMA`].
pub(super) static DECISION_READER: LazyLock<WriterSchema> = LazyLock::new(|| {
    let schema = parse(DECISION_SCHEMA).expect("tests parse our own schemas");
    writer_schema(&schema, &schema).expect("our own schema matches itself")
});

/// An adapted schema holds no reference by name, so there is nothing to resolve.
fn no_names() -> ResolvedSchema<'static> {
    static NULL: Schema = Schema::Null;
    ResolvedSchema::new(&NULL).expect("null names nothing")
}

fn parse(text: &str) -> Result<Schema> {
    Schema::parse_str(text).map_err(|error| Error::invalid("not an Avro schema").caused_by(error))
}

/// The reader borrows its schema for as long as it lives, so the schema is leaked: once per
/// version.
fn writer_schema(theirs: &Schema, ours: &Schema) -> Result<WriterSchema> {
    init();
    let fingerprint = Hash32(blake3::hash(theirs.canonical_form().as_bytes()).into());
    let is_ours = theirs.canonical_form() == ours.canonical_form();
    let adapted: &'static Schema = Box::leak(Box::new(adapt(theirs, ours)?));
    let reader = GenericDatumReader::builder(adapted)
        .resolved_writer_schemata(no_names())
        .build()
        .expect("a reader without names to resolve has nothing to fail at");
    Ok(WriterSchema { fingerprint, is_ours, reader })
}

/// Says in our words why a datum could not be read.
fn misfit(details: &Details) -> String {
    match details {
        Details::ReadBytes(_) | Details::ReadVariableIntegerBytes(_) => {
            "the value ends before its last field".to_owned()
        }
        Details::GetUnionVariant { index, num_variants } => format!(
            "branch {index} of a union of which this version knows {num_variants}: \
             the writer is newer, or the bytes are damaged"
        ),
        Details::ConvertToUtf8(_) => "a text is not UTF-8".to_owned(),
        Details::MemoryAllocation { .. } => "a text claims more bytes than are allowed".to_owned(),
        _ => "a value does not fit its field, or is newer than this version".to_owned(),
    }
}
