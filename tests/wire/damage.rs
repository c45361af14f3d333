//! Damaged, cut, foreign and over-long bytes are inputs: each has one answer, and none is a panic.

use crate::content;
use crate::examples::{commands, decisions};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use conclave::wire::schemas::{COMMAND_SCHEMA, DECISION_SCHEMA};
use conclave::wire::{
    COMMAND_BYTES_MAX, CommandReader, decode_decision, encode_command, encode_decision,
};
use conclave_core::command::Command;
use conclave_core::decision::Decision;
use conclave_core::limits::DECISION_BYTES_MAX;

fn check(value: &[u8], answer: &str) {
    assert_eq!(content(&CommandReader::new(), value), Err(answer.to_owned()), "{value:02x?}");
}

fn framed(datum: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 1], datum].concat()
}

#[test]
fn broken_framing_is_answered_in_a_sentence() {
    check(&[], "unreadable: 0 bytes; the framing alone has 5");
    check(&[0, 0, 0, 1], "unreadable: 4 bytes; the framing alone has 5");
    check(b"{\"pool\": 1}", "unreadable: starts with byte 123, not 0: not Confluent framing");
    let unknown = "unknown_schema: schema 258 is not known here, or is no schema of commands";
    check(&[0, 0, 0, 1, 2], unknown);
    check(&framed(&[]), "unreadable: the value ends before its last field");
    let long = COMMAND_BYTES_MAX + 1;
    check(&vec![0; long], &format!("unreadable: {long} bytes; at most {COMMAND_BYTES_MAX}"));
}

#[test]
fn what_does_not_fit_is_answered_in_a_sentence() {
    // Id, pool, tenant and user are empty, then role, time and branch.
    check(&framed(&[0, 0, 0, 0, 0, 0, 4, 9, 9]), "unreadable: bytes trail the value: 2");
    let branch = "unreadable: branch 13 of a union of which this version knows 13: \
                  the writer is newer, or the bytes are damaged";
    check(&framed(&[0, 0, 0, 0, 0, 0, 26]), branch);
    let misfit = "unreadable: a value does not fit its field, or is newer than this version";
    check(&framed(&[0, 0, 0, 0, 8, 0, 4]), misfit); // no fifth role
    check(&framed(&[0, 0, 0, 0, 0, 0, 1]), misfit); // branch -1
    check(&framed(&[1]), misfit); // a text of -1 bytes
    check(&framed(&[2, 0xff]), "unreadable: a text is not UTF-8");
    check(&framed(&[0xff; 40]), misfit); // a number that does not end
    let huge = [0xfe, 0xff, 0xff, 0xff, 0xff, 0x7f];
    check(&framed(&huge), "unreadable: a text claims more bytes than are allowed");
}

#[test]
fn an_array_that_claims_more_items_than_it_has_ends_with_its_bytes() {
    // SetPoolPolicy is branch 7; its target workload then claims 2^62 shapes.
    let mut datum = vec![0, 0, 0, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0];
    datum.extend([0xff; 9].map(|byte: u8| byte & 0xfe | 0x80));
    datum.push(0);
    check(&framed(&datum), "unreadable: the value ends before its last field");
}

#[test]
fn a_cut_command_is_never_a_shorter_one() {
    let reader = CommandReader::new();
    for command in commands() {
        let value = encode_command(&command);
        for length in 0..value.len() {
            let answer = content(&reader, &value[..length]).unwrap_err();
            assert!(answer.starts_with("unreadable: "), "{length} bytes of {command:?}: {answer}");
        }
        let trailing = [&value[..], &[0]].concat();
        let answer = content(&reader, &trailing).unwrap_err();
        assert_eq!(answer, "unreadable: bytes trail the value: 1");
    }
}

#[test]
fn a_cut_decision_is_never_a_shorter_one() {
    for (name, decision) in decisions() {
        let body = encode_decision(&decision);
        for length in 0..body.len() {
            assert!(decode_decision(&body[..length]).is_err(), "{length} bytes of {name}");
        }
        let error = decode_decision(&[&body[..], &[0]].concat()).unwrap_err();
        assert_eq!(error.kind.exit_code(), 4, "{error}");
    }
}

#[test]
fn decisions_of_other_versions_and_sizes_are_refused_by_name() {
    let (_, decision) = decisions().remove(0);
    let mut body = encode_decision(&decision);
    body[0] = 8;
    let error = decode_decision(&body).unwrap_err();
    assert_eq!(error.kind.exit_code(), 3, "{error}");
    assert!(error.to_string().contains("decide_version 4"), "{error}");
    let error = decode_decision(&vec![2; DECISION_BYTES_MAX + 1]).unwrap_err();
    assert_eq!(error.kind.exit_code(), 4, "{error}");
}

/// The answer to every flipped bit, as one digest: answers are part of decisions, so a release of
/// the Avro crate that gives other ones needs a new `decide_version`.
#[test]
fn every_flipped_bit_has_the_answer_it_always_had() {
    let reader = CommandReader::new();
    let mut answers = blake3::Hasher::new();
    for command in commands() {
        for flipped in flips(&encode_command(&command)) {
            let answer = match content(&reader, &flipped) {
                Ok(command) => encode_command(&command),
                Err(answer) => answer.into_bytes(),
            };
            answers.update(&answer);
        }
    }
    for (_, decision) in decisions() {
        for flipped in flips(&encode_decision(&decision)) {
            let answer = match decode_decision(&flipped) {
                Ok(decision) => encode_decision(&decision),
                Err(error) => error.to_string().into_bytes(),
            };
            answers.update(&answer);
        }
    }
    assert_eq!(answers.finalize().to_hex().as_str(), ANSWERS);
}

const ANSWERS: &str = "921304ffff21a83ec791ae0d7ea1875e93fb63afca9a2892d18de93a812c0cdc";

fn flips(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    })
}

/// Our own reader declines what it is not sure of; what it takes, the Avro crate has to take alike.
#[test]
fn whatever_is_read_is_what_the_avro_crate_reads() {
    let schema = Schema::parse_str(COMMAND_SCHEMA).unwrap();
    let crates = GenericDatumReader::builder(&schema).build().unwrap();
    let reader = CommandReader::new();
    for command in commands() {
        for flipped in flips(&encode_command(&command))
            .filter(|value| matches!(value[..5], [0, 0, 0, 0, 1..=2]))
        {
            if let Ok(read) = content(&reader, &flipped) {
                assert_eq!(crates.read_deser::<Command>(&mut &flipped[5..]).unwrap(), read);
            }
        }
    }
    let schema = Schema::parse_str(DECISION_SCHEMA).unwrap();
    let crates = GenericDatumReader::builder(&schema).build().unwrap();
    for (name, decision) in decisions() {
        for flipped in flips(&encode_decision(&decision)) {
            if let Ok(read) = decode_decision(&flipped) {
                let theirs = crates.read_deser::<Decision>(&mut &flipped[..]).unwrap();
                assert_eq!(theirs, read, "{name}");
            }
        }
    }
}

/// Avro has many encodings of one value; ours is the shortest, and the others are read as well.
#[test]
fn other_encodings_of_the_same_value_are_read_alike() {
    let tick = [0, 0, 0, 0, 0, 0, 4];
    let plain = content(&CommandReader::new(), &framed(&tick));
    assert!(plain.is_ok(), "{plain:?}");
    let leading_zeros = [0x80, 0, 0, 0, 0, 0x80, 0x80, 0, 0x80, 0, 0x84, 0];
    assert_eq!(content(&CommandReader::new(), &framed(&leading_zeros)), plain);
}
