//! Bare Avro datums of our own schemas, by their Rust types alone.
//!
//! The types mirror `schemas/` name by name in order, so a schema would say nothing that the type
//! does not: looking every field up in one took nine tenths of the time of encoding, and three
//! quarters of that of decoding.

mod read;
mod write;

pub(super) use read::read;
pub(super) use write::write;
