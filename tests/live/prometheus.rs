//! A real Prometheus of a test's own: the package that `dev/services fetch prometheus` has put into
//! the cache, or the one on the path. Where there is none, the test says SKIPPED.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const START_MAX: Duration = Duration::from_secs(60);
const ASK_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// It looks at its targets and rules once a second. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Prometheus {
    process: Child,
    directory: TempDir,
    address: String,
}

/// One series of an answer: its value now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series {
    pub(crate) value: f64,
}

impl Prometheus {
    /// Whether it can be started here. Otherwise says on stderr that `test` is skipped: call it
    /// first, and return when it is false.
    pub(crate) fn is_possible(test: &str) -> bool {
        if program().is_some() {
            return true;
        }
        // Past the test harness, which would swallow it.
        let mut stderr = std::io::stderr();
        writeln!(stderr, "SKIPPED {test}: no Prometheus: dev/services fetch prometheus").unwrap();
        false
    }

    /// Starts it with these targets (`HOST:PORT`) and this file of rules.
    #[track_caller]
    pub(crate) fn start(targets: &[String], rules: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("conclave-prometheus-").tempdir().unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: [\"{rules}\"]\n\
             scrape_configs:\n\
             - job_name: conclave\n  \
               static_configs: [{{targets: {}}}]\n",
            serde_json::to_string(targets).unwrap()
        );
        let file = directory.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let said = fs::File::create(directory.path().join("log")).unwrap();
        let process = Command::new(program().expect("asked before"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .unwrap();
        let started = Self { process, directory, address };
        started.wait_until_it_answers();
        started
    }

    #[track_caller]
    fn wait_until_it_answers(&self) {
        let began = Instant::now();
        while ureq::get(format!("http://{}/-/ready", self.address)).call().is_err() {
            let said = || fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < START_MAX, "Prometheus does not answer:\n{}", said());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Asks its HTTP API; what is wrong with the question is an error.
    pub(crate) fn ask(&self, path: &str, question: Option<&str>) -> Result<Value, String> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(ASK_MAX))
            .http_status_as_error(false)
            .build()
            .into();
        let mut request = agent.get(format!("http://{}/api/v1/{path}", self.address));
        if let Some(question) = question {
            request = request.query("query", question);
        }
        let answered = request.call().and_then(|mut answer| answer.body_mut().read_json());
        let answer: Value = answered.map_err(|error| error.to_string())?;
        let is_well = answer["status"] == "success" && answer["warnings"].is_null();
        if is_well { Ok(answer["data"].clone()) } else { Err(answer.to_string()) }
    }

    /// What an expression gives now.
    #[track_caller]
    pub(crate) fn query(&self, expr: &str) -> Vec<Series> {
        let data = self.ask("query", Some(expr)).unwrap_or_else(|why| panic!("{expr}: {why}"));
        let series =
            |one: &Value| Series { value: one["value"][1].as_str().unwrap().parse().unwrap() };
        data["result"].as_array().unwrap().iter().map(series).collect()
    }

    /// The one value of an expression; none when there is no series, or more than one.
    #[track_caller]
    pub(crate) fn value(&self, expr: &str) -> Option<f64> {
        match self.query(expr).as_slice() {
            [one] => Some(one.value),
            _ => None,
        }
    }

    /// Alerts that fire now.
    pub(crate) fn firing(&self) -> Vec<String> {
        let data = self.ask("alerts", None).unwrap();
        let alerts = data["alerts"].as_array().unwrap().iter();
        let firing = alerts.filter(|alert| alert["state"] == "firing");
        firing.map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until this alert fires, and says how long that took.
    #[track_caller]
    pub(crate) fn wait_for_alert(&self, name: &str, wait_max: Duration) -> Duration {
        let began = Instant::now();
        while !self.firing().iter().any(|firing| firing == name) {
            let waited = began.elapsed();
            assert!(waited < wait_max, "{name} does not fire, but {:?}", self.firing());
            std::thread::sleep(LOOK_EVERY);
        }
        began.elapsed()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // One that has ended already is what was wanted.
        let _killed = self.process.kill();
        let _waited = self.process.wait();
    }
}

fn program() -> Option<PathBuf> {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    let fetched = cache.join("conclave/services/prometheus/usr/bin/prometheus");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("prometheus"));
    on_path.chain([fetched]).find(|program| program.is_file())
}
