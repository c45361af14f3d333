//! The board and the alerts about lag, asked of a real Prometheus that watches a real run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use crate::boards_common::{Alert, alerts, boards, in_repository, queries};
use crate::broker::{Broker, BrokerOptions};
use crate::prometheus::Prometheus;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const RULES: &str = "deploy/alerts-kafka.yml";
/// How soon an alert has to fire.
const TOLD_WITHIN: Duration = Duration::from_secs(60);
/// How long a start, or a hand-over, may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Longer than an alert may take: an instance that hangs keeps its partitions meanwhile.
const SESSION_MS: u64 = 120_000;

/// An instance of the service. Dropped, it is killed.
struct Instance {
    process: Child,
    address: String,
}

impl Instance {
    #[track_caller]
    fn start(broker: &Broker, folder: &Path, name: &str) -> Self {
        let (config, log) =
            (folder.join(format!("{name}.toml")), folder.join(format!("{name}.log")));
        let text = format!(
            "data = \"{name}\"\nlisten = \"127.0.0.1:0\"\n[kafka]\nbrokers = [\"{}\"]\n\
             prefix = \"board\"\ngroup = \"board\"\ninstance_id = \"{name}\"\n\
             session_timeout_ms = {SESSION_MS}\n[kafka.security]\nprotocol = \"plaintext\"\n",
            broker.brokers()
        );
        fs::write(&config, text).unwrap();
        if name == "one" {
            let apply = ["topics", "apply", "--partitions", "2", "--config"];
            let made =
                Command::new(env!("CARGO_BIN_EXE_conclave")).args(apply).arg(&config).output();
            let made = made.unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        let mut process = Command::new(env!("CARGO_BIN_EXE_conclave"))
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let began = Instant::now();
        loop {
            let said = fs::read_to_string(&log).unwrap();
            let address = said.split_once("on http://").and_then(|(_, rest)| rest.split_once('\n'));
            if let Some((address, _)) = address {
                return Self { process, address: address.trim().to_owned() };
            }
            let has_ended = process.try_wait().unwrap().is_some();
            assert!(!has_ended && began.elapsed() < PATIENCE, "it does not serve:\n{said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").arg(format!("-{name}")).arg(id).status().unwrap();
        assert!(sent.success(), "SIG{name} was not sent");
    }

    /// Posts commands to many pools until `is_over`; counts those that were accepted.
    fn load(&self, is_over: &AtomicBool, accepted: &AtomicU64) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(5)))
            .build()
            .into();
        let url = format!("http://{}/v1/commands?wait=accepted", self.address);
        for round in 0.. {
            let line = |number: u64| {
                format!(
                    "{{\"command_id\":\"c-{round}-{number}\",\"pool\":\"pool-{number}\",\
                     \"payload\":{{\"RequestAllocation\":{{\"request\":\"r-{round}\",\
                     \"tenant\":\"t\",\
                     \"gpu_count\":1,\"expected_duration\":\"1h\"}}}}}}\n"
                )
            };
            let body: String = (0..8).map(line).collect();
            let sent = agent.post(&url).header("content-type", "application/x-ndjson").send(&body);
            if let Ok(mut answer) = sent {
                let answers = answer.body_mut().read_to_string().unwrap_or_default();
                let count = answers.lines().filter(|line| line.contains("\"offset\"")).count();
                accepted.fetch_add(count as u64, Ordering::Relaxed);
            }
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // One that has ended already is what was wanted.
        let _killed = self.process.kill();
        let _waited = self.process.wait();
    }
}

/// A query as Grafana would send it, with everything chosen.
fn substituted(expr: &str) -> String {
    let all = [("$__rate_interval", "10s"), ("$job", ".+"), ("$instance", ".+")];
    all.into_iter().fold(expr.to_owned(), |expr, (variable, value)| expr.replace(variable, value))
}

/// Every panel shows something, and it is a number.
#[track_caller]
fn check_panels(prometheus: &Prometheus) {
    let mut count = 0;
    for (file, board) in boards() {
        for query in queries(&board) {
            let found = prometheus.query(&substituted(&query.expr));
            count += 1;
            // The rules sit in the seat here: nobody votes on anything, and there are no members.
            if file == "council.json" {
                continue;
            }
            assert!(!found.is_empty(), "{file}: {}: {}", query.panel, query.expr);
            let odd = found.iter().find(|series| !series.value.is_finite() || series.value < 0.0);
            assert!(odd.is_none(), "{file}: {}: {odd:?}", query.panel);
        }
    }
    assert!(count > 20, "only {count} queries");
}

/// No rule is in error, and nothing fires while all is well.
#[track_caller]
fn check_alerts(prometheus: &Prometheus) {
    for Alert { name, expr, .. } in alerts(RULES) {
        let found = prometheus.query(&expr);
        assert!(found.is_empty(), "{name} although all is well: {found:?}");
    }
    let rules = prometheus.ask("rules", None).unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), alerts(RULES).len());
    let sick: Vec<_> = rules.iter().filter(|rule| rule["health"] != "ok").collect();
    assert!(sick.is_empty(), "{sick:?}");
}

/// Waits until an expression gives what is wanted.
#[track_caller]
fn settle(prometheus: &Prometheus, expr: &str, is_right: impl Fn(f64) -> bool) {
    let began = Instant::now();
    while !prometheus.value(expr).is_some_and(&is_right) {
        assert!(began.elapsed() < PATIENCE, "{expr}: {:?}", prometheus.query(expr));
        std::thread::sleep(Duration::from_millis(200));
    }
}

const DECIDED: &str = "sum(conclave_commands_total)";
const LAG_S: &str = "max(conclave_kafka_lag_seconds)";

/// A good run: what the panels show is what happened.
#[track_caller]
fn check_a_good_run(prometheus: &Prometheus, accepted: &AtomicU64) {
    let of_each = "min(sum by (instance) (conclave_kafka_owned_count))";
    settle(prometheus, of_each, |owned| (owned - 1.0).abs() < f64::EPSILON);
    settle(prometheus, "sum(rate(conclave_kafka_commits_total[10s]))", |rate| rate > 0.0);
    settle(prometheus, "sum(conclave_kafka_uncommitted_count)", |count| count < 0.5);
    settle(prometheus, "min(count_over_time(conclave_kafka_lag_seconds[15s]))", |n| n >= 12.0);
    settle(prometheus, "sum(conclave_kafka_membership_count{state=\"steady\"})", |n| n > 1.5);
    settle(prometheus, LAG_S, |lag| lag < 3.0);
    check_panels(prometheus);
    check_alerts(prometheus);
    let sent = accepted.load(Ordering::Relaxed);
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    settle(prometheus, DECIDED, |decided| decided >= sent as f64);
    assert!(sent > 100, "only {sent} commands");
}

#[test]
fn the_lag_board_shows_a_real_run_and_its_alerts_tell_within_a_minute() {
    let test = "the_lag_board_shows_a_real_run_and_its_alerts_tell_within_a_minute";
    if !Broker::is_possible(test) || !Prometheus::is_possible(test) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let broker = Broker::start(BrokerOptions::default());
    let one = Instance::start(&broker, folder.path(), "one");
    let two = Instance::start(&broker, folder.path(), "two");
    let targets = [one.address.clone(), two.address.clone()];
    let rules = in_repository(RULES);
    let prometheus = Prometheus::start(&targets, rules.to_str().unwrap());
    let (is_over, accepted) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| two.load(&is_over, &accepted));
        let watched = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            check_a_good_run(&prometheus, &accepted);
            // An instance hangs, and keeps its partition. The other one sees the lag grow.
            one.signal("STOP");
            let lag = prometheus.wait_for_alert("ConclaveKafkaLag", TOLD_WITHIN);
            let stopped = prometheus.wait_for_alert("ConclaveKafkaDecidingStopped", TOLD_WITHIN);
            one.signal("CONT");
            settle(&prometheus, LAG_S, |lag| lag < 5.0);
            println!("an instance hangs: lag told after {lag:?}, the stop {stopped:?} later");
        }));
        is_over.store(true, Ordering::Relaxed);
        watched.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    // Whoever watches is answered while brokers are silent.
    broker.pause();
    let away = prometheus.wait_for_alert("ConclaveKafkaBrokersAway", TOLD_WITHIN);
    assert!(prometheus.query("up == 0").is_empty(), "both answer");
    broker.resume();
    settle(&prometheus, "max(conclave_kafka_contact_age_seconds)", |age| age < 3.0);
    // Nobody is left.
    one.signal("STOP");
    two.signal("STOP");
    let silent = prometheus.wait_for_alert("ConclaveKafkaNobodyAnswers", TOLD_WITHIN);
    println!("brokers away told after {away:?}, no instance after {silent:?}");
}
