//! `conclave submit`: commands from a file or from stdin.

use super::Output;
use super::command_id::new_id;
use super::connection::{ServiceArguments, show};
use super::decided::Decided;
use super::input::{Written, commands_in, read};
use super::page::say;
use crate::client::{Client, Question, Sent};
use crate::error::{Error, Result};
use crate::report::status::StatusReport;
use clap::Args;
use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Commands and bytes of one submission: far below what a service accepts.
const BATCH_COMMANDS_MAX: usize = 200;
const BATCH_BYTES_MAX: usize = 256 * 1024;
/// A decision that takes longer waits for something, as a rule.
const LOOK_AFTER: Duration = Duration::from_secs(2);

const EXAMPLES: &str = r#"Examples:
  conclave submit request.json --wait
  conclave submit commands.jsonl --wait --output json | jq .outcome
  echo '{"pool":"lab","payload":{"CancelRequest":{"request":"train-1"}}}' | conclave submit - --wait
  conclave submit commands.jsonl --id-prefix night-2026-11-24   # sent twice, done once

Exit codes: 0 all accepted, 1 one or more refused, 2 no such commands, 3 no service answers"#;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SubmitArguments {
    /// File with one JSON command or one in each line; `-` is stdin
    #[arg(value_name = "FILE|-")]
    file: String,
    /// Wait for the decisions; without it, until the service has accepted the commands
    #[arg(long)]
    wait: bool,
    /// Begin of the ids of commands that name none; their number is added [default: a new one]
    #[arg(long, value_name = "TEXT")]
    id_prefix: Option<String>,
    /// Partition of commands about the log itself (`Tick` …); any other goes where its pool lives
    #[arg(long, value_name = "NUMBER")]
    partition: Option<i64>,
    #[command(flatten)]
    service: ServiceArguments,
}

pub(super) fn run(arguments: &SubmitArguments) -> Result<u8> {
    let SubmitArguments { file, wait, id_prefix, partition, service } = arguments;
    let bytes = read(file)?;
    let commands = commands_in(&bytes, file)?;
    let prefix = id_prefix.clone().unwrap_or_else(new_id);
    let client = service.client()?;
    let until = if *wait { "decision" } else { "accepted" };
    let question =
        Question::of(&["v1", "commands"]).with("wait", Some(until)).with("partition", *partition);
    let submission = Submission { client, question, waits: *wait, prefix, output: service.output };
    let sent = match commands.as_slice() {
        [only] => submission.send_one(only),
        all => submission.send_all(all),
    };
    sent.inspect_err(|_| {
        if commands.iter().any(|command| !command.has_id) {
            let prefix = &submission.prefix;
            say(&format!(
                "to submit it again without doing anything twice, add --id-prefix {prefix}"
            ));
        }
    })
}

/// Where commands go.
struct Submission {
    client: Client,
    question: Question,
    waits: bool,
    prefix: String,
    output: Output,
}

impl Submission {
    /// A single command goes as it is written, so that the service's line and column are those of
    /// the file.
    fn send_one(&self, command: &Written<'_>) -> Result<u8> {
        let id = self.id_of(1);
        let sent = Sent {
            content_type: "application/json",
            idempotency_key: (!command.has_id).then_some(&id),
            body: command.json.as_bytes(),
        };
        let answer = self.post(&sent)?;
        let decided = Decided::read(&answer)?;
        match self.output {
            Output::Json => show(&answer)?,
            Output::Text => show(&decided.lines().join("\n"))?,
        }
        Ok(decided.exit_code())
    }

    fn send_all(&self, commands: &[Written<'_>]) -> Result<u8> {
        let (mut code, mut sent) = (0, 0);
        while sent < commands.len() {
            let count = batch(&commands[sent..]);
            let part = self.send_batch(&commands[sent..sent + count], sent + 1);
            code = code.max(part.inspect_err(|_| {
                let (first, last) = (sent + 1, sent + count);
                say(&format!("commands 1 to {sent} are answered, {first} to {last} may not be"));
            })?);
            sent += count;
        }
        Ok(code)
    }

    fn send_batch(&self, commands: &[Written<'_>], first: usize) -> Result<u8> {
        let lines: Vec<String> = (first..)
            .zip(commands)
            .map(|(number, command)| command.line(&self.id_of(number)))
            .collect();
        let body = lines.concat();
        let content_type = "application/x-ndjson";
        let sent = Sent { content_type, idempotency_key: None, body: body.as_bytes() };
        let answer = self.post(&sent)?;
        let answers: Vec<&str> = answer.lines().filter(|line| !line.is_empty()).collect();
        if answers.len() != commands.len() {
            let (got, count) = (answers.len(), commands.len());
            return Err(Error::unavailable(format!(
                "the service answered {got} of {count} commands: submit them again under the same \
                 ids"
            )));
        }
        (first..).zip(answers).try_fold(0, |code: u8, (number, answer)| {
            let decided = Decided::read(answer)?;
            match self.output {
                Output::Json => show(answer)?,
                Output::Text => show(&format!("{number:>4}  {}", decided.line()))?,
            }
            Ok(code.max(match decided.offset() {
                Some(_) => decided.exit_code(),
                None if decided.is_late() => 3,
                None => 2,
            }))
        })
    }

    /// Sends, and says meanwhile what the decisions wait for, when it takes long.
    fn post(&self, sent: &Sent<'_>) -> Result<String> {
        let (done, ended) = channel();
        if self.waits {
            let client = self.client.clone();
            // It ends with the answer; nobody waits for its own last question.
            std::thread::spawn(move || say_what_is_awaited(&client, &ended));
        }
        let answer = self.client.post(&self.question, sent);
        drop(done);
        answer
    }

    fn id_of(&self, number: usize) -> String {
        format!("{}-{number}", self.prefix)
    }
}

/// Says each thing that decisions wait for once, until `ended` is closed.
fn say_what_is_awaited(client: &Client, ended: &Receiver<()>) {
    let mut said = BTreeSet::new();
    while ended.recv_timeout(LOOK_AFTER) == Err(RecvTimeoutError::Timeout) {
        // A service that cannot answer says so to whoever waits for the decision.
        let Ok(json) = client.get(&Question::of(&["v1", "status"])) else { continue };
        let Ok(report) = serde_json::from_str::<StatusReport>(&json) else { return };
        for awaiting in report.awaiting {
            if said.insert((awaiting.partition, awaiting.why.clone())) {
                say(&format!("not decided yet: {}", awaiting.sentence()));
            }
        }
    }
}

/// How many of `commands` go into one submission.
fn batch(commands: &[Written<'_>]) -> usize {
    let mut bytes = 0;
    let fits = |command: &&Written<'_>| {
        bytes += command.json.len();
        bytes <= BATCH_BYTES_MAX
    };
    commands.iter().take(BATCH_COMMANDS_MAX).take_while(fits).count().max(1)
}
