//! Sending one command, and saying what was decided.

use super::Output;
use super::command_id::new_id;
use super::connection::{ServiceArguments, Source, show};
use super::decided::Decided;
use super::page::say;
use crate::client::{Client, Question, Sent};
use crate::error::{Error, Result};
use clap::Args;
use conclave_core::units::PoolId;
use serde_json::{Value, json};

/// How a command is told from others.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct IdArguments {
    /// Send the same command again under the id that it had, without doing it twice
    #[arg(long, value_name = "ID")]
    pub(super) command_id: Option<String>,
}

/// Where a command goes, and under which id.
pub(super) struct Sending<'a> {
    pub(super) pool: Option<&'a PoolId>,
    pub(super) id: &'a IdArguments,
    pub(super) service: &'a ServiceArguments,
}

/// Sends one command with the fields that `fields` finds, waits for its decision and shows it.
/// Returns the exit code.
pub(super) fn send(
    sending: &Sending<'_>,
    kind: &str,
    fields: impl FnOnce(&Client, &PoolId) -> Result<Value>,
) -> Result<u8> {
    let client = sending.service.client()?;
    let pool = Source::Service(client.clone(), None).pool(sending.pool)?;
    let fields = fields(&client, &pool)?;
    let id = sending.id.command_id.clone().unwrap_or_else(new_id);
    let command = json!({"command_id": id, "pool": pool, "payload": {kind: fields}}).to_string();
    let question = Question::of(&["v1", "commands"]).with("wait", Some("decision"));
    let sent =
        Sent { content_type: "application/json", idempotency_key: None, body: command.as_bytes() };
    let answer = client.post(&question, &sent).inspect_err(|_| {
        say(&format!("to send it again without doing it twice, add --command-id {id}"));
    })?;
    let decided = Decided::read(&answer)?;
    match sending.service.output {
        Output::Json => show(&answer)?,
        Output::Text => show(&decided.lines().join("\n"))?,
    }
    Ok(decided.exit_code())
}

/// What a running request's holder has to show: as given, or as it is now.
pub(super) fn fencing(
    client: &Client,
    pool: &PoolId,
    request: &str,
    given: Option<i64>,
) -> Result<i64> {
    if let Some(given) = given {
        return Ok(given);
    }
    let answer = client.get(&Question::of_pool(&pool.0, &["requests", request]))?;
    let report: Value = serde_json::from_str(&answer).map_err(|error| {
        Error::invalid(format!("{} sends no JSON", client.address())).caused_by(error)
    })?;
    report["request"]["lease"]["fencing"].as_i64().ok_or_else(|| {
        let stage = report["request"]["stage"].as_str().unwrap_or("not there");
        Error::invalid(format!(
            "{request} has no lease in pool {pool}: it is {stage} (`conclave explain {request}` \
             says why; `conclave cancel {request}` withdraws it)"
        ))
    })
}
