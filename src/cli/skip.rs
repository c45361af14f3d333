//! `conclave skip`: has a command that stops deciding passed over.

use super::print;
use crate::error::Result;
use crate::log::rocks;
use crate::log::skip::Skip;
use clap::Args;
use conclave_core::units::{Offset, UserId};
use std::path::PathBuf;

const EXAMPLES: &str = "Example:
  conclave skip --data data/conclave --offset 4711 --operator ada --reason \"it breaks the placer\"

Read docs/runbooks/skip.md first. The service has to be stopped; its next start answers the command
`Failed`, with operator and reason in the log.";

/// Has the next start pass over a command that stops deciding.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SkipArguments {
    /// Directory of the log
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The command
    #[arg(long)]
    offset: i64,
    /// Who decides that
    #[arg(long)]
    operator: String,
    /// Why, for whoever reads the log
    #[arg(long)]
    reason: String,
}

pub(super) fn run(arguments: &SkipArguments) -> Result<u8> {
    let SkipArguments { data, offset, operator, reason } = arguments;
    let (operator, reason) = (UserId::from(operator.as_str()), reason.clone());
    rocks::skip(data, &Skip { offset: Offset(*offset), operator, reason })?;
    print(&format!("command {offset} will be answered `Failed` by the next start"))?;
    Ok(0)
}
