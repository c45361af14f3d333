//! Waiting for what librdkafka's own threads do, and listening to what they say meanwhile.

use crate::error::{Error, Result};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How long the reason is listened for, once nobody has answered.
const REASON: Duration = Duration::from_secs(3);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// What became of the one record of a producer.
type Delivered = std::result::Result<(), RDKafkaErrorCode>;

/// Hears what a producer is told.
#[derive(Default)]
struct Ear {
    said: Mutex<Option<String>>,
    delivered: Mutex<Option<Delivered>>,
}

impl ClientContext for Ear {
    fn error(&self, error: KafkaError, reason: &str) {
        let is_summary = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        if !is_summary {
            *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        }
    }
}

impl ProducerContext for Ear {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        let report = report
            .as_ref()
            .map(|_| ())
            .map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown));
        *self.delivered.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }
}

/// Why nobody answers a client with these settings, in librdkafka's words: a call that fails says
/// no more than that.
pub(super) fn reason(config: &ClientConfig) -> Option<String> {
    let producer: BaseProducer<Ear> = config.create_with_context(Ear::default()).ok()?;
    let until = Instant::now() + REASON;
    while Instant::now() < until {
        producer.poll(LOOK);
        let said = producer.context().said.lock().unwrap_or_else(PoisonError::into_inner).take();
        if said.is_some() {
            return said;
        }
    }
    None
}

/// Sends one record, a key and a value, and waits until the brokers that have to have it do.
///
/// # Errors
/// The code of the refusal; librdkafka gives up after the settings' `message.timeout.ms`.
pub(super) fn deliver(
    config: &ClientConfig,
    topic: &str,
    partition: i32,
    (key, value): (&[u8], &[u8]),
) -> Result<Delivered> {
    let refused = |error: KafkaError| {
        Error::unavailable(format!("nothing can be sent to {topic}")).caused_by(error)
    };
    let producer: BaseProducer<Ear> =
        config.create_with_context(Ear::default()).map_err(refused)?;
    let record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition).key(key).payload(value);
    producer.send(record).map_err(|(error, _)| refused(error))?;
    loop {
        producer.poll(LOOK);
        let context = producer.context();
        let report = context.delivered.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(report) = report {
            return Ok(report);
        }
    }
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for what librdkafka's own threads complete. A runtime would refuse to wait inside another
/// runtime, which is where the service starts.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
