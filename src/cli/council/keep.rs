//! `conclave council keep`: puts a council's file where a log's instances look for it.

use crate::cli::kafka::named;
use crate::cli::page::Page;
use crate::council::{fit, keep};
use crate::error::{Error, Result};
use crate::log::kafka::topics::Artifacts;
use clap::{ArgGroup, Args};
use conclave_core::council::ModelId;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("place").args(["data", "brokers"]).required(true)))]
pub(super) struct KeepArguments {
    /// The council
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Data directory of the log
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Kafka's brokers: the file goes into the topic of artifacts, for all instances
    #[arg(long, value_name = "HOST:PORT,...")]
    brokers: Option<String>,
    /// What the names of the topics begin with [default: conclave]
    #[arg(long, requires = "brokers")]
    prefix: Option<String>,
    /// File whose section of Kafka says how brokers are spoken to: TLS, SASL
    #[arg(long, value_name = "FILE", requires = "brokers")]
    config: Option<PathBuf>,
}

/// Keeps the file and prints the commands that seat it.
pub(super) fn run(arguments: &KeepArguments) -> Result<u8> {
    let KeepArguments { file, data, brokers, prefix, config } = arguments;
    let ModelId(digest) = match (data, brokers) {
        (Some(data), _) => keep(file, data)?,
        (None, Some(brokers)) => {
            let settings = named(config.as_deref(), brokers, prefix.as_ref())?;
            let (id, bytes) = fit(file)?;
            Artifacts::of(&settings).put_model(id, &bytes)?;
            id
        }
        (None, None) => return Err(Error::invalid("--data or --brokers is missing")),
    };
    let mut page = Page::open();
    page.line(r#"{"payload": {"ActivateDecider": {"version": 2}}}"#)?;
    page.line(&format!(r#"{{"payload": {{"ActivateCouncil": {{"model": "{digest}"}}}}}}"#))?;
    page.flush().map(|()| 0)
}
