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
use conclave_core::decide::COMMANDS;
use conclave_core::limits::DECIDE_VERSION_NEWEST;
use conclave_core::units::Hash32;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

/// The schema of commands, as it stands in `schemas/`.
pub const COMMAND_SCHEMA: &str = include_str!("../../schemas/command.avsc");
/// The schema of decisions, as it stands in `schemas/`.
pub const DECISION_SCHEMA: &str = include_str!("../../schemas/decision.avsc");

/// The schema of commands as it was first used: without the branches after `ReleaseLease`.
pub const COMMAND_SCHEMA_1: &str = include_str!("../../schemas/released/command-1.avsc");

/// The schema of commands that `decide_version` 1 reads by: without `ActivateCouncil`.
pub const COMMAND_SCHEMA_2: &str = include_str!("../../schemas/released/command-2.avsc");

/// The schema of commands that `decide_version` 2 reads by: without what came with 3.
pub const COMMAND_SCHEMA_3: &str = include_str!("../../schemas/released/command-3.avsc");

/// The local table's id of [`COMMAND_SCHEMA`]. The next version takes the next id, and this one
/// then names the text kept in `schemas/released/`, as id 1 names [`COMMAND_SCHEMA_1`].
pub const COMMAND_SCHEMA_ID: u32 = 4;

/// Versions of the schema of commands, the oldest first, as they were released.
pub const COMMAND_SCHEMAS: [&str; VERSIONS] =
    [COMMAND_SCHEMA_1, COMMAND_SCHEMA_2, COMMAND_SCHEMA_3, COMMAND_SCHEMA];

/// How many versions of the schema of commands there are: their local ids count from 1.
pub const VERSIONS: usize = 4;

/// Branches of the payload that each version of ours has, by its id from 1.
const BRANCHES: [u32; VERSIONS] = [13, 16, 17, 24];

/// What each `decide_version`, from 1, reads commands by: the place of the newest schema that there
/// was among [`COMMAND_SCHEMAS`]. It knows no later branch, field or symbol, whoever wrote it.
const READ_BY: [usize; DECIDERS] = [1, 2, 3];

/// How many versions of the deciding rules this release knows: they count from 1.
const DECIDERS: usize = 3;

const _: () = assert!(DECIDE_VERSION_NEWEST == DECIDERS as i64);

/// What is said of a value that no type of ours holds, such as a symbol that came later.
pub const MISFIT: &str = "a value does not fit its field, or is newer than this version";

/// What stands between the two numbers of a branch that is not known.
const KNOWN_BRANCHES: &str = " of a union of which this version knows ";

/// Bytes of a schema's text.
pub const SCHEMA_BYTES_MAX: usize = 1024 * 1024;

/// A schema that some writer uses, checked against ours and made ready for reading.
pub struct WriterSchema {
    fingerprint: Hash32,
    /// How each version of the deciding rules reads it; some may not know what to make of it.
    readers: [Option<DatumReader>; DECIDERS],
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

    /// How `decide_version` reads what this schema wrote; none when to those rules it is no schema
    /// of commands.
    ///
    /// # Panics
    /// When this release does not know that version.
    pub(super) fn reader(&self, decide_version: i64) -> Option<&DatumReader> {
        let index = usize::try_from(decide_version - 1).ok();
        let reader = index.and_then(|index| self.readers.get(index));
        reader.unwrap_or_else(|| panic!("decide_version {decide_version}")).as_ref()
    }
}

/// The command that could not be read under `decide_version`, as `detail` of its refusal says,
/// because its branch came with later rules; and the first version that knows it.
#[must_use]
pub fn command_of_later_rules(decide_version: i64, detail: &str) -> Option<(&'static str, i64)> {
    let (branch, rest) = detail.strip_prefix("branch ")?.split_once(KNOWN_BRANCHES)?;
    let branch: u32 = branch.parse().ok()?;
    let branches = |version: &usize| BRANCHES[*version];
    let known = READ_BY.get(usize::try_from(decide_version - 1).ok()?).map(branches)?;
    if !rest.starts_with(&format!("{known}:")) {
        return None;
    }
    let later = (1..).zip(READ_BY).skip_while(|(version, _)| *version <= decide_version);
    let (since, _) = later.into_iter().find(|(_, read_by)| branch < branches(read_by))?;
    Some((COMMANDS.get(branch as usize)?.name, since))
}

/// Reads what one schema wrote as one version of ours knows it.
pub(super) struct DatumReader {
    /// The local id of the newest version that both know, when the writer's schema is ours or was:
    /// the types then mirror it field by field.
    newest_id: Option<u32>,
    reader: GenericDatumReader<'static>,
}

impl DatumReader {
    /// Reads `datum`, all of it, straight into `T`.
    ///
    /// # Errors
    /// A sentence of ours about the first thing that does not fit; never the crate's, whose wording
    /// must not reach a decision.
    pub(super) fn read<T: Versioned>(&self, datum: &[u8]) -> std::result::Result<T, String> {
        if let Some(newest_id) = self.newest_id
            && let Some(value) = datum::read::<T>(datum)
            && value.oldest_id() <= newest_id
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

/// What is read under a schema that may lack the newest branches and symbols.
pub(super) trait Versioned: DeserializeOwned {
    /// The local id of the oldest version of ours that can say it. It is what a command is framed
    /// with: a service that has not been upgraded yet reads it as well.
    fn oldest_id(&self) -> u32;
}

/// The local id of the oldest version of ours that has `branch`.
///
/// # Panics
/// When there is no such branch.
pub(super) fn oldest_with_branch(branch: u32) -> u32 {
    let found = (1..).zip(BRANCHES).find(|(_, branches)| branch < *branches);
    found.expect("the newest version has every branch").0
}

/// Checks the schema of somebody who writes commands: may be ours, older (fewer branches, optional
/// fields missing) or newer (more branches, fields or symbols), but renames and promotes nothing.
///
/// An admitted schema is kept until the process ends; there are as many as versions in use.
///
/// # Errors
/// `Invalid`, naming the place, when it is no schema or matches none of ours.
///
/// # Panics
/// Never: tests parse our own schemas.
pub fn admit(schema_text: &str) -> Result<WriterSchema> {
    init();
    let theirs = parse_bounded(schema_text)?;
    let own = COMMAND_SCHEMAS.map(|text| parse(text).expect("tests parse our own schemas"));
    let form = theirs.canonical_form();
    let is_own = own.iter().position(|own| own.canonical_form() == form);
    let mut refusal = None;
    let readers = READ_BY.map(|version| {
        let newest_id = is_own.and_then(|theirs| (1..).nth(theirs.min(version)));
        datum_reader(&theirs, &own[version], newest_id).map_err(|error| refusal = Some(error)).ok()
    });
    match refusal {
        Some(error) if readers.iter().all(Option::is_none) => Err(error),
        _ => Ok(WriterSchema { fingerprint: fingerprint_of(&theirs), readers }),
    }
}

/// The table that answers without a registry. Its ids are known to every version of the rules:
/// whoever writes by the newest schema is read by all, but for branches that came later.
pub(super) fn local_commands() -> BTreeMap<u32, WriterSchema> {
    let versions = (1..).zip(COMMAND_SCHEMAS);
    let admitted = |text| admit(text).expect("our own schemas match the newest of them");
    versions.map(|(id, text)| (id, admitted(text))).collect()
}

/// Reads decisions written under [`DECISION_SCHEMA`].
pub(super) static DECISION_READER: LazyLock<DatumReader> = LazyLock::new(|| {
    init();
    let schema = parse(DECISION_SCHEMA).expect("tests parse our own schemas");
    datum_reader(&schema, &schema, Some(u32::MAX)).expect("our own schema matches itself")
});

/// An adapted schema holds no reference by name, so there is nothing to resolve.
fn no_names() -> ResolvedSchema<'static> {
    static NULL: Schema = Schema::Null;
    ResolvedSchema::new(&NULL).expect("null names nothing")
}

/// The fingerprint of a schema by its text: what [`WriterSchema::fingerprint`] is of it.
///
/// # Errors
/// `Invalid` when it is no schema.
pub fn fingerprint(schema_text: &str) -> Result<Hash32> {
    parse_bounded(schema_text).map(|schema| fingerprint_of(&schema))
}

fn fingerprint_of(schema: &Schema) -> Hash32 {
    Hash32(blake3::hash(schema.canonical_form().as_bytes()).into())
}

fn parse_bounded(schema_text: &str) -> Result<Schema> {
    let bytes = schema_text.len();
    if bytes > SCHEMA_BYTES_MAX {
        let what = format!("a schema of {bytes} bytes; at most {SCHEMA_BYTES_MAX}");
        return Err(Error::invalid(what));
    }
    parse(schema_text)
}

fn parse(text: &str) -> Result<Schema> {
    Schema::parse_str(text).map_err(|error| Error::invalid("not an Avro schema").caused_by(error))
}

/// The reader borrows its schema for as long as it lives, so the schema is leaked: once per
/// version.
fn datum_reader(theirs: &Schema, ours: &Schema, newest_id: Option<u32>) -> Result<DatumReader> {
    let adapted: &'static Schema = Box::leak(Box::new(adapt(theirs, ours)?));
    let reader = GenericDatumReader::builder(adapted)
        .resolved_writer_schemata(no_names())
        .build()
        .expect("a reader without names to resolve has nothing to fail at");
    Ok(DatumReader { newest_id, reader })
}

/// Says in our words why a datum could not be read.
fn misfit(details: &Details) -> String {
    match details {
        Details::ReadBytes(_) | Details::ReadVariableIntegerBytes(_) => {
            "the value ends before its last field".to_owned()
        }
        Details::GetUnionVariant { index, num_variants } => format!(
            "branch {index}{KNOWN_BRANCHES}{num_variants}: \
             the writer is newer, or the bytes are damaged"
        ),
        Details::ConvertToUtf8(_) => "a text is not UTF-8".to_owned(),
        Details::MemoryAllocation { .. } => "a text claims more bytes than are allowed".to_owned(),
        _ => MISFIT.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_that_came_with_later_rules_is_named_with_their_version() {
        let unknown = |branch: usize, known: usize| {
            let variants = Details::GetUnionVariant { index: branch as i64, num_variants: known };
            misfit(&variants)
        };
        let named = |version, detail: &str| command_of_later_rules(version, detail);
        assert_eq!(named(1, &unknown(16, 16)), Some(("ActivateCouncil", 2)));
        assert_eq!(named(1, &unknown(17, 16)), Some(("SetFairShare", 3)));
        assert_eq!(named(2, &unknown(17, 17)), Some(("SetFairShare", 3)));
        // Nobody knows it, or the writer's own schema lacks it.
        assert_eq!(named(1, &unknown(99, 16)), None);
        assert_eq!(named(3, &unknown(19, 19)), None);
        assert_eq!(named(1, &unknown(13, 13)), None);
        for other in ["a text is not UTF-8", "branch of a tree", ""] {
            assert_eq!(named(1, other), None);
        }
    }
}
