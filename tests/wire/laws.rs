//! What is written is what is read, whatever it says, and is what the Avro crate would write.

use crate::content;
use apache_avro::Schema;
use apache_avro::writer::datum::GenericDatumWriter;
use conclave::wire::schemas::{COMMAND_SCHEMA, DECISION_SCHEMA};
use conclave::wire::{CommandReader, decode_decision, encode_command, encode_decision};
use conclave_core::command::Command;
use conclave_core::decision::Decision;
use conclave_core::limits::DECIDE_VERSION_NEWEST;
use proptest::collection::vec;
use proptest::prelude::*;
use serde::Serialize;

fn written_by_the_crate<T: Serialize>(schema: &str, value: &T) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap();
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    writer.write_ser_to_vec(value).unwrap()
}

proptest! {
    #[test]
    fn a_command_is_read_as_it_was_written(bytes in vec(any::<u8>(), 0..400)) {
        let command: Command = crate::any::any(&bytes);
        let value = encode_command(&command);
        prop_assert_eq!(&value[5..], written_by_the_crate(COMMAND_SCHEMA, &command));
        prop_assert_eq!(content(&CommandReader::new(), &value), Ok(command));
    }

    #[test]
    fn a_decision_is_read_as_it_was_written(bytes in vec(any::<u8>(), 0..1200)) {
        let mut decision: Decision = crate::any::any(&bytes);
        decision.decide_version = DECIDE_VERSION_NEWEST;
        let body = encode_decision(&decision);
        prop_assert_eq!(&body, &written_by_the_crate(DECISION_SCHEMA, &decision));
        prop_assert_eq!(decode_decision(&body).unwrap(), decision);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..300)) {
        let reader = CommandReader::new();
        let framed = [&[0, 0, 0, 0, 1], &bytes[..]].concat();
        let first = content(&reader, &framed);
        prop_assert_eq!(&first, &content(&reader, &framed), "one value was read in two ways");
        drop(content(&reader, &bytes));
        drop(decode_decision(&bytes));
    }
}
