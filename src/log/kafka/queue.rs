//! Handing records to the client library: a full queue is waited for, and the library is served
//! meanwhile.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::ToBytes;
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};
use std::time::{Duration, Instant};

/// How often the library is served. Its own poll spins on anything shorter than 2 ms, and the
/// crate's flush naps for 100 ms: measured, 60,000 and 9,300 records a second instead of 116,000.
const NAP: Duration = Duration::from_micros(200);

/// Lets the library tell what it has to, and gives it time.
pub(super) fn serve<C: ProducerContext>(producer: &BaseProducer<C>) {
    producer.poll(Duration::ZERO);
    std::thread::sleep(NAP);
}

/// Queues a record until `deadline`.
///
/// # Errors
/// As the library's.
pub(super) fn queue<C, K, P>(
    producer: &BaseProducer<C>,
    record: BaseRecord<'_, K, P, C::DeliveryOpaque>,
    deadline: Instant,
) -> Result<(), KafkaError>
where
    C: ProducerContext,
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
{
    let mut waiting = record;
    loop {
        let (error, back) = match producer.send(waiting) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
        if !is_full || Instant::now() > deadline {
            return Err(error);
        }
        serve(producer);
        waiting = back;
    }
}
