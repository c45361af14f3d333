//! `POST /v1/commands`: what anybody asks goes in here.

use super::app::App;
use super::caller::Caller;
use super::kept::Patience;
use super::parts::Part;
use super::problem::Problem;
use super::read::{self, Asked, Named};
use super::visible::shown;
use crate::log::{Headers, LogReader, StoredCommand};
use crate::report::decision::DecisionJson;
use crate::report::viewer::Viewer;
use crate::service::{Answer, NewCommand, Pending, SubmitError, now};
use crate::telemetry::{Correlation, TraceParent};
use crate::wire::json::{Defaults, JsonError, read_command, read_lines};
use crate::wire::{CommandReader, command_id_hash, encode_command};
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use conclave_core::command::{Command, Payload};
use conclave_core::council::ModelId;
use conclave_core::decision::Outcome;
use conclave_core::input::Content;
use conclave_core::limits::DECIDE_VERSION_NEWEST;
use conclave_core::units::{CommandId, Hash32, Offset, PoolId, TimeMs};
use serde::Deserialize;
use std::sync::LazyLock;

/// Content types that are read.
const JSON: &str = "application/json";
const JSON_LINES: &str = "application/x-ndjson";
/// Avro in Confluent's framing.
pub const AVRO: &str = "application/vnd.conclave.command+avro";
/// Commands in one body of JSON lines.
const LINES_MAX: usize = 1_000;
/// What the local table of schemas reads: to make one takes milliseconds.
static TABLE: LazyLock<CommandReader> = LazyLock::new(CommandReader::new);
/// Bytes of a correlation id.
const CORRELATION_BYTES_MAX: usize = 128;

/// When an answer is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wait {
    /// Once it is decided.
    #[default]
    Decision,
    /// Once it is sure to be decided.
    Accepted,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    #[serde(default)]
    wait: Wait,
    partition: Option<i64>,
}

/// Sends a command, or several as JSON lines.
#[utoipa::path(
    post, path = "/v1/commands", tag = "commands",
    params(
        ("wait" = Option<String>, Query, description = "`decision` (default) or `accepted`"),
        ("partition" = Option<i64>, Query,
            description = "of commands about the log itself, else the first; any other command \
                           goes where its pool lives"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "the command's id when its body has none"),
        ("Correlation-Id" = Option<String>, Header,
            description = "kept in the envelope of command and decision"),
        ("traceparent" = Option<String>, Header, description = "W3C trace context")
    ),
    request_body(
        description = "A JSON command (docs/json.md), JSON lines, or one Avro command in \
                       Confluent framing",
        content(
            (serde_json::Value = "application/json"),
            (String = "application/x-ndjson"),
            (Vec<u8> = "application/vnd.conclave.command+avro")
        )
    ),
    responses(
        (status = 200, body = serde_json::Value,
            description = "The decision; of JSON lines one answer a line"),
        (status = 202, body = serde_json::Value,
            description = "Accepted: `{\"offset\": N}`; on Kafka `{\"position\": N}`, with the \
                           offset if it is known already"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 408, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn send(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Asked(parameters): Asked<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.check_is_sender()?;
    let kind = content_type(&headers)?;
    let bytes = read::body(&headers, body, app.http().body_bytes_max).await?;
    let Parameters { wait, partition } = parameters;
    let patience = Patience::from_now(app.http().request_timeout_ms);
    let desk = Desk { app: &app, caller: &caller, headers: &headers, wait, partition, patience };
    match kind {
        Kind::Json => desk.answer(desk.read_json(&bytes)?).await,
        Kind::Avro => desk.answer(desk.read_avro(bytes)?).await,
        Kind::JsonLines => desk.answer_lines(&bytes).await,
    }
}

enum Kind {
    Json,
    JsonLines,
    Avro,
}

fn content_type(headers: &HeaderMap) -> Result<Kind, Problem> {
    let named = read::text(headers, header::CONTENT_TYPE.as_str()).unwrap_or("(none)");
    let essence = named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        JSON => Ok(Kind::Json),
        JSON_LINES => Ok(Kind::JsonLines),
        AVRO => Ok(Kind::Avro),
        _ => Err(Problem::unsupported_media(format!(
            "'{named}' is not read here: send {JSON}, {JSON_LINES} or {AVRO}"
        ))),
    }
}

/// One request for decisions, on its way to the shell.
struct Desk<'a> {
    app: &'a App,
    caller: &'a Caller,
    headers: &'a HeaderMap,
    wait: Wait,
    partition: Option<i64>,
    patience: Patience,
}

/// A command, and the partition that it goes to.
struct Addressed {
    command: NewCommand,
    part: Part,
}

impl App {
    /// Where a command goes: to the partition where its pool lives; one about the log itself to the
    /// partition that is named, or the first.
    ///
    /// # Errors
    /// `bad_request` when another partition is named than where the pool lives, `not_found` when
    /// there is none of this number.
    pub(super) fn home_of(&self, command: &Command, named: Option<i64>) -> Result<Part, Problem> {
        if command.payload.is_log_command() {
            return self.part(named);
        }
        let home = self.home(&command.pool);
        let number = home.service().partition();
        if named.is_some_and(|named| named != number) {
            let pool = &command.pool;
            return Err(Problem::bad_request(format!(
                "pool '{pool}' lives in partition {number}: leave ?partition= out"
            )));
        }
        Ok(home)
    }
}

impl Desk<'_> {
    fn defaults(&self) -> Result<Defaults, Problem> {
        let key = read::text(self.headers, "idempotency-key").map(CommandId::from);
        Ok(Defaults { command_id: key, actor: Some(self.caller.actor()), now: now() })
    }

    fn read_json(&self, bytes: &[u8]) -> Result<Addressed, Problem> {
        let command = read_command(bytes, &self.defaults()?).map_err(|error| broken(&error))?;
        self.sealed(&command)
    }

    /// Sound bytes go on as they are: the log keeps what was sent.
    fn read_avro(&self, value: Vec<u8>) -> Result<Addressed, Problem> {
        let (time_ms, key) = (TimeMs(0), vec![]);
        let record = crate::log::CommandRecord { time_ms, key, value, headers: Headers::new() };
        let stored = StoredCommand { offset: Offset(0), record };
        let input = TABLE.read(0, &stored, DECIDE_VERSION_NEWEST);
        let command = match input.content {
            Content::Readable { command, .. } => command,
            Content::Unreadable(rejected) => {
                let code = rejected.code.as_str();
                return Err(Problem::bad_request(format!("{code}: {}", rejected.detail)));
            }
        };
        let Addressed { command, part } = self.sealed(&command)?;
        Ok(Addressed { command: NewCommand { value: stored.record.value, ..command }, part })
    }

    /// The command as a record, and where it goes, if the caller may send it.
    fn sealed(&self, command: &Command) -> Result<Addressed, Problem> {
        self.caller.check_sends(command)?;
        let part = self.app.home_of(command, self.partition)?;
        check_council(command, &part)?;
        let correlation = read::text(self.headers, "correlation-id");
        if correlation.is_some_and(|id| id.len() > CORRELATION_BYTES_MAX) {
            let most = format!("Correlation-Id has at most {CORRELATION_BYTES_MAX} bytes");
            return Err(Problem::bad_request(most));
        }
        let trace = read::text(self.headers, "traceparent");
        let envelope = Correlation {
            correlation_id: correlation.map(str::to_owned),
            causation_id: None,
            traceparent: trace.and_then(|trace| TraceParent::parse(trace.as_bytes())),
        };
        let command = NewCommand {
            key: command.pool.0.as_bytes().to_vec(),
            value: encode_command(command),
            headers: envelope.to_headers(),
        };
        Ok(Addressed { command, part })
    }

    async fn answer(&self, addressed: Addressed) -> Result<Response, Problem> {
        let Addressed { command, part } = addressed;
        let service = part.service();
        match self.wait {
            Wait::Accepted => {
                let accepted = self.patience.accepted(service.accept(command)?, &part).await?;
                Ok((StatusCode::ACCEPTED, json(accepted)).into_response())
            }
            Wait::Decision => {
                let answer = self.patience.decided(service.decide(command)?, &part).await?;
                Ok(json(self.decided(&part, &answer).await).into_response())
            }
        }
    }

    /// One line for each line that holds something, in their order. Lines are sent as they come:
    /// what is wrong with a later one does not take back an earlier one.
    async fn answer_lines(&self, bytes: &[u8]) -> Result<Response, Problem> {
        let defaults = Defaults { command_id: None, ..self.defaults()? };
        let lines: Vec<_> = read_lines(bytes, &defaults).take(LINES_MAX + 1).collect();
        if lines.len() > LINES_MAX {
            return Err(Problem::too_large(format!("more than {LINES_MAX} commands in one body")));
        }
        let more = u32::try_from(lines.len().saturating_sub(1)).unwrap_or(u32::MAX);
        self.app.check_rate(self.caller, more)?;
        let mut answers = Vec::with_capacity(lines.len());
        let mut is_refusing = false;
        for (_, command) in lines {
            let command = command.map_err(|error| broken(&error));
            let command = command.and_then(|command| self.sealed(&command));
            if is_refusing {
                // A later command must not overtake an earlier one that has to be sent again.
                answers.push(Line::Problem(
                    Problem::unavailable("not sent: an earlier line could not be").retry_after(1),
                ));
                continue;
            }
            answers.push(match (command, self.wait) {
                (Err(problem), _) => Line::Problem(problem),
                (Ok(Addressed { command, part }), Wait::Decision) => {
                    Line::of(part.service().decide(command), |sent| Line::Decided(sent, part))
                }
                (Ok(Addressed { command, part }), Wait::Accepted) => {
                    Line::of(part.service().accept(command), |sent| Line::Accepted(sent, part))
                }
            });
            is_refusing = answers.last().is_some_and(Line::was_not_taken);
        }
        let mut body = Vec::new();
        for answer in answers {
            body.extend(self.line(answer).await);
            body.push(b'\n');
        }
        Ok(([(header::CONTENT_TYPE, JSON_LINES)], body).into_response())
    }

    async fn line(&self, line: Line) -> Vec<u8> {
        let problem = |problem: Problem| serde_json::to_vec(&problem).unwrap_or_default();
        match line {
            Line::Problem(what) => problem(what),
            Line::Accepted(pending, part) => {
                self.patience.accepted(pending, &part).await.unwrap_or_else(problem)
            }
            Line::Decided(pending, part) => match self.patience.decided(pending, &part).await {
                Ok(answer) => self.decided(&part, &answer).await,
                Err(error) => problem(error),
            },
        }
    }

    /// The decision as JSON; of a repeated command with the first decision beside it.
    async fn decided(&self, part: &Part, answer: &Answer) -> Vec<u8> {
        let viewer = self.caller.viewer();
        let own =
            written(part, answer, &viewer).unwrap_or_else(|| accepted(answer.decision.offset));
        let Outcome::Duplicate(duplicate) = &answer.decision.outcome else { return own };
        let Ok(Some(first)) = decision_at(part, duplicate.first_offset, viewer).await else {
            return own;
        };
        // `{…}` and `,"first":{…}}`.
        let mut whole = own;
        whole.truncate(whole.len() - 1);
        whole.extend(b",\"first\":");
        whole.extend(first);
        whole.push(b'}');
        whole
    }
}

enum Line {
    Problem(Problem),
    Decided(Pending<Answer>, Part),
    Accepted(Pending<Offset>, Part),
}

impl Line {
    /// Whether it has to be sent again.
    fn was_not_taken(&self) -> bool {
        let Self::Problem(problem) = self else { return false };
        [429, 503].contains(&problem.status)
    }

    fn of<T>(
        sent: Result<Pending<T>, SubmitError>,
        pending: impl FnOnce(Pending<T>) -> Self,
    ) -> Self {
        sent.map_or_else(|error| Self::Problem(error.into()), pending)
    }
}

fn broken(error: &JsonError) -> Problem {
    let JsonError { line, column, .. } = *error;
    Problem::bad_request(error.to_string()).at(line, column)
}

/// Where an accepted command stands in the log.
pub(super) fn accepted(offset: Offset) -> Vec<u8> {
    format!("{{\"offset\":{offset}}}").into_bytes()
}

/// Bytes that are JSON already, as an answer.
pub(super) fn json(bytes: Vec<u8>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, JSON)], bytes)
}

/// A decision as JSON, if `viewer` may see it.
pub(super) fn written(part: &Part, answer: &Answer, viewer: &Viewer) -> Option<Vec<u8>> {
    let decision = shown(answer.decision.clone(), viewer)?;
    let json = DecisionJson::of(answer.hash, &decision, part.service().began_at());
    serde_json::to_vec(&json).ok()
}

/// The decision at an offset as JSON; none when `viewer` may not see it.
///
/// # Errors
/// As the log's; `unavailable` when it cannot be reached.
pub(super) async fn decision_at(
    part: &Part,
    offset: Offset,
    viewer: Viewer,
) -> Result<Option<Vec<u8>>, Problem> {
    part.check_is_reached()?;
    let seen = part.clone();
    part.ask(move |service| {
        let records = service.log().decisions(offset, 0)?;
        let Some(record) = records.first().filter(|record| record.offset == offset) else {
            return Ok(None);
        };
        let decision = crate::wire::decode_decision(&record.body)?;
        Ok(written(&seen, &Answer { decision, hash: record.hash }, &viewer))
    })
    .await
}

/// The decision that answered a command, by the command's id.
#[utoipa::path(
    get, path = "/v1/pools/{pool}/commands/{command_id}", tag = "decisions",
    params(("pool" = String, Path), ("command_id" = String, Path)),
    responses(
        (status = 200, body = serde_json::Value),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn by_id(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Named((pool, command_id)): Named<(String, String)>,
) -> Result<Response, Problem> {
    let (pool, id) = (PoolId::from(read::name(&pool)?), CommandId::from(read::name(&command_id)?));
    let part = app.home(&pool);
    let found = part
        .ask_state(None, move |folded| {
            let state = &folded.state;
            let hash = command_id_hash(&pool, &id);
            let seen = state.pools.get(&pool).map(|pool| pool.duplicates.find(hash, state.time_ms));
            Ok(seen.flatten().map(|seen| seen.offset))
        })
        .await?;
    let unknown = || {
        Problem::not_found(format!(
            "no command '{command_id}' is remembered there: it never passed validation, it is \
             older than the duplicate window, or it is another tenant's"
        ))
    };
    let offset = found.ok_or_else(unknown)?;
    let decision = decision_at(&part, offset, caller.viewer()).await?;
    Ok(json(decision.ok_or_else(unknown)?).into_response())
}

/// That the council which a command puts into the seat could sit here: once it is in the log, its
/// partition waits for it.
fn check_council(command: &Command, part: &Part) -> Result<(), Problem> {
    let Payload::ActivateCouncil(activate) = &command.payload else { return Ok(()) };
    let Some(model) = Hash32::from_hex(&activate.model).map(ModelId) else { return Ok(()) };
    let sits = part.service().seat().has(model);
    sits.map_err(|why| Problem::bad_request(format!("this council cannot sit here: {why}")))
}
