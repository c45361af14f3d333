//! Whether bytes written under somebody else's schema can be read as ours, and how.
//!
//! The Avro crate decodes straight into Rust types by the *writer's* schema alone: branches by
//! index, fields by name. What Avro calls resolution therefore happens here, once per schema: the
//! writer's schema is compared with ours and rewritten into one that describes the same bytes and
//! that the crate can read. The crate's own resolution works on its `Value` and is not used: it
//! forgets which branch of a union was written and takes the first that fits.

use crate::error::{Error, Result};
use apache_avro::Schema;
use apache_avro::schema::{
    DecimalSchema, EnumSchema, InnerDecimalSchema, Name, RecordField, RecordSchema, ResolvedSchema,
    SchemaKind, UnionSchema, UuidSchema,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Parts of a writer's schema that we skip, counted where they are used. More is no schema of
/// commands, or one that contains itself.
const SKIPPED_PARTS_MAX: usize = 10_000;
/// How deep such parts may nest.
const SKIPPED_DEPTH_MAX: usize = 32;
/// Bytes of a fixed value that we skip.
const SKIPPED_FIXED_BYTES_MAX: usize = 64 * 1024;

/// Enums whose default says "not known": a symbol newer than ours is read as the default, as Avro
/// has it. Every other unknown symbol makes the command unreadable, because reading, say, a new
/// placement policy as an old one would be a guess.
const SAYS_NOT_KNOWN: [&str; 2] = ["Role", "WorkOutcome"];

/// Marks a record that the crate reads as a sequence; see [`Adapter::sequence`].
const SEQUENCE: &str = "org.apache.avro.rust.tuple";

/// `theirs` rewritten so that the crate reads its bytes into the types that `ours` mirrors. Every
/// reference by name is replaced by what it names.
///
/// # Errors
/// `Invalid`, naming the place, when bytes under `theirs` could not be told apart or would have to
/// be converted.
pub(super) fn adapt(theirs: &Schema, ours: &Schema) -> Result<Schema> {
    let mut adapter = Adapter { theirs: resolve(theirs)?, ours: resolve(ours)?, skipped_parts: 0 };
    adapter.known("the schema", theirs, ours)
}

fn resolve(schema: &Schema) -> Result<ResolvedSchema<'_>> {
    ResolvedSchema::new(schema).map_err(|error| {
        Error::invalid("the schema names a type it does not define").caused_by(error)
    })
}

fn refused(at: &str, why: impl std::fmt::Display) -> Error {
    Error::invalid(format!("{at}: {why}"))
}

fn named<'s>(at: &str, names: &ResolvedSchema<'s>, schema: &'s Schema) -> Result<&'s Schema> {
    match schema {
        Schema::Ref { name } => {
            let found = names.get_names().get(name).copied();
            found.ok_or_else(|| refused(at, format!("{name} is not defined")))
        }
        schema => Ok(schema),
    }
}

struct Adapter<'s> {
    theirs: ResolvedSchema<'s>,
    ours: ResolvedSchema<'s>,
    skipped_parts: usize,
}

impl<'s> Adapter<'s> {
    /// A part that both know.
    fn known(&mut self, at: &str, theirs: &'s Schema, ours: &'s Schema) -> Result<Schema> {
        match (named(at, &self.theirs, theirs)?, named(at, &self.ours, ours)?) {
            (Schema::Null, Schema::Null) => Ok(Schema::Null),
            (Schema::Boolean, Schema::Boolean) => Ok(Schema::Boolean),
            (Schema::Long, Schema::Long) => Ok(Schema::Long),
            (Schema::String, Schema::String) => Ok(Schema::String),
            (Schema::Fixed(theirs), Schema::Fixed(ours))
                if theirs.name == ours.name && theirs.size == ours.size =>
            {
                Ok(Schema::Fixed(theirs.clone()))
            }
            (Schema::Enum(theirs), Schema::Enum(ours)) if theirs.name == ours.name => {
                Ok(Schema::Enum(symbols(theirs, ours)))
            }
            (Schema::Array(theirs), Schema::Array(ours)) => {
                Ok(Schema::array(self.known(at, &theirs.items, &ours.items)?).build())
            }
            (Schema::Union(theirs), Schema::Union(ours)) => self.union(at, theirs, ours),
            (Schema::Record(theirs), Schema::Record(ours)) if theirs.name == ours.name => {
                self.record(at, theirs, ours)
            }
            (theirs, ours) => {
                Err(refused(at, format!("{} where ours has {}", says(theirs), says(ours))))
            }
        }
    }

    /// Branches are told apart by position alone. Those beyond ours are cut off: a value that uses
    /// one is then an error of the crate that names the branch.
    fn union(
        &mut self,
        at: &str,
        theirs: &'s UnionSchema,
        ours: &'s UnionSchema,
    ) -> Result<Schema> {
        let (theirs, ours) = (theirs.variants(), ours.variants());
        if matches!(ours, [Schema::Null, _]) && theirs.len() != ours.len() {
            return Err(refused(at, "not null or one other type"));
        }
        let branches = theirs.iter().zip(ours).map(|(theirs, ours)| self.known(at, theirs, ours));
        let branches = branches.collect::<Result<Vec<_>>>()?;
        UnionSchema::new(branches).map(Schema::Union).map_err(|error| refused(at, error))
    }

    fn record(
        &mut self,
        at: &str,
        theirs: &'s RecordSchema,
        ours: &'s RecordSchema,
    ) -> Result<Schema> {
        let at = format!("{at} > {}", ours.name.name());
        if ours.fields.is_empty() && !theirs.fields.is_empty() {
            return Err(refused(&at, "has fields; ours has none, and the crate cannot skip them"));
        }
        for field in &ours.fields {
            // A missing `Option` is `None` for serde; nothing fills in anything else.
            if !theirs.lookup.contains_key(&field.name) && field.default != Some(Value::Null) {
                return Err(refused(&at, format!("lacks the field {}", field.name)));
            }
        }
        let mut fields = Vec::with_capacity(theirs.fields.len());
        for field in &theirs.fields {
            let at = format!("{at}.{}", field.name);
            let schema = match ours.lookup.get(&field.name) {
                Some(&index) => self.known(&at, &field.schema, &ours.fields[index].schema)?,
                None => self.skipped(&at, &field.schema, 0)?,
            };
            fields.push(RecordField::builder().name(field.name.clone()).schema(schema).build());
        }
        // Without attributes: the crate reads records with one field differently under one of them.
        let record = RecordSchema::builder().name(theirs.name.clone()).fields(fields).build();
        Ok(Schema::Record(record))
    }

    /// A part that only they know, in a shape that the crate can skip.
    fn skipped(&mut self, at: &str, theirs: &'s Schema, depth: usize) -> Result<Schema> {
        self.skipped_parts += 1;
        if self.skipped_parts > SKIPPED_PARTS_MAX || depth > SKIPPED_DEPTH_MAX {
            return Err(refused(at, "too large or too deep to skip"));
        }
        match named(at, &self.theirs, theirs)? {
            Schema::Record(record) => {
                let parts = record.fields.iter();
                let parts = parts.map(|field| self.skipped(at, &field.schema, depth + 1));
                let parts = parts.collect::<Result<Vec<_>>>()?;
                self.sequence(parts)
            }
            Schema::Enum(_) => self.sequence(vec![Schema::Int]),
            Schema::Array(array) => {
                let items = self.skipped(at, &array.items, depth + 1)?;
                if is_empty(&items) {
                    return Err(refused(
                        at,
                        "items without bytes: nothing would bound their count",
                    ));
                }
                Ok(Schema::array(items).build())
            }
            Schema::Map(map) => Ok(Schema::map(self.skipped(at, &map.types, depth + 1)?).build()),
            Schema::Union(union) => {
                let branches = union.variants().iter();
                let branches = branches.map(|branch| self.skipped(at, branch, depth + 1));
                let union = UnionSchema::new(branches.collect::<Result<Vec<_>>>()?);
                union.map(Schema::Union).map_err(|error| refused(at, error))
            }
            schema if fixed_bytes(schema) > SKIPPED_FIXED_BYTES_MAX => {
                Err(refused(at, format!("more than {SKIPPED_FIXED_BYTES_MAX} fixed bytes")))
            }
            schema => Ok(schema.clone()),
        }
    }

    /// A record that the crate reads as a sequence of `parts`. It can skip no enum and no record
    /// with names, and it takes a sequence of one part for that part; the nulls have no bytes. The
    /// name is new, because the branches of a union must differ.
    fn sequence(&self, parts: Vec<Schema>) -> Result<Schema> {
        let padding = [Schema::Null, Schema::Null];
        let parts = parts.into_iter().chain(padding).enumerate();
        let fields = parts.map(|(index, schema)| {
            RecordField::builder().name(format!("part_{index}")).schema(schema).build()
        });
        let name = Name::new(format!("skipped_{}", self.skipped_parts))
            .map_err(|error| Error::bug("a name of ours is no name").caused_by(error))?;
        let attributes = BTreeMap::from([(SEQUENCE.to_owned(), Value::Bool(true))]);
        let record = RecordSchema::builder().name(name).fields(fields.collect());
        Ok(Schema::Record(record.attributes(attributes).build()))
    }
}

/// What no type of ours has: for symbols that ours lacks, which a newer version's types may have.
const UNHEARD_OF: &str = "unheard of";

/// Their symbols by position, the unknown ones replaced: by the default where that may stand for
/// them.
fn symbols(theirs: &EnumSchema, ours: &EnumSchema) -> EnumSchema {
    let says_not_known = SAYS_NOT_KNOWN.contains(&ours.name.name());
    let stand_in = ours.default.as_deref().filter(|_| says_not_known).unwrap_or(UNHEARD_OF);
    let known = |symbol: &String| {
        if ours.symbols.contains(symbol) { symbol.clone() } else { stand_in.to_owned() }
    };
    EnumSchema { symbols: theirs.symbols.iter().map(known).collect(), ..theirs.clone() }
}

fn is_empty(schema: &Schema) -> bool {
    match schema {
        Schema::Null => true,
        Schema::Record(record) => record.fields.iter().all(|field| is_empty(&field.schema)),
        Schema::Fixed(fixed) => fixed.size == 0,
        _ => false,
    }
}

fn fixed_bytes(schema: &Schema) -> usize {
    match schema {
        Schema::Fixed(fixed)
        | Schema::Duration(fixed)
        | Schema::Uuid(UuidSchema::Fixed(fixed))
        | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Fixed(fixed), .. }) => {
            fixed.size
        }
        _ => 0,
    }
}

fn says(schema: &Schema) -> String {
    match schema.name() {
        Some(name) => name.to_string(),
        None => format!("{:?}", SchemaKind::from(schema)).to_lowercase(),
    }
}
