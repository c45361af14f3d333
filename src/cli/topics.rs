//! `conclave topics`: makes the topics of a log on Kafka, and says what is wrong with them.

use super::kafka::reached;
use super::{Output, print};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::log::kafka::settings::KafkaSettings;
use crate::log::kafka::topics::{Applied, Difference, Harm, Wish, apply, check};
use clap::{Args, Subcommand};
use conclave_core::command::TimeSource;
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLES: &str = "Examples:
  conclave topics apply --brokers 127.0.0.1:9092 --partitions 12
  conclave topics check --config /etc/conclave/conclave.toml
  conclave topics apply --brokers 127.0.0.1:9092 --prefix openb --carried

What each topic is set to, and why, stands in topics/*.toml. `apply` never changes a topic that is
there.

Exit codes: 0 nothing that could lose or change decisions, 1 something that could, 2 wrong usage,
3 no answer from the brokers";

/// Makes the topics of a log on Kafka, and says what is wrong with them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TopicsArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes what is missing, opens each partition's log, and compares the rest
    Apply(ApplyArguments),
    /// Compares only
    Check(Where),
}

/// Which topics.
#[derive(Debug, Args)]
struct Where {
    /// Brokers, HOST:PORT with commas between, spoken to in the clear
    #[arg(long, required_unless_present = "config", value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// Configuration file, with security; --brokers goes before its brokers
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What the topics' names begin with, instead of the configuration's (conclave)
    #[arg(long)]
    prefix: Option<String>,
    /// For a demo or an import, which carries its own times and opens the log itself
    #[arg(long)]
    carried: bool,
    /// How the findings are printed
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Args)]
struct ApplyArguments {
    #[command(flatten)]
    place: Where,
    /// Partitions of commands and decisions, for life
    #[arg(long)]
    partitions: Option<i32>,
    /// Copies of each partition; as many as there are brokers, at most 3, when left out
    #[arg(long)]
    replication: Option<i32>,
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    created: &'a [String],
    opened_partitions: &'a [i32],
    differences: &'a [Difference],
}

impl Where {
    fn settings(&self) -> Result<KafkaSettings> {
        let mut config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        if let Some(brokers) = &self.brokers {
            let brokers = brokers.split(',').map(|broker| broker.trim().to_owned());
            config.kafka.brokers = brokers.collect();
        }
        if let Some(prefix) = &self.prefix {
            config.kafka.prefix.clone_from(prefix);
        }
        if !config.kafka.is_set() {
            return Err(Error::invalid(
                "the configuration names no kafka.brokers: set them, or say --brokers HOST:PORT",
            ));
        }
        // Of the registry only what our own values are framed with.
        Ok(reached(&config)?.0)
    }

    fn source(&self) -> TimeSource {
        if self.carried { TimeSource::Carried } else { TimeSource::LogAppend }
    }
}

pub(super) fn run(arguments: &TopicsArguments) -> Result<u8> {
    let (place, applied) = match &arguments.action {
        Action::Check(place) => {
            let differences = check(&place.settings()?, place.source())?;
            (place, Applied { differences, ..Applied::default() })
        }
        Action::Apply(ApplyArguments { place, partitions, replication }) => {
            let (partitions, replication) = (*partitions, *replication);
            let wish = Wish { source: place.source(), partitions, replication };
            (place, apply(&place.settings()?, &wish)?)
        }
    };
    let is_harmful = |difference: &Difference| difference.harm == Harm::Decisions;
    let ok = !applied.differences.iter().any(is_harmful);
    match place.output {
        Output::Json => print(&json(ok, &applied)?)?,
        Output::Text => text(&applied)?,
    }
    Ok(u8::from(!ok))
}

fn json(ok: bool, applied: &Applied) -> Result<String> {
    let Applied { created, opened, differences } = applied;
    let report = Report { ok, created, opened_partitions: opened, differences };
    serde_json::to_string(&report)
        .map_err(|error| Error::bug("findings are no JSON").caused_by(error))
}

fn text(applied: &Applied) -> Result<()> {
    let Applied { created, opened, differences } = applied;
    for topic in created {
        print(&format!("made   {topic}"))?;
    }
    if !opened.is_empty() {
        print(&format!("opened {} partitions of the commands", opened.len()))?;
    }
    for difference in Difference::merged(differences) {
        let mark = match difference.harm {
            Harm::Decisions => "WRONG ",
            Harm::Harmless => "differs",
        };
        print(&format!("{mark} {difference}"))?;
    }
    if differences.is_empty() {
        print("ok     everything else is as topics/*.toml have it")?;
    }
    Ok(())
}
