//! Our records as Kafka's messages, and back.
//!
//! A decision's value is its body behind the 5 bytes of Confluent's framing; what the hash chain
//! covers is the body alone. Its key is that of its command. Which command a decision or a dead
//! letter answers stands in the header `command_offset`, since offsets of Kafka have holes.

use crate::error::{Error, Result};
use crate::fold::caught;
use crate::log::{CommandRecord, DeadLetterRecord, DecisionRecord, Headers, StoredCommand};
use conclave_core::units::{Hash32, Offset, TimeMs};
use rdkafka::message::{
    BorrowedMessage, Header, Headers as _, Message as _, OwnedHeaders, Timestamp,
};

/// Header of decisions and dead letters: the offset of the command that they are about, in decimal.
pub const COMMAND_OFFSET: &str = "command_offset";
/// Header of commands whose log carries its own time: milliseconds, in decimal. A message's own
/// time cannot say 0, or anything before it.
pub const RECORD_TIME_MS: &str = "record_time_ms";

/// Bytes that a header usually takes, lengths included.
const HEADER_BYTES_USUAL: usize = 80;

/// Magic byte and schema id of Confluent's framing.
const FRAME_BYTES: usize = 5;

/// A decision's value: its body, framed under the registry's id of the decisions' schema; 0 where
/// there is no registry.
pub(super) fn framed(schema_id: u32, body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(FRAME_BYTES + body.len());
    value.push(0);
    value.extend_from_slice(&schema_id.to_be_bytes());
    value.extend_from_slice(body);
    value
}

/// Headers as the client library takes them, ours behind those of the record.
pub(super) fn to_kafka(headers: &Headers, own: &str, number: i64) -> OwnedHeaders {
    let mut kafka = OwnedHeaders::new_with_capacity(headers.len() + 1);
    for (key, value) in headers.iter() {
        kafka = kafka.insert(Header { key, value: Some(value) });
    }
    kafka.insert(Header { key: own, value: Some(number.to_string().as_bytes()) })
}

/// Headers of a message without the last one, if that is `own`: its value stands beside them. It is
/// the one that we appended; whoever sent a command may have used the name as well.
///
/// The client library panics over a name that is not UTF-8, which anybody may write: such headers
/// count as none, since they prove nothing.
fn from_kafka(message: &BorrowedMessage<'_>, own: &str) -> (Headers, Option<Vec<u8>>) {
    let Some(kafka) = message.headers() else { return (Headers::new(), None) };
    let read = caught(|| {
        let count = kafka.count();
        let mut headers = Headers::with_capacity(count * HEADER_BYTES_USUAL);
        for (index, Header { key, value }) in kafka.iter().enumerate() {
            let value = value.unwrap_or_default();
            if index + 1 == count && key == own {
                return (headers, Some(value.to_vec()));
            }
            headers.push(key, value);
        }
        (headers, None)
    });
    read.unwrap_or_default()
}

/// A message of the command topic.
#[must_use]
pub fn command(message: &BorrowedMessage<'_>) -> StoredCommand {
    let carried = |own: Option<Vec<u8>>| own.and_then(|own| number(&own)).map(TimeMs);
    let (time_ms, headers) = match message.timestamp() {
        // The broker's time: whatever a producer says about it counts for nothing.
        Timestamp::LogAppendTime(ms) => (TimeMs(ms), from_kafka(message, RECORD_TIME_MS).0),
        Timestamp::CreateTime(ms) => {
            let (headers, own) = from_kafka(message, RECORD_TIME_MS);
            (carried(own).unwrap_or(TimeMs(ms)), headers)
        }
        Timestamp::NotAvailable => {
            let (headers, own) = from_kafka(message, RECORD_TIME_MS);
            (carried(own).unwrap_or(TimeMs(-1)), headers)
        }
    };
    let key = message.key().unwrap_or_default().to_vec();
    let value = message.payload().unwrap_or_default().to_vec();
    let record = CommandRecord { time_ms, key, value, headers };
    StoredCommand { offset: Offset(message.offset()), record }
}

/// A message of the decision topic.
///
/// # Errors
/// `Corrupt` when it is none of ours.
pub(super) fn decision(message: &BorrowedMessage<'_>) -> Result<DecisionRecord> {
    let (headers, own) = from_kafka(message, COMMAND_OFFSET);
    let offset = own.and_then(|own| number(&own));
    let offset = offset.ok_or_else(|| foreign(message, "has no header `command_offset`"))?;
    let value = message.payload().unwrap_or_default();
    let body = match value.split_at_checked(FRAME_BYTES) {
        Some(([0, ..], body)) => body.to_vec(),
        _ => return Err(foreign(message, "is not framed")),
    };
    let hash = Hash32(*blake3::hash(&body).as_bytes());
    Ok(DecisionRecord { offset: Offset(offset), hash, body, headers })
}

/// A message of the topic of dead letters.
///
/// # Errors
/// `Corrupt` when it is none of ours.
pub(super) fn dead_letter(message: &BorrowedMessage<'_>) -> Result<DeadLetterRecord> {
    let (headers, own) = from_kafka(message, COMMAND_OFFSET);
    let offset = own.and_then(|own| number(&own)).map(Offset);
    let offset = offset.ok_or_else(|| foreign(message, "has no header `command_offset`"))?;
    let key = message.key().unwrap_or_default().to_vec();
    let value = message.payload().unwrap_or_default().to_vec();
    Ok(DeadLetterRecord { offset, key, value, headers })
}

/// The offset of the command that a decision or dead letter is about.
#[must_use]
pub fn about(message: &BorrowedMessage<'_>) -> Option<Offset> {
    let (_, own) = from_kafka(message, COMMAND_OFFSET);
    own.and_then(|own| number(&own)).map(Offset)
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn foreign(message: &BorrowedMessage<'_>, what: &str) -> Error {
    Error::corrupt(format!(
        "record {} of {}-{} {what}: somebody else wrote to this topic; see \
         docs/runbooks/corrupt-log.md",
        message.offset(),
        message.topic(),
        message.partition()
    ))
}
