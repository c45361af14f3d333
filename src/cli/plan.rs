//! `conclave plan`: what the rules would answer now, without doing it.

use super::Output;
use super::connection::{ServiceArguments, show};
use super::explain::report_of;
use super::input::{commands_in, read};
use crate::client::{Question, Sent};
use crate::error::{Error, Result};
use crate::explain::plan_text;
use clap::Args;

const EXAMPLES: &str = r#"Examples:
  conclave plan request.json
  conclave plan request.json --output json | jq .holds_for
  echo '{"pool":"lab","payload":{"DrainNode":{"node":"n1"}}}' | conclave plan -"#;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PlanArguments {
    /// File with one JSON command, as for `submit`; `-` is stdin
    #[arg(value_name = "FILE|-")]
    file: String,
    #[command(flatten)]
    service: ServiceArguments,
}

pub(super) fn run(arguments: &PlanArguments) -> Result<u8> {
    let PlanArguments { file, service } = arguments;
    let bytes = read(file)?;
    let commands = commands_in(&bytes, file)?;
    let [command] = commands.as_slice() else {
        let count = commands.len();
        return Err(Error::invalid(format!(
            "{file} holds {count} commands: a plan is about one, since each would change what the \
             next is answered"
        )));
    };
    let content_type = "application/json";
    // A plan is never sent under its id.
    let id = (!command.has_id).then_some("plan");
    let sent = Sent { content_type, idempotency_key: id, body: command.json.as_bytes() };
    let answer = service.client()?.post(&Question::of(&["v1", "plan"]), &sent)?;
    match service.output {
        Output::Json => show(&answer)?,
        Output::Text => show(&plan_text(&report_of(&answer)?))?,
    }
    Ok(0)
}
