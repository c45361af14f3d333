//! A record as no client library of ours would write it: the name of its header is not UTF-8.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::io::{Read, Write};
use std::net::TcpStream;

/// Castagnoli's polynomial, its bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (POLYNOMIAL & 0_u32.wrapping_sub(crc & 1))
        })
    })
}

/// A number as records hold it: zigzag, seven bits a byte.
fn varint(number: usize) -> Vec<u8> {
    let (mut left, mut bytes) = (number << 1, vec![]);
    while left >= 0x80 {
        bytes.push(u8::try_from(left & 0x7f).unwrap() | 0x80);
        left >>= 7;
    }
    bytes.push(u8::try_from(left).unwrap());
    bytes
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&varint(bytes.len()), bytes].concat()
}

fn length(bytes: &[u8]) -> [u8; 4] {
    i32::try_from(bytes.len()).unwrap().to_be_bytes()
}

fn text(text: &str) -> Vec<u8> {
    [&i16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

/// One record in a batch of its own (version 2), without compression, times or producer.
fn batch(key: &[u8], value: &[u8], header: &[u8]) -> Vec<u8> {
    let fields = [vec![0, 0, 0], sized(key), sized(value), varint(1), sized(header), sized(b"x")];
    let record = sized(&fields.concat());
    let (attributes_to_times, producer) = ([0_u8; 2 + 4 + 8 + 8], [0xff_u8; 8 + 2 + 4]);
    let behind = [&attributes_to_times[..], &producer, &1_i32.to_be_bytes(), &record].concat();
    let behind_length = [&[0xff; 4], &[2][..], &crc32c(&behind).to_be_bytes(), &behind].concat();
    [&[0; 8][..], &length(&behind_length), &behind_length].concat()
}

/// Writes it (Produce, version 3) and returns its offset.
#[track_caller]
pub(crate) fn produce(
    broker: &str,
    (topic, partition): (&str, i32),
    (key, value): (&[u8], &[u8]),
    header: &[u8],
) -> i64 {
    let records = batch(key, value, header);
    let (produce, version, number) = ([0, 0], [0, 3], [0, 0, 0, 7]);
    let (no_transaction, all, within) = ([0xff, 0xff], [0xff, 0xff], 5_000_i32.to_be_bytes());
    let one = 1_i32.to_be_bytes();
    let parts = [
        &[produce, version].concat()[..],
        &number,
        &text("raw"),
        &no_transaction,
        &all,
        &within,
        &one,
        &text(topic),
        &one,
        &partition.to_be_bytes(),
        &length(&records),
        &records,
    ];
    let request = parts.concat();
    let mut stream = TcpStream::connect(broker).unwrap();
    stream.write_all(&[&length(&request)[..], &request].concat()).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    let mut reply = vec![0; usize::try_from(i32::from_be_bytes(size)).unwrap()];
    stream.read_exact(&mut reply).unwrap();
    // Number, one topic with its name, one partition with its number: then error and offset.
    let at = 4 + 4 + 2 + topic.len() + 4 + 4;
    let error = i16::from_be_bytes(*reply[at..].first_chunk().unwrap());
    assert_eq!(error, 0, "the broker refused the record: {reply:?}");
    i64::from_be_bytes(*reply[at + 2..].first_chunk().unwrap())
}
