//! Three partitions behind one address: a pool is answered by its own, the rest by the one that is
//! named, and what is asked of all sums them up.

use crate::elsewhere::Elsewhere;
use crate::wire::{Answer, Wire};
use conclave::config::Config;
use conclave::http::{self, App};
use conclave_core::partition::home_partition;
use conclave_core::units::PoolId;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const COUNT: i64 = 3;
/// One pool of each partition, in their order.
const POOLS: [&str; 3] = ["pool-3", "pool-0", "pool-9"];

struct Served {
    address: String,
    is_over: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
    _runtime: Runtime,
}

impl Served {
    fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (mut services, mut workers) = (vec![], vec![]);
        for partition in 0..COUNT {
            let (mut elsewhere, service) = Elsewhere::new(partition, COUNT);
            let is_over = Arc::clone(&is_over);
            workers.push(std::thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    elsewhere.work();
                    std::thread::sleep(Duration::from_millis(1));
                }
            }));
            services.push(Arc::new(service));
        }
        let mut config = Config::default();
        config.listen.set_port(0);
        let app = App::of(services, &config).unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(http::bind(config.listen)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        runtime.spawn(async move {
            http::serve(listener, app, &config, std::future::pending()).await;
        });
        Self { address, is_over, workers, _runtime: runtime }
    }

    /// The same with a pool in every partition.
    fn furnished() -> Self {
        let served = Self::start();
        for pool in POOLS {
            let policy = json!({"council": "off"});
            let decision = served.decide(pool, "policy", &json!({"SetPoolPolicy": policy}));
            assert_eq!(decision["outcome"], "accepted", "{decision}");
        }
        served
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let headers = "content-type: application/json\r\n";
        Wire::open(&self.address).ask(method, path, headers, body.as_bytes())
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    #[track_caller]
    fn decide(&self, pool: &str, id: &str, payload: &Value) -> Value {
        let command = json!({"command_id": id, "pool": pool, "payload": payload});
        let answer = self.ask("POST", "/v1/commands", &command.to_string());
        assert_eq!(answer.status, 200, "{command}: {answer:?}");
        answer.json()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            let _ignored = worker.join();
        }
    }
}

fn home(pool: &str) -> i64 {
    home_partition(&PoolId::from(pool), COUNT)
}

#[test]
fn a_pool_is_answered_by_its_home() {
    let served = Served::furnished();
    assert_eq!(POOLS.map(home), [0, 1, 2], "choose other names");
    for (partition, pool) in (0..).zip(POOLS) {
        let again = served.decide(pool, "policy", &json!({"SetPoolPolicy": {"council": "off"}}));
        assert_eq!(
            (&again["outcome"], &again["partition"]),
            (&"duplicate".into(), &json!(partition))
        );
        assert_eq!(again["first"]["partition"], partition, "{again}");
        let by_id = served.get(&format!("/v1/pools/{pool}/commands/policy"));
        assert_eq!((&by_id["partition"], &by_id["pool"]), (&json!(partition), &json!(pool)));
        let told = served.get(&format!("/v1/pools/{pool}"));
        let named = told["as_of"].get("partition").and_then(Value::as_i64);
        assert_eq!(named, Some(partition).filter(|number| *number > 0), "{told}");
        assert_eq!(served.get(&format!("/v1/pools/{pool}/queue"))["waiting"], 0);
        let page = served.get(&format!("/v1/decisions?pool={pool}"));
        assert_eq!(page["decisions"].as_array().unwrap().len(), 2, "{page}");
        let timeline = served.get(&format!("/v1/timeline?pool={pool}"));
        assert_eq!(timeline["pools"], json!([pool]));
    }
    let unknown = served.ask("GET", "/v1/pools/pool-77", "").problem(404);
    assert!(unknown.contains(&format!("in partition {}", home("pool-77"))), "{unknown}");
}

#[test]
fn what_is_asked_of_all_sums_them_up() {
    let served = Served::furnished();
    let status = served.get("/v1/status");
    let names = |report: &Value| {
        let pools = report["pools"].as_array().unwrap().clone();
        pools.iter().map(|pool| pool["pool"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&status), ["pool-0", "pool-3", "pool-9"]);
    assert_eq!(names(&served.get("/v1/pools")), ["pool-0", "pool-3", "pool-9"]);
    assert_eq!(status["log_id"], "elsewhere");
    let each = status["partitions"].as_array().unwrap();
    assert_eq!(each.len(), 3, "{status}");
    for (partition, told) in (0..).zip(each) {
        let own = served.get(&format!("/v1/status?partition={partition}"));
        assert_eq!(own.get("partitions"), None, "{own}");
        assert_eq!((&own["chain_head"], &own["as_of"]), (&told["chain_head"], &told["as_of"]));
        assert_eq!(told["partition"], partition);
        assert_ne!(own["chain_head"], status["chain_head"]);
        let at_first = served.get(&format!("/v1/status?partition={partition}&at=0"));
        assert_eq!((&at_first["as_of"]["offset"], &at_first["pools"]), (&json!(0), &json!([])));
    }
    let which = served.ask("GET", "/v1/status?at=0", "").problem(400);
    assert!(which.contains("?partition="), "{which}");
    let ready = served.get("/readyz");
    let parts =
        ready["parts"].as_array().unwrap().iter().map(|part| part["part"].as_str().unwrap());
    let wanted = (0..COUNT).flat_map(|n| [format!("deciding[{n}]"), format!("view[{n}]")]);
    assert!(parts.eq(wanted), "{ready}");
    let metrics = served.ask("GET", "/metrics", "").body;
    for partition in 0..COUNT {
        let series = format!("conclave_waiting_count{{partition=\"{partition}\"}} 0\n");
        assert!(metrics.contains(&series), "{metrics}");
    }
}

#[test]
fn a_partition_is_named_where_no_pool_says_which() {
    let served = Served::furnished();
    for (partition, pool) in (0..COUNT).zip(POOLS) {
        let page = served.get(&format!("/v1/decisions?partition={partition}"));
        let decisions = page["decisions"].as_array().unwrap();
        assert_eq!(decisions[1]["pool"], pool, "{page}");
        let offset = decisions[1]["offset"].as_i64().unwrap();
        let one = served.get(&format!("/v1/decisions/{offset}?partition={partition}"));
        assert_eq!(&one, &decisions[1]);
        // The offset before it is a hole.
        let hole = format!("/v1/decisions/{}?partition={partition}", offset - 1);
        served.ask("GET", &hole, "").problem(404);
        served.ask("GET", &format!("/v1/pools/{pool}?at={}", offset - 1), "").problem(404);
        let timeline = served.get(&format!("/v1/timeline?partition={partition}"));
        assert_eq!(timeline["until"], offset);
    }
    for path in ["/v1/status", "/v1/decisions", "/v1/decisions/0", "/v1/timeline"] {
        let unknown = served.ask("GET", &format!("{path}?partition=3"), "").problem(404);
        assert!(unknown.contains("from 0 to 2"), "{unknown}");
    }
}

#[test]
fn commands_about_the_log_go_where_they_are_told() {
    let served = Served::start();
    let tick = json!({"command_id": "tick", "payload": {"Tick": {}}}).to_string();
    for (query, partition) in [("", 0), ("?partition=2", 2)] {
        let answer = served.ask("POST", &format!("/v1/commands{query}"), &tick);
        assert_eq!((answer.status, &answer.json()["partition"]), (200, &json!(partition)));
    }
    let policy = json!({"command_id": "p", "pool": "pool-0", "payload": {"SetPoolPolicy": {}}});
    let wrong = served.ask("POST", "/v1/commands?partition=2", &policy.to_string()).problem(400);
    assert!(wrong.contains("lives in partition 1"), "{wrong}");
}

#[test]
fn the_stream_is_of_one_partition() {
    let served = Served::furnished();
    let client =
        conclave::client::Client::new(&format!("http://{}", served.address), None).unwrap();
    for (partition, pool) in (0..COUNT).zip(POOLS) {
        let mut decisions = client.decisions_of(Some(partition), 0).unwrap();
        let mut next = || -> Value {
            serde_json::from_str(&decisions.next_decision().unwrap().unwrap()).unwrap()
        };
        assert_eq!(next()["kind"], "OpenLog");
        assert_eq!(next()["pool"], pool);
        served.decide(pool, "again", &json!({"SetPoolPolicy": {"queue_max": 7}}));
        let third = next();
        assert_eq!(
            (&third["command_id"], &third["partition"]),
            (&"again".into(), &partition.into())
        );
    }
}
