//! `conclave serve`: the service, on the embedded log or on Kafka.

use super::demo::DurabilityName;
use super::engine::chosen;
use super::kafka::reached_by_instance;
use crate::config::Config;
use crate::council::{EngineChoice, Engines, Models};
use crate::error::{Error, Result};
use crate::http::{self, App};
use crate::log::LogReader;
use crate::log::kafka::topics::Artifacts;
use crate::log::rocks::{Durability, OpenOptions};
use crate::service::kafka::{KafkaService, KafkaServiceOptions};
use crate::service::{Service, ServiceOptions};
use clap::Args;
use conclave_core::units::Offset;
use conclave_gpu::Software;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

const EXAMPLES: &str = "Examples:
  conclave serve --data data/conclave
  conclave serve --data data/conclave --listen 127.0.0.1:8080
  conclave serve --config /etc/conclave/conclave.toml

`conclave check` says what is wrong with a configuration. SIGTERM and Ctrl-C end the service once
everything that was accepted is decided.";

/// How often it is looked whether the membership in the group is over.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long questions that nobody waits for any more may hold up the end.
const ABANDONED: Duration = Duration::from_secs(2);

/// Runs the service.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ServeArguments {
    /// Configuration file (docs/serve.md); arguments below go before it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the log; made when it is missing
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address and port; others than this machine need tokens
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// What an acknowledged command outlives
    #[arg(long, value_enum)]
    durability: Option<DurabilityName>,
    /// Which machine computes the votes of networks: each finds the same ones
    #[arg(long, value_enum, value_name = "ENGINE")]
    council: Option<EngineChoice>,
    /// Accept that everything from this offset on is lost, as an error message asked
    #[arg(long, value_name = "OFFSET")]
    accept_loss_at: Option<i64>,
}

/// The configuration that `conclave serve` would use with these arguments.
fn configuration(arguments: &ServeArguments) -> Result<Config> {
    let mut config = match &arguments.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    if let Some(data) = &arguments.data {
        config.data.clone_from(data);
    }
    config.listen = arguments.listen.unwrap_or(config.listen);
    if let Some(durability) = arguments.durability {
        config.durability = Durability::from(durability).into();
    }
    config.council.engine = arguments.council.unwrap_or(config.council.engine);
    config.check()?;
    Ok(config)
}

pub(super) fn run(arguments: &ServeArguments) -> Result<u8> {
    let config = configuration(arguments)?;
    let engines = chosen(config.council.engine, Software::Refused)?;
    let accept_loss_at = arguments.accept_loss_at.map(Offset);
    let open = OpenOptions { durability: config.durability.into(), accept_loss_at };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("http")
        .enable_all()
        .build()
        .map_err(|error| Error::unavailable("no threads can be started").caused_by(error))?;
    let served = if config.kafka.is_set() {
        runtime.block_on(serve_kafka(&config, engines))
    } else {
        runtime.block_on(serve(&config, open, &engines))
    };
    // Whoever asked and went away is not waited for: all that had to be written is.
    runtime.shutdown_timeout(ABANDONED);
    served.map(|()| 0)
}

async fn serve(config: &Config, open: OpenOptions, engines: &Engines) -> Result<()> {
    // The address first: a second service finds out before it waits for the log.
    let listener = http::bind(config.listen).await?;
    let address = listener.local_addr().unwrap_or(config.listen);
    let snapshot_every = config.snapshot_every;
    let models = Models::beside(&config.data).computed_by(engines);
    let usual = ServiceOptions::new(&config.data);
    let options = ServiceOptions { open, snapshot_every, models, ..usual };
    let service = Arc::new(Service::start(options)?);
    let app = App::new(Arc::clone(&service), config)?;
    let next = service.log().ends()?.decisions_next;
    say(&format!(
        "conclave serves {} on http://{address} from decision {next}",
        config.data.display()
    ));
    http::serve(listener, app, config, ended()?).await;
    say("going down: deciding what was accepted");
    let closed = tokio::task::spawn_blocking(move || service.close()).await;
    closed.map_err(|_| Error::bug("closing the service panicked"))?
}

async fn serve_kafka(config: &Config, engines: Engines) -> Result<()> {
    let listener = http::bind(config.listen).await?;
    let address = listener.local_addr().unwrap_or(config.listen);
    let config_of_kafka = config.clone();
    let started = tokio::task::spawn_blocking(move || {
        KafkaService::start(&kafka_options(&config_of_kafka, &engines)?)
    });
    let service = started.await.map_err(|_| Error::bug("starting the service panicked"))??;
    let service = Arc::new(service);
    let app = App::of(service.partitions().to_vec(), config)?;
    app.watch_kafka(Arc::clone(service.gauges()));
    let (count, brokers) = (service.partitions().len(), config.kafka.brokers.join(","));
    say(&format!("conclave serves {count} partitions of {brokers} on http://{address}"));
    let (ended, member) = (ended()?, Arc::clone(&service));
    let told = async move {
        tokio::select! {
            () = ended => {}
            () = expelled(&member) => {}
        }
        say("going down: giving the partitions back");
        // While those who ask are still answered: others decide from now on.
        drop(tokio::task::spawn_blocking(move || member.leave()));
    };
    http::serve(listener, app, config, told).await;
    let closed = tokio::task::spawn_blocking(move || service.close()).await;
    closed.map_err(|_| Error::bug("closing the service panicked"))?
}

/// Resolves once this instance's membership in the group is over for good.
async fn expelled(service: &KafkaService) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    while !service.has_ended() {
        look.tick().await;
    }
}

fn kafka_options(config: &Config, engines: &Engines) -> Result<KafkaServiceOptions> {
    let kafka = &config.kafka;
    let (settings, registry) = reached_by_instance(config)?;
    let shared = Arc::new(Artifacts::of(&settings));
    let models = Models::beside(&config.data).or_from(shared).keeping();
    Ok(KafkaServiceOptions {
        settings,
        registry,
        group: kafka.group.clone(),
        instance_id: kafka.instance_id.clone(),
        group_protocol: kafka.group_protocol,
        session_timeout: kafka.session_timeout(),
        transaction_timeout: Duration::from_millis(kafka.transaction_timeout_ms),
        outbox_commands_max: kafka.outbox_commands_max,
        durability: config.durability.into(),
        data: config.data.clone(),
        snapshot_every: config.snapshot_every,
        models: models.computed_by(engines),
    })
}

/// Resolves once the process is told to end.
fn ended() -> Result<impl Future<Output = ()>> {
    let refused = |error: std::io::Error| {
        Error::unavailable("signals cannot be listened to").caused_by(error)
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Tells whoever started it. When stderr is closed there is nobody left to tell.
fn say(sentence: &str) {
    let _ignored = writeln!(std::io::stderr(), "{sentence}");
}
