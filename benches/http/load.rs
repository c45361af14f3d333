//! Commands one by one, from as many clients as are wanted, each with one on its way.

use crate::client::Client;
use crate::commands::policy;
use crate::machine::core_time;
use crate::sent::{Worker, Writer, node};
use crate::serving::{Decided, Serving, send_lines};
use conclave::log::Headers;
use conclave::log::rocks::Durability;
use conclave::service::{NewCommand, Service};
use conclave::wire::encode_command;
use conclave::wire::json::{Defaults, read_command, write_command};
use conclave_core::command::{Command, CouncilMode, PlacementPolicy};
use conclave_core::decision::Outcome;
use hdrhistogram::Histogram;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

pub(crate) const CONNECTIONS: usize = 64;
/// Leases that the clients hold together.
const LEASES: usize = 10_000;
const NODES: usize = 160;
/// The longest time that is told apart: ten minutes.
const MICROS_MAX: u64 = 600_000_000;

/// What was measured.
pub(crate) struct Load {
    pub(crate) count: usize,
    pub(crate) wall: Duration,
    /// Core time of the clients' thread.
    pub(crate) clients: Duration,
    /// Core time of all other threads: the service.
    pub(crate) service: Duration,
    /// Microseconds of each.
    pub(crate) each: Histogram<u64>,
}

/// How a command gets to where it is decided.
enum Way {
    Http(Client),
    /// Without HTTP, but read from the same JSON.
    Direct(Arc<Service>),
}

impl Way {
    async fn send(&mut self, command: &Command) -> Decided {
        let json = write_command(command);
        match self {
            Self::Http(client) => {
                let reply = client.post("/v1/commands", "application/json", &json).await;
                let said = String::from_utf8_lossy(reply.body);
                assert_eq!(reply.status, 200, "{said}");
                serde_json::from_slice(reply.body).expect("a decision")
            }
            Self::Direct(service) => {
                let command = read_command(json.as_bytes(), &Defaults::default()).expect("ours");
                let key = command.pool.0.as_bytes().to_vec();
                let (value, headers) = (encode_command(&command), Headers::new());
                let pending = service.decide(NewCommand { key, value, headers });
                let answer = pending.expect("there is room").wait().await.expect("it decides");
                let is_accepted = answer.decision.outcome == Outcome::Accepted;
                let outcome = if is_accepted { "accepted" } else { "rejected" }.to_owned();
                Decided { offset: answer.decision.offset.0, outcome }
            }
        }
    }
}

/// Clients and a service for them, whose pool has room.
pub(crate) struct Workshop<'a> {
    pub(crate) serving: Serving,
    workers: Vec<Worker>,
    clients: &'a Runtime,
}

impl<'a> Workshop<'a> {
    /// Opens it; `clients` is the thread that all clients share.
    pub(crate) fn open(parent: &Path, clients: &'a Runtime, durability: Durability) -> Self {
        let serving = Serving::start(parent, durability);
        let mut workers: Vec<_> = (0..CONNECTIONS).map(Worker::new).collect();
        clients.block_on(prepare(&serving, &mut workers));
        Self { serving, workers, clients }
    }

    /// `each` commands of each of so many clients over HTTP.
    pub(crate) fn over_http(&mut self, clients: usize, each: usize) -> Load {
        let ways = self.clients.block_on(connect(self.serving.address, clients));
        self.run(ways.into_iter().map(Way::Http).collect(), each)
    }

    /// The same without HTTP.
    pub(crate) fn direct(&mut self, clients: usize, each: usize) -> Load {
        let way = |_| Way::Direct(Arc::clone(&self.serving.service));
        self.run((0..clients).map(way).collect(), each)
    }

    /// Questions that nothing is decided for.
    pub(crate) fn idle(&self, path: &'static str, each: usize) -> Load {
        let clients = self.clients.block_on(connect(self.serving.address, CONNECTIONS));
        let work = move |mut client: Client| async move {
            let mut times = histogram();
            for _ in 0..each {
                let started = Instant::now();
                assert_eq!(client.get(path).await.status, 200);
                note(&mut times, started);
            }
            ((), times)
        };
        self.clients.block_on(at_once(clients, each, work)).0
    }

    fn run(&mut self, ways: Vec<Way>, each: usize) -> Load {
        let workers = self.workers.split_off(self.workers.len() - ways.len());
        let pairs: Vec<_> = workers.into_iter().zip(ways).collect();
        let work = move |(mut worker, mut way): (Worker, Way)| async move {
            let mut times = histogram();
            for _ in 0..each {
                let command = worker.next();
                let started = Instant::now();
                let decided = way.send(&command).await;
                note(&mut times, started);
                worker.learn(&decided);
            }
            (worker, times)
        };
        let (load, workers) = self.clients.block_on(at_once(pairs, each, work));
        self.workers.extend(workers);
        load
    }
}

/// A pool, and a share of its leases for each worker.
async fn prepare(serving: &Serving, workers: &mut [Worker]) {
    let mut writer = Writer::new("setup");
    let rules = policy(CouncilMode::Enforce, PlacementPolicy::Random, vec![]);
    let nodes = (0..NODES).map(|index| node(index, "A100"));
    let quotas = workers.iter().map(Worker::quota);
    let payloads = [rules].into_iter().chain(nodes).chain(quotas);
    let commands: Vec<_> = payloads.map(|payload| writer.operator(payload)).collect();
    serving.tell(&commands).await;
    let mut client = Client::connect(serving.address).await;
    for _ in 0..LEASES / CONNECTIONS {
        let asks: Vec<_> = workers.iter_mut().map(Worker::ask_for_a_lease).collect();
        for (worker, decided) in workers.iter_mut().zip(send_lines(&mut client, &asks).await) {
            worker.learn(&decided);
        }
    }
}

async fn connect(address: SocketAddr, count: usize) -> Vec<Client> {
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        clients.push(Client::connect(address).await);
    }
    clients
}

/// Runs `work` for each of `many` at once, on this thread.
async fn at_once<T, R: Send + 'static, F>(
    many: Vec<T>,
    each: usize,
    work: impl Fn(T) -> F,
) -> (Load, Vec<R>)
where
    F: Future<Output = (R, Histogram<u64>)> + Send + 'static,
{
    let count = many.len() * each;
    let (started, own, all) = (Instant::now(), core_time(), process_core_time());
    let tasks: JoinSet<_> = many.into_iter().map(work).collect();
    let done = tasks.join_all().await;
    let (wall, clients) = (started.elapsed(), core_time().saturating_sub(own));
    let service = process_core_time().saturating_sub(all).saturating_sub(clients);
    let (mut each, mut results) = (histogram(), vec![]);
    for (result, times) in done {
        each.add(times).expect("all have the same digits");
        results.push(result);
    }
    (Load { count, wall, clients, service, each }, results)
}

/// How long all threads of this process have run: user and system, in ticks of 10 ms.
fn process_core_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_the_name = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = after_the_name.split_whitespace().skip(11).take(2);
    Duration::from_millis(ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10)
}

/// Microseconds.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MICROS_MAX, 3).expect("three digits are few")
}

pub(crate) fn note(times: &mut Histogram<u64>, started: Instant) {
    times.saturating_record(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
}
