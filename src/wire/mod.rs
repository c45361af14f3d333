//! Avro bytes: commands come in, decisions go out. The only room that knows `schemas/`. What people
//! write as JSON becomes a command in [`json`], before there is an Avro byte of it.
//!
//! Reading order: [`schemas`] (which schemas writers may use), `admission` (what is checked before
//! one is used), [`SchemaSource`] (who else is asked), [`command`] (what was asked, and its
//! digests), [`decision`] (the body that the hash chain covers), `datum` (how our own bytes are
//! written and read), [`RecordedReader`] (reading again what was decided).
//!
//! `decide_version` pins the reader of Avro. Everything here but [`json`] may change a byte of some
//! decision: the branches and symbols that are known, the bounds, and the sentences that say why a
//! command could not be read. A change of any of them needs a new `decide_version`, and so does a
//! release of the Avro crate that tells other errors apart: `tests/wire` pins the outcomes of
//! damaged commands.

mod admission;
pub mod command;
mod datum;
pub mod decision;
pub mod head;
pub mod json;
mod recorded;
pub mod schemas;
mod source;

pub use command::{
    COMMAND_BYTES_MAX, CommandReader, command_id_hash, encode_command, localized, reframe,
};
pub use decision::{body_hash, decode_decision, encode_decision};
pub use head::DecisionHead;
pub use recorded::{MissingSchema, RecordedReader};
pub use schemas::{
    COMMAND_SCHEMA_ID, MISFIT, WriterSchema, admit, command_of_later_rules, fingerprint,
};
pub use source::{SchemaAnswer, SchemaSource, SourcedReader};

/// Bytes that one text or byte string of a datum may claim to have. Above every bound on what is
/// read, and far below what the Avro crate would allow by itself (512 MiB).
pub const ALLOCATION_BYTES_MAX: usize = 1024 * 1024;

/// Bounds what decoding may allocate. The bound belongs to the process and its first user fixes it,
/// so `main` calls this before anything else.
///
/// # Panics
/// When something used the Avro crate before and fixed another bound.
pub fn init() {
    let in_force = apache_avro::util::max_allocation_bytes(ALLOCATION_BYTES_MAX);
    assert_eq!(in_force, ALLOCATION_BYTES_MAX, "Avro was used before its allocations were bounded");
}
