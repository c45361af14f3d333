//! Who sends while things break: a plain producer with the stock Java partitioner and somebody with
//! HTTP. Both remember what they were told is stored.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::broker::ASK_MAX;
use crate::site::{PARTITIONS, Site};
use crate::system_common::{ask, cancel, command, node, policy, quota, set};
use conclave::validate::Acknowledged;
use conclave::wire::encode_command;
use conclave_core::command::{Command, Payload};
use conclave_core::partition::home_partition;
use conclave_core::units::{Offset, PoolId};
use rdkafka::ClientContext;
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two commands of the producer, and of whoever uses HTTP.
const KAFKA_EVERY: Duration = Duration::from_millis(8);
const HTTP_EVERY: Duration = Duration::from_millis(20);
/// Every so many commands, the one before is sent again, as a sender does that heard nothing.
const AGAIN_EVERY: usize = 9;
const AVRO: &str = "application/vnd.conclave.command+avro";

/// What senders were told is stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Acknowledged>>>);

impl Told {
    fn note(&self, partition: i64, offset: Offset) {
        self.0.lock().unwrap().push(Acknowledged::At { partition, offset });
    }

    pub(crate) fn all(&self) -> Vec<Acknowledged> {
        self.0.lock().unwrap().clone()
    }
}

impl ClientContext for Told {}

impl ProducerContext for Told {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Ok(record) = result {
            self.note(record.partition().into(), Offset(record.offset()));
        }
    }
}

/// A producer as the documents ask for it, and nothing more.
pub(crate) fn producer(site: &Site, told: &Told) -> ThreadedProducer<Told> {
    let mut client = site.client();
    client.set("partitioner", "murmur2_random").set("linger.ms", "1").set("acks", "all");
    client.set("enable.idempotence", "true").set("message.timeout.ms", "60000");
    client.set("message.max.bytes", "2000000");
    client.create_with_context(told.clone()).unwrap()
}

pub(crate) fn send(producer: &ThreadedProducer<Told>, site: &Site, command: &Command) {
    let value = encode_command(command);
    let topic = &site.settings.topics.commands;
    let record = BaseRecord::to(topic).key(command.pool.0.as_bytes()).payload(&value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

/// A pool for each partition.
pub(crate) fn pools() -> Vec<PoolId> {
    let home = |pool: &PoolId| home_partition(pool, PARTITIONS.into());
    let mut names = (0..).map(|number| PoolId::from(&*format!("pool{number}")));
    let mut pools = vec![];
    for partition in 0..i64::from(PARTITIONS) {
        pools.push(names.find(|pool| home(pool) == partition).unwrap());
    }
    pools
}

pub(crate) fn about(pool: &PoolId, id: &str, payload: Payload) -> Command {
    Command { pool: pool.clone(), ..command(id, payload) }
}

/// The `index`th command of somebody: half of them ask, the others cancel what was asked before.
fn step(who: &str, pools: &[PoolId], index: usize) -> Command {
    let (pool, turn) = (&pools[index % pools.len()], index / pools.len());
    let request = format!("{who}{}", turn / 2);
    let payload = match turn % 2 {
        0 => ask(&request, "t").into(),
        _ => cancel(&request),
    };
    about(pool, &format!("{who}-{index}"), payload)
}

/// Gives each pool a node and a tenant, and waits until that is stored.
pub(crate) fn furnish(site: &Site, told: &Told) {
    let producer = producer(site, told);
    for pool in pools() {
        let payloads = [set(policy()), node("a", 8, "A100"), quota("t", 0, 99)];
        for (number, payload) in payloads.into_iter().enumerate() {
            send(&producer, site, &about(&pool, &format!("furnish-{number}"), payload));
        }
    }
    producer.flush(ASK_MAX).unwrap();
}

/// Somebody sends until told to stop.
pub(crate) struct Load {
    told: Told,
    is_closing: Arc<AtomicBool>,
    /// Where HTTP is answered now.
    urls: Arc<Mutex<Vec<String>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(site: &Arc<Site>) -> Self {
        let (told, is_closing) = (Told::default(), Arc::<AtomicBool>::default());
        furnish(site, &told);
        let urls = Arc::<Mutex<Vec<String>>>::default();
        let plain = {
            let (site, told, closing) = (Arc::clone(site), told.clone(), Arc::clone(&is_closing));
            std::thread::spawn(move || produce(&site, &told, &closing))
        };
        let web = {
            let (urls, told, closing) = (Arc::clone(&urls), told.clone(), Arc::clone(&is_closing));
            std::thread::spawn(move || post(&urls, &told, &closing))
        };
        Self { told, is_closing, urls, threads: vec![plain, web] }
    }

    /// Says where HTTP is answered from now on.
    pub(crate) fn post_to(&self, urls: &[String]) {
        *self.urls.lock().unwrap() = urls.to_vec();
    }

    /// Ends it; what was acknowledged.
    pub(crate) fn finish(mut self) -> Vec<Acknowledged> {
        self.is_closing.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        let told = self.told.all();
        assert!(told.len() > 50, "only {} commands were acknowledged", told.len());
        told
    }
}

fn produce(site: &Site, told: &Told, is_closing: &AtomicBool) {
    let (producer, pools) = (producer(site, told), pools());
    let mut index = 0;
    while !is_closing.load(Ordering::Relaxed) {
        send(&producer, site, &step("k", &pools, index));
        if index % AGAIN_EVERY == AGAIN_EVERY - 1 {
            send(&producer, site, &step("k", &pools, index - 1));
        }
        index += 1;
        std::thread::sleep(KAFKA_EVERY);
    }
    producer.flush(3 * ASK_MAX).unwrap();
}

/// Sends each command until somebody says that it is stored.
fn post(urls: &Mutex<Vec<String>>, told: &Told, is_closing: &AtomicBool) {
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(3)));
    let agent: ureq::Agent = config.http_status_as_error(false).build().into();
    let pools = pools();
    let (mut index, mut attempt) = (0, 0_usize);
    while !is_closing.load(Ordering::Relaxed) {
        std::thread::sleep(HTTP_EVERY);
        let known = urls.lock().unwrap().clone();
        let Some(url) = known.get(attempt % known.len().max(1)) else { continue };
        attempt += 1;
        let command = step("h", &pools, index);
        let wait = if index % 2 == 0 { "accepted" } else { "decision" };
        let url = format!("{url}/v1/commands?wait={wait}");
        let sent = agent.post(&url).header("content-type", AVRO).send(&encode_command(&command));
        let Ok(mut answer) = sent else { continue };
        let body: serde_json::Value = answer.body_mut().read_json().unwrap_or_default();
        assert!(answer.status() != 400 && answer.status() != 403, "{body}");
        if answer.status().is_success() {
            // While brokers are away an instance keeps it, and says at which position. Here that
            // is no promise: the instance may be killed for good.
            match body["offset"].as_i64() {
                Some(offset) => {
                    told.note(home_partition(&command.pool, PARTITIONS.into()), Offset(offset));
                }
                None => assert!(body["position"].is_i64(), "{body}"),
            }
            index += 1;
        }
    }
    assert!(urls.lock().unwrap().is_empty() || index > 0, "nothing was accepted over HTTP");
}
