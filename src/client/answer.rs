//! What an answer that is no success means to whoever asked.

use crate::error::{Error, ErrorKind};
use serde::Deserialize;
use std::time::Duration;
use ureq::Body;
use ureq::http::{Response, StatusCode, header};

/// Bytes of a problem's description.
const PROBLEM_BYTES_MAX: u64 = 64 * 1024;

/// A request that came to nothing.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether the same request may succeed in a moment.
    pub(super) may_repeat: bool,
    /// After which pause, where the service says.
    pub(super) pause: Option<Duration>,
}

/// problem+json, as far as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    /// Says itself where in a body something is wrong.
    detail: String,
}

impl Failure {
    fn of(error: Error) -> Self {
        Self { error, may_repeat: false, pause: None }
    }

    /// Nobody answered, or not to the end.
    pub(super) fn no_answer(address: &str, error: ureq::Error) -> Self {
        match error {
            ureq::Error::Timeout(_) => Self::of(
                Error::unavailable(format!(
                    "no answer from {address} in time: it may still have been done. Ask with \
                     `conclave status`, or send the same again under the same command id"
                ))
                .caused_by(error),
            ),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => Self::of(
                Error::invalid(format!(
                    "'{address}' is no address of a service: write it as {}",
                    super::ADDRESS_DEFAULT
                ))
                .caused_by(error),
            ),
            _ => Self {
                error: Error::unavailable(format!(
                    "no service answers at {address}: start one with `conclave serve --data DIR`, \
                     name another with --server URL or CONCLAVE_SERVER, or read the log itself \
                     with --data DIR"
                ))
                .caused_by(error),
                may_repeat: true,
                pause: None,
            },
        }
    }
}

/// The answer, if it is a success.
pub(super) fn checked(address: &str, response: Response<Body>) -> Result<Response<Body>, Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let pause = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let pause = pause.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let mut body = response.into_body();
    let text = body.with_config().limit(PROBLEM_BYTES_MAX).read_to_string().unwrap_or_default();
    let problem: Problem = serde_json::from_str(&text).unwrap_or_default();
    let kind = kind_of(status, &problem);
    let message = problem.sentence(address, status) + &advice(status, pause);
    let error = Error { kind, message, source: None };
    let may_repeat = kind == ErrorKind::Unavailable;
    Err(Failure { error, may_repeat, pause })
}

/// The problem's type names our kind where the status leaves it open.
fn kind_of(status: StatusCode, problem: &Problem) -> ErrorKind {
    match status.as_u16() {
        408 | 425 | 429 | 502 | 503 | 504 => ErrorKind::Unavailable,
        500.. if problem.kind.ends_with("corrupt") => ErrorKind::Corrupt,
        500.. => ErrorKind::Bug,
        _ => ErrorKind::Invalid,
    }
}

fn advice(status: StatusCode, pause: Option<Duration>) -> String {
    match (status.as_u16(), pause) {
        (401, _) => {
            ": set CONCLAVE_TOKEN, or name a file that holds the token with --token-file".to_owned()
        }
        (429 | 503, Some(pause)) => format!(": try again in {} s", pause.as_secs()),
        _ => String::new(),
    }
}

impl Problem {
    fn sentence(&self, address: &str, status: StatusCode) -> String {
        let said = if self.detail.is_empty() { &self.title } else { &self.detail };
        if said.is_empty() {
            return format!("{address} answers {status}: it may be no conclave service");
        }
        said.clone()
    }
}
