//! `conclave check`: what is wrong with a set-up, and how to mend it.

mod service;
mod votes;

use super::kafka::reached;
use super::{Output, print};
use crate::config::{Config, Tokens};
use crate::error::{Error, ErrorKind, Result};
use crate::log::LogReader;
use crate::log::kafka::topics::{self, Difference, Harm};
use crate::log::rocks::RocksReader;
use clap::Args;
use conclave_core::command::TimeSource;
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLES: &str = "Examples:
  conclave check --config /etc/conclave/conclave.toml
  conclave check --data data/conclave --output json

Exit codes: 0 all is well (\"mind\" is allowed and worth a second look), 1 something is wrong";

/// Says what is wrong with a configuration, its log, topics and address, and how to mend it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CheckArguments {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the log, instead of the configuration's
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How the findings are printed
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Finding {
    /// What was looked at.
    part: &'static str,
    /// Whether it is as it should be.
    ok: bool,
    /// Whether it is allowed and worth a second look.
    warning: bool,
    /// What was found, and how to mend it.
    detail: String,
}

#[derive(Serialize)]
struct Findings {
    ok: bool,
    findings: Vec<Finding>,
}

impl Finding {
    fn of(part: &'static str, looked: Result<String>) -> Self {
        let ok = looked.is_ok();
        let detail = looked.unwrap_or_else(|error| error.to_string());
        Self { part, ok, warning: false, detail }
    }

    fn warning(part: &'static str, detail: String) -> Self {
        Self { part, ok: true, warning: true, detail }
    }
}

pub(super) fn run(arguments: &CheckArguments) -> Result<u8> {
    let mut findings = Vec::new();
    let read = match &arguments.config {
        Some(path) => Config::read(path).map(|config| (config, path.display().to_string())),
        None => Ok((Config::default(), "no file: the defaults".to_owned())),
    };
    match read {
        Err(error) => findings.push(Finding::of("configuration", Err(error))),
        Ok((mut config, said)) => {
            if let Some(data) = &arguments.data {
                config.data.clone_from(data);
            }
            findings.push(Finding::of("configuration", Ok(said)));
            findings.push(Finding::of("tokens", tokens(&config)));
            findings.extend(service::service(&config));
            findings.push(votes::engine(&config));
            if config.kafka.is_set() {
                findings.extend(kafka(&config));
            } else {
                findings.push(Finding::of("log", log(&config)));
                findings.extend(votes::seat(&config));
            }
        }
    }
    let ok = findings.iter().all(|finding| finding.ok);
    let findings = Findings { ok, findings };
    match arguments.output {
        Output::Json => print(&json(&findings)?)?,
        Output::Text => {
            for Finding { part, ok, warning, detail } in &findings.findings {
                let mark = match (ok, warning) {
                    (false, _) => "WRONG",
                    (true, true) => "mind ",
                    (true, false) => "ok   ",
                };
                print(&format!("{mark}  {part:<14} {detail}"))?;
            }
        }
    }
    Ok(u8::from(!ok))
}

fn json(findings: &Findings) -> Result<String> {
    serde_json::to_string(findings)
        .map_err(|error| Error::bug("findings are no JSON").caused_by(error))
}

fn tokens(config: &Config) -> Result<String> {
    match &config.tokens.file {
        None => Ok("none: whoever is on this machine may do everything".to_owned()),
        Some(file) => {
            Tokens::read(file)?;
            Ok(format!("{} is sound", file.display()))
        }
    }
}

/// Security, brokers and topics; each is looked at only when what it needs is there.
fn kafka(config: &Config) -> Vec<Finding> {
    let settings = match config.kafka.settings() {
        Ok(settings) => settings,
        Err(error) => return vec![Finding::of("kafka", Err(error))],
    };
    let told = || format!("{} with settings that make sense", settings.brokers);
    let mut findings = vec![Finding::of("kafka", Ok(told()))];
    let warning = |detail| Finding::warning("kafka", detail);
    findings.extend(settings.warnings().into_iter().map(warning));
    // What a registry has numbered reads like garbage to whoever does not ask it.
    let settings = match reached(config) {
        Ok((settings, _)) => settings,
        Err(error) => {
            findings.push(Finding::of("registry", Err(error)));
            return findings;
        }
    };
    match topics::check(&settings, TimeSource::LogAppend) {
        Err(error) => findings.push(Finding::of("brokers", Err(error))),
        Ok(differences) => {
            findings.push(Finding::of("brokers", Ok("they answer".to_owned())));
            let merged = Difference::merged(&differences);
            findings.extend(merged.iter().map(|difference| match difference.harm {
                Harm::Decisions => Finding {
                    part: "topics",
                    ok: false,
                    warning: false,
                    detail: difference.to_string(),
                },
                Harm::Harmless => Finding::warning("topics", difference.to_string()),
            }));
            if differences.is_empty() {
                let sound = "all is as topics/*.toml have it".to_owned();
                findings.push(Finding::of("topics", Ok(sound)));
            }
        }
    }
    findings
}

fn log(config: &Config) -> Result<String> {
    let shown = config.data.display();
    let is_empty = std::fs::read_dir(&config.data).map_or(true, |mut found| found.next().is_none());
    if is_empty {
        return Ok(format!("{shown} is empty: `conclave serve` starts a new log there"));
    }
    let log = RocksReader::open(&config.data)?;
    if let Some(damage) = log.damage() {
        return Err(Error {
            kind: ErrorKind::Corrupt,
            message: format!("{shown}: {damage}; see docs/runbooks/corrupt-log.md"),
            source: None,
        });
    }
    let ends = log.ends()?;
    Ok(format!("{shown} holds {} decisions; prove them with `replay verify`", ends.decisions_next))
}
