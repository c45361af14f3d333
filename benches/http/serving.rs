//! The service as `conclave serve` runs it, in this process, on a port and in a directory of its
//! own.

use crate::client::Client;
use conclave::config::Config;
use conclave::http::{self, App};
use conclave::log::rocks::{Durability, OpenOptions};
use conclave::service::{Service, ServiceOptions};
use conclave::wire::json::write_command;
use conclave_core::command::Command;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// As many as `conclave serve` has.
const HTTP_THREADS: usize = 2;
/// Commands in one body of JSON lines.
const LINES: usize = 1_000;

/// A running service.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    pub(crate) service: Arc<Service>,
    end: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<()>,
    runtime: Runtime,
    directory: TempDir,
}

/// What is read of a decision.
#[derive(Debug, Deserialize)]
pub(crate) struct Decided {
    pub(crate) offset: i64,
    pub(crate) outcome: String,
}

impl Serving {
    pub(crate) fn start(parent: &Path, durability: Durability) -> Self {
        let directory = tempfile::tempdir_in(parent).expect("there is room for a directory");
        let open = OpenOptions { durability, accept_loss_at: None };
        let options = ServiceOptions { open, ..ServiceOptions::new(directory.path()) };
        let service = Arc::new(Service::start(options).expect("an empty directory"));
        let mut config = Config::default();
        // One client that sends all it can is what is measured here.
        (config.http.rate_per_second, config.http.rate_burst) = (1_000_000, 1_000_000);
        config.listen.set_port(0);
        let app = App::new(Arc::clone(&service), &config).expect("there are no tokens");
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(HTTP_THREADS).enable_all().build();
        let runtime = runtime.expect("threads can be started");
        let listener = runtime.block_on(http::bind(config.listen)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (end, ended) = oneshot::channel();
        let served = runtime.spawn(async move {
            http::serve(listener, app, &config, async { drop(ended.await) }).await;
        });
        Self { address, service, end, served, runtime, directory }
    }

    /// Sends commands as JSON lines; panics unless all are accepted.
    pub(crate) async fn tell(&self, commands: &[Command]) {
        let mut client = Client::connect(self.address).await;
        for commands in commands.chunks(LINES) {
            for decided in send_lines(&mut client, commands).await {
                assert_eq!(decided.outcome, "accepted", "the bench is not what it says");
            }
        }
    }

    /// Ends the service; its directory goes with it.
    pub(crate) fn end(self) {
        self.end.send(()).expect("it is still served");
        self.runtime.block_on(self.served).expect("serving does not panic");
        self.service.close().expect("the log can be closed");
        drop(self.directory);
    }
}

/// Sends commands as one body of JSON lines.
pub(crate) async fn send_lines(client: &mut Client, commands: &[Command]) -> Vec<Decided> {
    let lines: Vec<_> = commands.iter().map(write_command).collect();
    let reply = client.post("/v1/commands", "application/x-ndjson", &lines.join("\n")).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(reply.body));
    let lines = reply.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("each line is a decision")).collect()
}
